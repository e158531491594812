"""Loads the shim: `sitecustomize` beside this file calls it, or OpenTelemetry by an entry point.

The OpenTelemetry operator puts its own `sitecustomize` first, which does not run the next one. But
it calls every entry point of the group `opentelemetry_pre_instrument`. The `.dist-info` folder here
declares such an entry point (opentelemetry-instrumentation 0.59, `auto_instrumentation/_load.py`).
"""

import os
import sys

# importlib.machinery re-exports this class, but its import would slow down each interpreter start
# by half a millisecond.
from _frozen_importlib_external import PathFinder

TYPE_CHECKING = False  # as in `typing`, whose import would slow down every interpreter start
if TYPE_CHECKING:
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_LOADED = "hotpeers_shim.start"
_OF_IMAGE = "$(PYTHONPATH)"
"""A placeholder in PYTHONPATH for the value of the image, which the pod's value hides."""
_ANSWER = "image-pythonpath"
"""The file with the image's PYTHONPATH, beside the acks; missing if the image sets no value."""


def restore_path() -> None:
    """Replace the placeholder in PYTHONPATH and `sys.path` with the image's value. Never raises.

    This process and its children then see the entries of the image as without the injection.
    """
    try:
        value = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if _OF_IMAGE in value:
            _restore(value, _of_image())
    except Exception as error:  # noqa: BLE001 - an error here must not stop the agent
        sys.stderr.write(f"hotpeers: the PYTHONPATH of the image was not restored: {error!r}\n")


def _of_image() -> "list[str]":
    folder = os.environ.get("HOTPEERS_ACK_DIR", "")
    try:
        with open(os.path.join(folder, _ANSWER), "rb") as file:
            found = os.fsdecode(file.read())
    except FileNotFoundError:
        found = ""
    # Python ignores an empty PYTHONPATH. In any other, an empty entry is the current folder.
    return found.split(os.pathsep) if found else []


def _restore(value: "list[str]", image: "list[str]") -> None:
    at = value.index(_OF_IMAGE)
    value = value[:at] + image + [one for one in value[at:] if one != _OF_IMAGE]
    os.environ["PYTHONPATH"] = os.pathsep.join(value)
    # `site` has already made each entry absolute.
    places = [_OF_IMAGE, os.path.abspath(_OF_IMAGE)]
    path = []
    for entry in sys.path:
        path += [os.path.abspath(one) for one in image] if entry in places else [entry]
    sys.path[:] = dict.fromkeys(path)


def begin() -> None:
    """Load the shim package from the folder above without adding it to `sys.path`. Never raises."""
    restore_path()
    if _LOADED in sys.modules or os.environ.get("HOTPEERS_DISABLE", "").lower() in ("1", "true"):
        return
    try:
        if "hotpeers_shim" not in sys.modules:
            package = os.path.dirname(_HERE)
            _execute(PathFinder.find_spec("hotpeers_shim", [os.path.dirname(package)]))
        from hotpeers_shim import start  # noqa: PLC0415 - importable only now

        start.begin()
    except Exception as error:  # noqa: BLE001 - an error here must not stop the agent
        sys.stderr.write(f"hotpeers: the shim was not loaded: {error!r}\n")


def chain(hiding: str) -> None:
    """Run the first `sitecustomize` on `sys.path` after the folder of `hiding`.

    A `sitecustomize` before that folder is not run: it may be the one that ran this one.
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
    # `importlib.util.module_from_spec` does this, but its import would slow down each start.
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
