"""Runs a hook right after the import of a module, and changes nothing else.

One finder at the front of `sys.meta_path` lets the other finders find the module, then wraps the
`exec_module` of its loader. It ignores every module that has no hook.

Annotations here are strings: every interpreter start runs this file, and must not pay for imports
that only annotations need.
"""

import sys

TYPE_CHECKING = False  # as in `typing`, whose import would slow down every interpreter start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Hook = Callable[[ModuleType], None]


class PostImportFinder:
    """A meta path finder that finds no modules itself. It hooks modules that other finders find."""

    def __init__(self) -> None:
        self._hooks: dict[str, Hook] = {}
        self._busy: set[str] = set()

    def when_imported(self, name: str, hook: "Hook") -> None:
        """Call `hook(module)` once, after the import of `name`, or now if it is already imported.

        The hook must not raise: its error would make that import fail.
        """
        module = sys.modules.get(name)
        # sys.modules also contains a module whose import has not finished.
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            hook(module)
            return
        self._hooks[name] = hook
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self,
        name: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Find a module that has a hook through the other finders, and wrap its loader."""
        if name not in self._hooks or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = self._find_elsewhere(name, path, target)
        finally:
            self._busy.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._wrap(name, spec)
        return spec

    def _find_elsewhere(
        self, name: str, path: "Sequence[str] | None", target: "ModuleType | None"
    ) -> "ModuleSpec | None":
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                return spec
        return None

    def _wrap(self, name: str, spec: "ModuleSpec") -> None:
        loader = spec.loader
        execute = loader.exec_module  # type: ignore[union-attr]

        def exec_module(module: "ModuleType") -> None:
            execute(module)
            hook = self._hooks.pop(name, None)
            if hook is not None:
                hook(module)

        # Set it on the instance, not on the class: a loader object belongs to one module. Its type
        # must not change, because importlib.resources and pkgutil check it.
        loader.exec_module = exec_module  # type: ignore[union-attr,method-assign]
