"""Common parts of all injected containers: image, user, rights, resources and a free port."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .outcome import Injection, Json
from .resources import choose_resources

SHIM = "hotpeers-shim"
"""The container that installs the shim. It exists only if the sidecar is not a native sidecar."""
SIDECAR = "hotpeers"
SPAWNER = "hotpeers-spawn"
"""The container with the spawning tools, if the pod requests them."""

_FIRST_PORT = 8090
_IMAGE_USER = 65532


def common(
    name: str, pod: Json, target: Json, injection: Injection, own: Mapping[str, str]
) -> Json:
    """An injected container without its command. `target` is the agent's container.

    `own` has the resources that the pod's annotations set; see `choose_resources`.
    """
    container: Json = {
        "name": name,
        "image": injection.image,
        "imagePullPolicy": injection.image_pull_policy,
        "securityContext": _security_context(pod, target),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    # If the pod has pod-level resources, set none here: the container's would have to fit into them.
    if not pod["spec"].get("resources"):
        container["resources"] = choose_resources(target, injection.resources, own)
    return container


def ends(pod: Json) -> bool:
    """Whether the pod ends by itself, as the pod of a Job or workflow does."""
    return bool(pod["spec"].get("restartPolicy", "Always") != "Always")


def liveness_probe(port: str) -> Json:
    """A probe of /healthz at the named port. It restarts the container after a minute of failures."""
    return {
        "httpGet": {"path": "/healthz", "port": port},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 6,
    }


def free_port(pod: Json, but: int | None = None) -> int | None:
    """A port that the pod seems not to use.

    Ports count as used if a container declares them, or if its command, arguments or variables
    contain the number.
    """
    taken = {but}
    spec = pod["spec"]
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        taken.update(port["containerPort"] for port in container.get("ports") or [])
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        words += [entry.get("value") or "" for entry in container.get("env") or []]
        for word in words:
            taken.update(
                int(number) for number in re.findall(r"(?<![0-9])[0-9]{4,5}(?![0-9])", word)
            )
    return next((port for port in range(_FIRST_PORT, 65536) if port not in taken), None)


def _security_context(pod: Json, target: Json) -> Json:
    context: Json = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    # Use the agent's user, so that both containers can read each other's files. Without one, the
    # image's user applies. If the agent runs as root, the image's user must be set explicitly.
    for level in (target, pod["spec"]):
        user = (level.get("securityContext") or {}).get("runAsUser")
        if user is not None:
            context["runAsUser"] = user or _IMAGE_USER
            break
    return context
