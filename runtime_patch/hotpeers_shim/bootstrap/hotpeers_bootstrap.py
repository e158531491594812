"""The two ways into the process: `sitecustomize` beside this file, and OpenTelemetry's entry point.

The OpenTelemetry operator puts its own `sitecustomize` first and does not chain; it does call every
entry point of the group `opentelemetry_pre_instrument`, which the `.dist-info` folder here names
(opentelemetry-instrumentation 0.59, `auto_instrumentation/_load.py`).
"""

import os
import sys
from importlib.machinery import PathFinder

_HERE = os.path.dirname(os.path.abspath(__file__))
_LOADED = "hotpeers_shim.start"


def begin() -> None:
    """Load the shim package from the folder above, without a change to `sys.path`; never raises."""
    if _LOADED in sys.modules or os.environ.get("HOTPEERS_DISABLE", "").lower() in ("1", "true"):
        return
    try:
        if "hotpeers_shim" not in sys.modules:
            package = os.path.dirname(_HERE)
            _execute(PathFinder.find_spec("hotpeers_shim", [os.path.dirname(package)]))
        from hotpeers_shim import start  # noqa: PLC0415 - importable only now

        start.begin()
    except Exception as error:  # noqa: BLE001 - the agent starts, whatever is wrong here
        sys.stderr.write(f"hotpeers: the shim was not loaded: {error!r}\n")


def chain(hiding: str) -> None:
    """Run the next `sitecustomize` on the path, if there is one behind the file `hiding`."""
    hidden = os.path.dirname(os.path.abspath(hiding))
    others = [entry for entry in sys.path if os.path.abspath(entry) != hidden]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None:
        del sys.modules["sitecustomize"]
        _execute(spec)


def _execute(spec):  # type: ignore[no-untyped-def]
    # `importlib.util.module_from_spec` would cost each interpreter start the import of that module.
    module = type(sys)(spec.name)
    module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    module.__package__ = spec.parent
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
