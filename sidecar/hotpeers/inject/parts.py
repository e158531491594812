"""What is put into a pod: its volumes, containers and environment, and where they are mounted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .annotations import Wishes
from .verdict import Injection, Json

SHIM, SIDECAR, SPAWNER = "hotpeers-shim", "hotpeers", "hotpeers-spawn"
"""The names of our containers: the first is only there where the second is no native sidecar, the
last where it is asked for."""
SHIM_VOLUME, PEERS_VOLUME, ACKS_VOLUME = "hotpeers-shim", "hotpeers-peers", "hotpeers-acks"
REGISTRY_VOLUME = "hotpeers-registry-token"
TOKEN_VOLUME = "hotpeers-token"  # noqa: S105 - the name of a volume
SHIM_FOLDER = "/opt/hotpeers"
PEERS_FOLDER = "/var/run/hotpeers/peers"
ACKS_FOLDER = "/var/run/hotpeers/acks"
BOOTSTRAP = f"{SHIM_FOLDER}/hotpeers_shim/bootstrap"
PEER_FILE = f"{PEERS_FOLDER}/peers.json"
AGENT_ENVIRONMENT = {"HOTPEERS_PEER_FILE": PEER_FILE, "HOTPEERS_ACK_DIR": ACKS_FOLDER}
SPAWN_URL = "HOTPEERS_SPAWN_URL"
"""Of the agent's container: where the tools for spawning are."""
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder

REGISTRY_FOLDER = "/var/run/secrets/hotpeers.dev/registry"

_FIRST_PORT = 8090
_OF_SIDECAR = ("HOTPEERS_ORCHESTRATOR", "HOTPEERS_LOG_LEVEL")
_IMAGE_USER = 65532
# The volume that Kubernetes itself adds (plugin/pkg/admission/serviceaccount): one with the prefix
# is mounted by it into every container that has no token yet.
_KUBERNETES_TOKEN = "kube-api-access-"  # noqa: S105 - the name of a volume
_TOKEN_SECONDS = 3607
_MOST_CPU = 500
_LEAST_CPU = 50


