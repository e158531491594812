"""The two ways into the process: `sitecustomize` beside this file, and OpenTelemetry's entry point.

The OpenTelemetry operator puts its own `sitecustomize` first and does not chain; it does call every
entry point of the group `opentelemetry_pre_instrument`, which the `.dist-info` folder here names
(opentelemetry-instrumentation 0.59, `auto_instrumentation/_load.py`).
"""

import os
import sys

# Where importlib.machinery has it from; that module would cost each interpreter start half a millisecond.
from _frozen_importlib_external import PathFinder

TYPE_CHECKING = False  # as typing's, which every interpreter start would pay for
if TYPE_CHECKING:
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_LOADED = "hotpeers_shim.start"
_OF_IMAGE = "$(PYTHONPATH)"
"""Stands in PYTHONPATH for what the image sets, which the pod's own value replaces."""
_ANSWER = "image-pythonpath"
"""The file with what the image sets, beside the acks; there is none where it sets nothing."""


def restore_path() -> None:
    """Put what the image sets into PYTHONPATH and `sys.path`, where they refer to it; never raises.

    Here, and for all children: the program sees both as without the injection.
    """
    try:
        value = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if _OF_IMAGE in value:
            _restore(value, _of_image())
    except Exception as error:  # noqa: BLE001 - the agent starts, whatever is wrong here
        sys.stderr.write(f"hotpeers: the PYTHONPATH of the image was not restored: {error!r}\n")


def _of_image() -> "list[str]":
    folder = os.environ.get("HOTPEERS_ACK_DIR", "")
    try:
        with open(os.path.join(folder, _ANSWER), "rb") as file:
            found = os.fsdecode(file.read())
    except FileNotFoundError:
        found = ""
    # To Python an empty one is none; in one that is not, an empty entry is the current folder.
    return found.split(os.pathsep) if found else []


def _restore(value: "list[str]", image: "list[str]") -> None:
    at = value.index(_OF_IMAGE)
    value = value[:at] + image + [one for one in value[at:] if one != _OF_IMAGE]
    os.environ["PYTHONPATH"] = os.pathsep.join(value)
    # `site` has made each entry absolute by now.
    places = [_OF_IMAGE, os.path.abspath(_OF_IMAGE)]
    path = []
    for entry in sys.path:
        path += [os.path.abspath(one) for one in image] if entry in places else [entry]
    sys.path[:] = dict.fromkeys(path)


def begin() -> None:
    """Load the shim package from the folder above, without a change to `sys.path`; never raises."""
    restore_path()
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
    """Run the next `sitecustomize` on the path: the first one behind the folder of `hiding`.

    Behind it only: one in front of it that chains, as this one does, must not be run again.
    """
    path = [os.path.abspath(entry) for entry in sys.path]
    here = os.path.dirname(os.path.abspath(hiding))
    spec = PathFinder.find_spec(
        "sitecustomize", path[path.index(here) + 1 :] if here in path else []
    )
    if spec is not None:
        sys.modules.pop("sitecustomize", None)
        _execute(spec)


def _execute(spec: "Any") -> None:
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
