"""Runs a function right after a module was imported, whoever imports it, and changes nothing else.

One finder at the front of `sys.meta_path` lets the others find the module, then wraps the
`exec_module` of that one loader. Only modules that are waited for are ever looked at.

Annotations here are strings: every interpreter start runs this file, and saves their imports.
"""

import sys

TYPE_CHECKING = False  # as typing's, which every interpreter start would pay for
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Hook = Callable[[ModuleType], None]


class PostImportFinder:
    """A meta path finder that never finds anything itself: it hooks what the others find."""

    def __init__(self) -> None:
        self._hooks: dict[str, Hook] = {}
        self._busy: set[str] = set()

    def when_imported(self, name: str, hook: "Hook") -> None:
        """Call `hook(module)` once, after `name` is imported; at once if it already is.

        The hook must not raise: the import that it follows would fail.
        """
        module = sys.modules.get(name)
        # A module that is being imported at this moment is in sys.modules already.
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
        """Find a waited-for module through the other finders, and hook its loader."""
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

        # On the instance, not the class: a loader object belongs to one module, and keeps its type,
        # which importlib.resources and pkgutil look at.
        loader.exec_module = exec_module  # type: ignore[union-attr,method-assign]
