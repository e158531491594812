"""What every container of ours has in common: image, user, rights, resources, a free port."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .outcome import Injection, Json
from .resources import choose_resources

SHIM = "hotpeers-shim"
"""The container that installs the shim: only there where the sidecar is no native one."""
SIDECAR = "hotpeers"
SPAWNER = "hotpeers-spawn"
"""The container with the tools for spawning, where they are asked for."""

_FIRST_PORT = 8090
_IMAGE_USER = 65532


def common(
    name: str, pod: Json, target: Json, injection: Injection, own: Mapping[str, str]
) -> Json:
    """A container of ours beside the agent's, which is the `target`: nothing yet of what it runs.

    `own` has the resources that the pod's annotations set, see `choose_resources`.
    """
    container: Json = {
        "name": name,
        "image": injection.image,
        "imagePullPolicy": injection.image_pull_policy,
        "securityContext": _security_context(pod, target),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    # Where the pod as a whole has its resources, what its containers ask for must fit into them.
    if not pod["spec"].get("resources"):
        container["resources"] = choose_resources(target, injection.resources, own)
    return container


def ends(pod: Json) -> bool:
    """Whether the pod is to end by itself: a Job's, a workflow's."""
    return bool(pod["spec"].get("restartPolicy", "Always") != "Always")


def liveness_probe(port: str) -> Json:
    """A probe of /healthz at the port of that name; a minute of silence restarts the container."""
    return {
        "httpGet": {"path": "/healthz", "port": port},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 6,
    }


def free_port(pod: Json, but: int | None = None) -> int | None:
    """A port that no container of the pod seems to use: declared, or as a word in what it is told."""
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
    # The agent's own user, so that each can read what the other writes. The image's stands where
    # none is named, and must be said where the pod names root.
    for level in (target, pod["spec"]):
        user = (level.get("securityContext") or {}).get("runAsUser")
        if user is not None:
            context["runAsUser"] = user or _IMAGE_USER
            break
    return context
