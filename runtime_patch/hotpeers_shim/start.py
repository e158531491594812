"""Starts the shim: at interpreter start it only waits for the agent framework.

Everything heavier (the contract, the reader, the adapters) is imported when `google.adk.runners` is:
a Python process that is no agent pays for this file and `importhook` alone.
"""

from .importhook import PostImportFinder

TYPE_CHECKING = False  # as typing's, which every interpreter start would pay for
if TYPE_CHECKING:
    from types import ModuleType

FINDER = PostImportFinder()


def begin() -> None:
    """Wait for the modules that have to be patched."""
    FINDER.when_imported("google.adk.runners", _on_runners)
    FINDER.when_imported("kagent.adk.types", _on_kagent_types)


def _on_runners(module: "ModuleType") -> None:
    from . import live  # noqa: PLC0415 - see the module's docstring

    with live.guarded("hooking google.adk.runners"):
        from .adapters import attach  # noqa: PLC0415

        attach.hook_runner(module)
    live.start()


def _on_kagent_types(module: "ModuleType") -> None:
    from . import live  # noqa: PLC0415

    with live.guarded("hooking kagent.adk.types"):
        from .adapters import kagent  # noqa: PLC0415

        kagent.hook_agent_config(module)
