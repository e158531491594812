"""The container with the spawning tools, and the registry that they search."""

from __future__ import annotations

from collections.abc import Mapping

from .annotations import Wishes
from .drain import drains, hook_until_ended, sidecar_port
from .outcome import Injection, Json
from .own_container import SIDECAR, SPAWNER, common, ends, free_port, liveness_probe
from .sidecar import AGENT_ENVIRONMENT
from .volumes import ACKS_FOLDER, ACKS_VOLUME, PEERS_FOLDER, PEERS_VOLUME, token_mount, token_volume

REGISTRY_VOLUME = "hotpeers-registry-token"
SPAWN_URL = "HOTPEERS_SPAWN_URL"
"""Set in the agent's container: the URL of the spawning tools."""

_REGISTRY_FOLDER = "/var/run/secrets/hotpeers.dev/registry"
_OF_SIDECAR = ("HOTPEERS_ORCHESTRATOR", "HOTPEERS_LOG_LEVEL")


def registry_of(injection: Injection, wishes: Wishes) -> tuple[str, Json | None]:
    """The registry of the spawning tools, and the volume with a token for it, or None.

    The token is only for the configured registry; a pod with another registry gets no token. The pod
    starts even if the Secret does not exist yet. The tools read the token when it appears.
    """
    registry = wishes.registry or injection.registry_url
    name, _, key = injection.token_secret.partition("/")
    if not name or registry != injection.registry_url:
        return registry, None
    secret = {"secretName": name, "optional": True, "items": [{"key": key, "path": "token"}]}
    return registry, {"name": REGISTRY_VOLUME, "secret": secret}


def spawner_container(
    pod: Json, target: Json, injection: Injection, environment: Mapping[str, str], wishes: Wishes
) -> Json:
    """The container with the spawning tools. From outside the pod, only its health port is reachable.

    `pod` must contain the sidecar already.
    """
    port = free_port(pod)
    health = free_port(pod, but=port)
    registry, token = registry_of(injection, wishes)
    told = {
        "HOTPEERS_LISTEN": f"127.0.0.1:{port}",
        "HOTPEERS_HEALTH_LISTEN": f":{health}",
        "HOTPEERS_REGISTRY_URL": registry,
        **AGENT_ENVIRONMENT,
    }
    told |= {name: environment[name] for name in _OF_SIDECAR if environment[name]}
    secrets = []
    if token is not None:
        told["HOTPEERS_REGISTRY_TOKEN_FILE"] = f"{_REGISTRY_FOLDER}/token"
        folder = {"name": REGISTRY_VOLUME, "mountPath": _REGISTRY_FOLDER, "readOnly": True}
        secrets.append(folder)
    container = {
        **common(SPAWNER, pod, target, injection, wishes.resources),
        "args": ["mcp"],
        "env": [{"name": name, "value": value} for name, value in told.items()],
        "volumeMounts": [
            {"name": PEERS_VOLUME, "mountPath": PEERS_FOLDER, "readOnly": True},
            {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER, "readOnly": True},
            token_mount(token_volume(pod)[0]),
            *secrets,
        ],
        "ports": [{"name": SPAWNER, "containerPort": health, "protocol": "TCP"}],
        "livenessProbe": liveness_probe(SPAWNER),
    }
    if is_native_spawner(pod, injection):
        container["restartPolicy"] = "Always"
        return container
    every = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    sidecar = next(one for one in every if one["name"] == SIDECAR)
    port = sidecar_port(sidecar)
    if port is not None and drains(sidecar):
        container["lifecycle"] = {"preStop": hook_until_ended(port)}
    return container


def is_native_spawner(pod: Json, injection: Injection) -> bool:
    """Whether the tools run as an init container. An ordinary container would keep a Job from ending."""
    return ends(pod) and injection.native_sidecars


def spawn_url(container: Json) -> str:
    """The URL of the container's tools, for the agent in the same pod."""
    env = {entry["name"]: entry.get("value") for entry in container.get("env") or []}
    return f"http://{env.get('HOTPEERS_LISTEN')}/mcp"
