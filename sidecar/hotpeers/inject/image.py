"""The init container that reads what the agent's image says of PYTHONPATH.

A pod's own PYTHONPATH replaces the one of its image, which no API server knows. So the pod's refers to
the image's by `$(PYTHONPATH)`, this container, which is of the same image and has no PYTHONPATH of its
own, writes it to a file, and the shim's bootstrap puts it in the place of the reference.
"""

from __future__ import annotations

import re

from .imagepath.program import ANSWER, PROGRAM
from .outcome import Injection, Json
from .volumes import ACKS_FOLDER, ACKS_VOLUME, SHIM_FOLDER, SHIM_VOLUME, token_mount, token_volume

IMAGE_READER = "hotpeers-pythonpath"
REFERENCE = "$(PYTHONPATH)"
"""To kubelet: what `envFrom` holds. What kubelet leaves of it is to the bootstrap: what the image sets."""

# kagent's own image (python/Dockerfile) sets none, and its agents need not wait for a look.
_SETS_NONE = re.compile(r"(?:.*/)?kagent-dev/kagent/app(?:[:@].*)?")
_OF_THE_USER = ("runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions")


def must_be_read(target: Json, injection: Injection) -> bool:
    """Whether the image may set a PYTHONPATH that the agent would lose."""
    if not injection.reads_image or _SETS_NONE.fullmatch(str(target.get("image") or "")):
        return False
    values = [one for one in target.get("env") or [] if one["name"] == "PYTHONPATH"]
    # One that the pod sets replaces the image's anyway. One that refers to an earlier one is resolved.
    return not values or (len(values) == 1 and refers(values[0].get("value")))


def refers(value: str | None) -> bool:
    """Whether a PYTHONPATH has the reference for one of its entries."""
    return REFERENCE in (value or "").split(":")


def reader_container(pod: Json, target: Json) -> Json:
    """The container: as the agent's, but for what it runs, its variables and what it may do."""
    context = target.get("securityContext") or {}
    container: Json = {
        "name": IMAGE_READER,
        "image": target.get("image", ""),
        "command": [f"{SHIM_FOLDER}/{PROGRAM}", f"{ACKS_FOLDER}/{ANSWER}"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **{name: context[name] for name in _OF_THE_USER if name in context},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER, "readOnly": True},
            {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER},
        ],
    }
    if "imagePullPolicy" in target:
        container["imagePullPolicy"] = target["imagePullPolicy"]
    # It ends before the agent starts: of the two, Kubernetes counts the larger one, which none is.
    if resources := _resources(target):
        container["resources"] = resources
    name, missing = token_volume(pod)
    if missing is None:
        # Kubernetes would add it when it looks at the pod again, and then ask us again.
        container["volumeMounts"].append(token_mount(name))
    return container


def _resources(target: Json) -> Json:
    found = target.get("resources") or {}
    kinds = {kind: found.get(kind) or {} for kind in ("requests", "limits")}
    copied = {
        kind: {name: amounts[name] for name in ("cpu", "memory") if name in amounts}
        for kind, amounts in kinds.items()
    }
    return {kind: amounts for kind, amounts in copied.items() if amounts}
