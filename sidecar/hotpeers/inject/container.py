"""What every container of ours has in common: image, user, rights, resources, a free port."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .verdict import Injection, Json

SHIM = "hotpeers-shim"
"""The container that installs the shim: only there where the sidecar is no native one."""
SIDECAR = "hotpeers"
SPAWNER = "hotpeers-spawn"
"""The container with the tools for spawning, where they are asked for."""

_FIRST_PORT = 8090
_IMAGE_USER = 65532
_MOST_CPU = 500
_LEAST_CPU = 50


def common(name: str, pod: Json, target: Json, injection: Injection) -> Json:
    """A container of ours beside the agent's, which is the `target`: nothing yet of what it runs."""
    container: Json = {
        "name": name,
        "image": injection.image,
        "imagePullPolicy": injection.image_pull_policy,
        "securityContext": _security_context(pod, target),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    # Where the pod as a whole has its resources, what its containers ask for must fit into them.
    if not pod["spec"].get("resources"):
        container["resources"] = _resources(target, injection.resources)
    return container


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


def _resources(target: Json, asked: Mapping[str, Json]) -> Json:
    """The resources asked for; with a CPU limit where the agent has one, since a quota may want it."""
    resources = {name: dict(amounts) for name, amounts in asked.items()}
    limit = _millicores(((target.get("resources") or {}).get("limits") or {}).get("cpu"))
    limits = resources.get("limits", {})
    if limit is not None and "cpu" not in limits:
        request = _millicores(resources.get("requests", {}).get("cpu", 0))
        if request is not None:
            resources["limits"] = {
                **limits,
                "cpu": f"{max(min(limit, _MOST_CPU), request, _LEAST_CPU)}m",
            }
    return resources


def _millicores(quantity: object) -> int | None:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]{1,3})?)(m?)", str(quantity))
    if found is None:
        return None
    return int(float(found[1]) * (1 if found[2] else 1000))
