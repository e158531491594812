"""Imports the Kubernetes client without the 700 generated modules that it would load at once.

`kubernetes_asyncio` and three of its packages import every model and every API. That costs 50 MB and
a second in each orchestrator. This module puts the four packages into `sys.modules` without running
them; each then imports a name when it is first used. Written for version 36.1. If the package has
another structure, it is imported as usual.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = "kubernetes_asyncio"
PACKAGES = (ROOT, f"{ROOT}.client", f"{ROOT}.client.models", f"{ROOT}.client.api")


class _UnexpectedError(Exception):
    """A package does more than import names from its own modules."""


@dataclass(slots=True)
class _Names:
    """The names of a package: `imported` with their origins, and `constants` with their values."""

    imported: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)


def import_lazily() -> bool:
    """Prepare the client for lazy import. Returns False if it has to be imported as usual."""
    if any(name in sys.modules for name in PACKAGES):
        return False
    prepared: dict[str, ModuleType] = {}
    try:
        for name in PACKAGES:
            spec = _find(name, prepared.get(name.rpartition(".")[0]))
            prepared[name] = _module(spec, _read(Path(spec.origin or "")))
    except (_UnexpectedError, OSError, SyntaxError, ValueError):
        return False
    for name, module in prepared.items():
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(prepared[parent], child, module)
    return True


def _find(name: str, parent: ModuleType | None) -> ModuleSpec:
    # `importlib.util.find_spec` would import the parent.
    spec = PathFinder.find_spec(name, None if parent is None else parent.__path__)
    if spec is None or not spec.origin or spec.submodule_search_locations is None:
        raise _UnexpectedError(name)
    return spec


def _read(path: Path) -> _Names:
    names = _Names()
    for node in ast.parse(path.read_bytes()).body:
        match node:
            case ast.Expr(value=ast.Constant()):
                pass  # its docstring
            case ast.ImportFrom(module="__future__"):
                pass
            case ast.ImportFrom(module=str(module), level=0) if _own(module):
                for alias in node.names:
                    names.imported[alias.asname or alias.name] = (module, alias.name)
            case ast.Import(names=[ast.alias(name=module, asname=str(alias))]) if _own(module):
                names.imported[alias] = (module, None)
            case ast.Assign(targets=[ast.Name(id=target)]):
                names.constants[target] = ast.literal_eval(node.value)
            case _:
                raise _UnexpectedError(f"{path}:{node.lineno}")
    return names


def _own(module: str) -> bool:
    return module.partition(".")[0] == ROOT


def _module(spec: ModuleSpec, names: _Names) -> ModuleType:
    module = module_from_spec(spec)
    vars(module).update(names.constants)
    vars(module)["__getattr__"] = _lookup(module, names.imported)
    return module


def _lookup(
    package: ModuleType, imported: dict[str, tuple[str, str | None]]
) -> Callable[[str], Any]:
    def look_up(name: str) -> Any:
        found = imported.get(name)
        if found is None:
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        origin, attribute = found
        module = import_module(origin)
        value = module if attribute is None else getattr(module, attribute)
        setattr(package, name, value)
        return value

    return look_up
