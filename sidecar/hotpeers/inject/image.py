"""The init container that reads PYTHONPATH as the agent's image sets it.

A PYTHONPATH in a pod replaces the one in the image, and the API server does not know the image's value.
So the injected PYTHONPATH contains the reference `$(PYTHONPATH)`. This init container uses the same
image without a PYTHONPATH of its own, and writes the image's value to a file. The shim's bootstrap
then replaces the reference by that value.
"""

from __future__ import annotations

import re

from .imagepath.program import ANSWER, PROGRAM
from .outcome import Injection, Json
from .volumes import ACKS_FOLDER, ACKS_VOLUME, SHIM_FOLDER, SHIM_VOLUME, token_mount, token_volume

IMAGE_READER = "hotpeers-pythonpath"
REFERENCE = "$(PYTHONPATH)"
"""kubelet replaces it by a value from `envFrom`. If there is none, kubelet keeps the reference, and the
bootstrap replaces it by the image's value.
"""

# kagent's own image (python/Dockerfile) sets no PYTHONPATH, so its agents need no init container.
_SETS_NONE = re.compile(r"(?:.*/)?kagent-dev/kagent/app(?:[:@].*)?")
_OF_THE_USER = ("runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions")


def must_be_read(target: Json, injection: Injection) -> bool:
    """Whether the image may set a PYTHONPATH that the agent would lose."""
    if not injection.reads_image or _SETS_NONE.fullmatch(str(target.get("image") or "")):
        return False
    values = [one for one in target.get("env") or [] if one["name"] == "PYTHONPATH"]
    # A value in the pod would replace the image's anyway, unless it contains the reference. With two
    # values, kubelet resolves the reference to the first one.
    return not values or (len(values) == 1 and refers(values[0].get("value")))


def refers(value: str | None) -> bool:
    """Whether one entry of a PYTHONPATH is the reference."""
    return REFERENCE in (value or "").split(":")


def reader_container(pod: Json, target: Json) -> Json:
    """The init container: like the agent's, with other command, variables and security context."""
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
    # Kubernetes counts the maximum of init containers and ordinary containers. With the agent's
    # amounts, this container does not increase the pod's requests.
    if resources := _resources(target):
        container["resources"] = resources
    name, missing = token_volume(pod)
    if missing is None:
        # Without it, Kubernetes would add the mount itself and call the webhook again.
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