def volumes() -> list[Json]:
    """The volumes that every injected pod gets."""
    return [
        {"name": SHIM_VOLUME, "emptyDir": {"sizeLimit": "16Mi"}},
        # Twice the largest peer file fits: the old one and the new one, until it is renamed.
        {"name": PEERS_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "160Mi"}},
        {"name": ACKS_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def agent_mounts() -> list[Json]:
    """What the agent's container mounts; only its acks can be written by it."""
    return [
        {"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER, "readOnly": True},
        {"name": PEERS_VOLUME, "mountPath": PEERS_FOLDER, "readOnly": True},
        {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER},
    ]


def has_identity(pod: Json) -> bool:
    """Whether there can be a token: where Kubernetes names no ServiceAccount it refuses a volume."""
    return bool(pod["spec"].get("serviceAccountName")) or token_volume(pod)[1] is None


def token_volume(pod: Json) -> tuple[str, Json | None]:
    """The volume with the token of the pod's ServiceAccount, and its definition if it is missing.

    Where the pod keeps the token from its containers, it stays so: only ours mounts the one added.
    """
    for volume in pod["spec"].get("volumes") or []:
        if volume["name"].startswith(_KUBERNETES_TOKEN):
            return volume["name"], None
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    return TOKEN_VOLUME, {"name": TOKEN_VOLUME, "projected": {"sources": sources}}


def shim_container(pod: Json, target: Json, injection: Injection) -> Json:
    """The init container that copies the shim to where the agent finds it.

    Only where the sidecar cannot: a container more that ends before the agent's can start.
    """
    mounts: list[Json] = [{"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER}]
    name, missing = token_volume(pod)
    if missing is None:
        # Kubernetes would add it when it looks at the pod again, and then ask us again.
        mounts.append(_token_mount(name))
    return {
        **_common(SHIM, pod, target, injection),
        "args": ["shim", "install", SHIM_FOLDER],
        "volumeMounts": mounts,
    }


def sidecar_environment(wishes: Wishes, namespace: str, orchestrator: str) -> dict[str, str]:
    """What the sidecar is told of the pod that it is in; "" is left out."""
    return {
        **AGENT_ENVIRONMENT,
        "HOTPEERS_SELECTOR": wishes.selector,
        "HOTPEERS_NAMESPACES": ",".join(_namespaces(namespace, wishes.namespaces)),
        "HOTPEERS_ORCHESTRATOR": f"{namespace}/{orchestrator}" if orchestrator else "",
        "HOTPEERS_LOG_LEVEL": wishes.log_level,
    }


def sidecar_container(
    pod: Json,
    target: Json,
    injection: Injection,
    environment: Mapping[str, str],
    *,
    installs: bool,
) -> Json:
    """The container that keeps the peer file; the agent waits for it only while it `installs`."""
    # On the node's own network two pods would ask for the same port.
    port = None if pod["spec"].get("hostNetwork") else _free_port(pod)
    environment = {
        **environment,
        "HOTPEERS_SHIM_DIR": SHIM_FOLDER if installs else "",
        "HOTPEERS_LISTEN": f":{port}" if port else "none",
    }
    container = {
        **_common(SIDECAR, pod, target, injection),
        "args": ["run", "--source", "kubernetes"],
        "env": [{"name": name, "value": value} for name, value in environment.items() if value],
        "volumeMounts": [
            {"name": PEERS_VOLUME, "mountPath": PEERS_FOLDER},
            {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER},
            _token_mount(token_volume(pod)[0]),
        ],
    }
    if port:
        container["ports"] = [{"name": SIDECAR, "containerPort": port, "protocol": "TCP"}]
        container["livenessProbe"] = {
            "httpGet": {"path": "/healthz", "port": SIDECAR},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        }
    if injection.native_sidecars:
        container["restartPolicy"] = "Always"
    if installs:
        container["volumeMounts"].append({"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER})
        # kubelet starts the container behind this one when the hook has ended.
        command = ["python", "-m", "hotpeers.hook", SHIM_FOLDER]
        container["lifecycle"] = {"postStart": {"exec": {"command": command}}}
    return container


def registry_of(injection: Injection, wishes: Wishes) -> tuple[str, Json | None]:
    """The registry of the tools for spawning, and the volume with a token for it, if there is to be one.

    The token is for the registry that it was given for: a pod with another one gets none. What is not
    there yet keeps no pod from starting, and is found by the tools once it is.
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
    """The container with the tools for spawning; who is not in the pod can only ask for its health."""
    port = _free_port(pod)
    health = _free_port(pod, but=port)
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
        told["HOTPEERS_REGISTRY_TOKEN_FILE"] = f"{REGISTRY_FOLDER}/token"
        folder = {"name": REGISTRY_VOLUME, "mountPath": REGISTRY_FOLDER, "readOnly": True}
        secrets.append(folder)
    container = {
        **_common(SPAWNER, pod, target, injection),
        "args": ["mcp"],
        "env": [{"name": name, "value": value} for name, value in told.items()],
        "volumeMounts": [
            {"name": PEERS_VOLUME, "mountPath": PEERS_FOLDER, "readOnly": True},
            {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER, "readOnly": True},
            _token_mount(token_volume(pod)[0]),
            *secrets,
        ],
        "ports": [{"name": SPAWNER, "containerPort": health, "protocol": "TCP"}],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": SPAWNER},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }
    if is_native_spawner(pod, injection):
        container["restartPolicy"] = "Always"
    return container


def is_native_spawner(pod: Json, injection: Injection) -> bool:
    """Whether the tools are among the init containers: an ordinary one would keep a Job from ending."""
    ends = pod["spec"].get("restartPolicy", "Always") != "Always"
    return ends and injection.native_sidecars


def spawn_url(container: Json) -> str:
    """Where the tools of a container are, for the agent beside it."""
    env = {entry["name"]: entry.get("value") for entry in container.get("env") or []}
    return f"http://{env.get('HOTPEERS_LISTEN')}/mcp"


def _token_mount(volume: str) -> Json:
    return {"name": volume, "mountPath": TOKEN_FOLDER, "readOnly": True}


def _common(name: str, pod: Json, target: Json, injection: Injection) -> Json:
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


def _namespaces(own: str, asked: Iterable[str]) -> list[str]:
    asked = list(asked)
    return asked if asked == ["*"] else list(dict.fromkeys([own, *asked]))


def _free_port(pod: Json, but: int | None = None) -> int | None:
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
