"""Starts the shim. At interpreter start it only installs import hooks for the agent framework.

The import of `google.adk.runners` then loads the larger modules (the contract, the reader, the
adapters). A Python process without an agent loads only this file and `importhook`.
"""

import sys

from .importhook import PostImportFinder

TYPE_CHECKING = False  # as in `typing`, whose import would slow down every interpreter start
if TYPE_CHECKING:
    from types import ModuleType

FINDER = PostImportFinder()


def begin() -> None:
    """Install a hook for the import of each module that the shim patches."""
    FINDER.when_imported("google.adk.runners", _on_runners)
    FINDER.when_imported("kagent.adk.types", _on_kagent_types)
    FINDER.when_imported("starlette.applications", _on_starlette)
    FINDER.when_imported("a2a.server.agent_execution.agent_executor", _on_executor)


def _can_work() -> bool:
    """Whether the shim supports this runtime. Reports the reason if it does not.

    Call it before any other import from the shim: on Python 3.10 such an import fails. It never
    raises, because that would make the agent's own import fail.
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
        from . import live  # noqa: F401, PLC0415 - it reports all other errors
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
    """Count the requests of any agent, even if its framework is not supported for peers."""
    # The rest of the shim needs Python 3.11. `unsupported` reports that for the agents it concerns.
    if sys.version_info < (3, 11):  # noqa: UP036
        return
    try:
        from .adapters import requests  # noqa: PLC0415

        requests.hook_starlette(module)
    except Exception as error:  # noqa: BLE001 - the agent's own import must not fail
        sys.stderr.write(f"hotpeers: turns are not counted: {error!r}\n")


def _on_executor(module: "ModuleType") -> None:
    """Read the lineage of A2A requests to any agent. It is used only where peers are offered."""
    if sys.version_info < (3, 11):  # noqa: UP036 - see `_on_starlette`
        return
    try:
        from .adapters import incoming  # noqa: PLC0415

        incoming.hook_executor(module)
    except Exception as error:  # noqa: BLE001 - the agent's own import must not fail
        sys.stderr.write(f"hotpeers: the lineage of calls is not read: {error!r}\n")
