"""Starts the shim: at interpreter start it only waits for the agent framework.

Everything heavier (the contract, the reader, the adapters) is imported when `google.adk.runners` is:
a Python process that is no agent pays for this file and `importhook` alone.
"""

import sys

from .importhook import PostImportFinder

TYPE_CHECKING = False  # as typing's, which every interpreter start would pay for
if TYPE_CHECKING:
    from types import ModuleType

FINDER = PostImportFinder()


def begin() -> None:
    """Wait for the modules that have to be patched."""
    FINDER.when_imported("google.adk.runners", _on_runners)
    FINDER.when_imported("kagent.adk.types", _on_kagent_types)
    FINDER.when_imported("starlette.applications", _on_starlette)


def _can_work() -> bool:
    """Whether the shim can work in this runtime; where it cannot, the reason is reported.

    Nothing else of the shim is imported before: on Python 3.10 that would fail. Never raises: the
    import that this follows must not fail.
    """
    try:
        from . import unsupported  # noqa: PLC0415 - see the module's docstring
    except Exception as error:  # noqa: BLE001
        sys.stderr.write(f"hotpeers: the shim was not loaded: {error!r}\n")
        return False
    try:
        why = unsupported.find()
        if why:
            unsupported.report(unsupported.RUNTIME_UNSUPPORTED, why)
            return False
        from . import live  # noqa: F401, PLC0415 - what reports all else
    except Exception as error:  # noqa: BLE001
        unsupported.report(unsupported.SHIM_FAILED, f"loading the shim: {error!r}")
        return False
    return True


def _on_runners(module: "ModuleType") -> None:
    if not _can_work():
        return
    from . import live  # noqa: PLC0415 - see the module's docstring

    with live.guarded("hooking google.adk.runners"):
        from .adapters import attach  # noqa: PLC0415

        attach.hook_runner(module)
    with live.optional("counting turns"):
        from . import turns  # noqa: PLC0415
        from .adapters import invocations  # noqa: PLC0415

        invocations.hook_runs(module.Runner)
        turns.get().start()
    live.start()


def _on_kagent_types(module: "ModuleType") -> None:
    if not _can_work():
        return
    from . import live  # noqa: PLC0415

    with live.optional("hot configuration"):
        from .adapters import hotconfig  # noqa: PLC0415

        hotconfig.hook(module)
    with live.optional("token propagation"):
        from .adapters import kagent  # noqa: PLC0415

        kagent.hook_agent_config(module)


def _on_starlette(module: "ModuleType") -> None:
    """Count the requests of any agent, whether or not its framework is one that gets peers."""
    # An older Python cannot read the rest of the shim; `unsupported` says so where it matters.
    if sys.version_info < (3, 11):  # noqa: UP036
        return
    try:
        from .adapters import requests  # noqa: PLC0415

        requests.hook_starlette(module)
    except Exception as error:  # noqa: BLE001 - the import that this follows must not fail
        sys.stderr.write(f"hotpeers: turns are not counted: {error!r}\n")
