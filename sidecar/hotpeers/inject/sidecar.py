"""The sidecar's container, and the init container that installs the shim if the sidecar cannot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .annotations import Wishes
from .bridge import (
    BridgePlan,
    bridge_environment,
    bridge_hook,
    bridge_mounts,
    port_before,
)
from .drain import DRAIN_VARIABLE, hook_until_ended
from .identity import workload_name
from .observation import bridge_observation
from .outcome import Injection, Json
from .own_container import SHIM, SIDECAR, common, ends, free_port, liveness_probe
from .volumes import (
    ACKS_FOLDER,
    ACKS_VOLUME,
    CREDENTIALS_FILE,
    CREDENTIALS_FOLDER,
    CREDENTIALS_VOLUME,
    KEYS_FOLDER,
    KEYS_VOLUME,
    PEER_FILE,
    PEERS_FOLDER,
    PEERS_VOLUME,
    SHIM_FOLDER,
    SHIM_VOLUME,
    token_mount,
    token_volume,
)

AGENT_ENVIRONMENT = {"HOTPEERS_PEER_FILE": PEER_FILE, "HOTPEERS_ACK_DIR": ACKS_FOLDER}
"""Set in the agent's and the injected containers: the paths of the peer file and of the acks."""
MAX_TOOLS, PINNED_PEERS = "HOTPEERS_MAX_TOOLS", "HOTPEERS_PINNED_PEERS"
MAX_DEPTH = "HOTPEERS_MAX_DEPTH"
"""Set in the container that calls the peers, if it is not the default: the agent's or the bridge's."""
REPORT_TO, REPLICA = "HOTPEERS_REPORT_TO", "HOTPEERS_REPLICA"
"""Set in the sidecar only: the Orchestrator whose status it writes, and the name of the pod."""
CREDENTIALS = "HOTPEERS_CREDENTIALS"
"""Set in the sidecar only: the mount path of the Secret with credentials for peers."""


def shim_container(pod: Json, target: Json, injection: Injection, wishes: Wishes) -> Json:
    """The init container that copies the shim to the volume from which the agent loads it.

    It is used only if the sidecar cannot copy the shim, because it delays the start of the agent.
    """
    mounts: list[Json] = [{"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER}]
    name, missing = token_volume(pod)
    if missing is None:
        # Without it, Kubernetes would add the mount itself and call the webhook again.
        mounts.append(token_mount(name))
    return {
        **common(SHIM, pod, target, injection, wishes.resources),
        "args": ["shim", "install", SHIM_FOLDER],
        "volumeMounts": mounts,
    }


def sidecar_environment(
    wishes: Wishes, injection: Injection, namespace: str, orchestrator: str
) -> dict[str, str]:
    """The sidecar's variables that describe its pod. Values of "" are left out by the caller."""
    return {
        **AGENT_ENVIRONMENT,
        "HOTPEERS_SELECTOR": wishes.selector,
        "HOTPEERS_NAMESPACES": ",".join(_namespaces(namespace, wishes.namespaces)),
        "HOTPEERS_ORCHESTRATOR": f"{namespace}/{orchestrator}" if orchestrator else "",
        "HOTPEERS_USER_HEADERS_TO": wishes.user_headers_to,
        "HOTPEERS_KAGENT_GATEWAY": wishes.kagent_gateway or injection.kagent_gateway,
        "HOTPEERS_LOG_LEVEL": wishes.log_level,
        "HOTPEERS_REQUIRE_SIGNED": KEYS_FOLDER if wishes.keys else "",
        CREDENTIALS: CREDENTIALS_FILE if wishes.credentials else "",
    }


def fleet_environment(wishes: Wishes, namespace: str) -> dict[str, str]:
    """The variables of the shim about fleets that are too large for a list of tools."""
    pins = (pin if "/" in pin else f"{namespace}/{pin}" for pin in wishes.pinned_peers)
    values = {
        MAX_TOOLS: str(wishes.max_tools or ""),
        PINNED_PEERS: ",".join(dict.fromkeys(pins)),
    }
    return {name: value for name, value in values.items() if value}


def sidecar_container(  # noqa: PLR0913, PLR0917 - all that was decided before
    pod: Json,
    target: Json,
    namespace: str,
    injection: Injection,
    environment: Mapping[str, str],
    wishes: Wishes,
    *,
    installs: bool = False,
    bridge: BridgePlan | None = None,
) -> Json:
    """The container that maintains the peer file. If it `installs` the shim, the agent waits for it.

    With a `bridge`, it also serves the peer tools, under a supervisor.
    """
    # On the host network, two pods would use the same port.
    port = None if pod["spec"].get("hostNetwork") else free_port(pod)
    environment = {
        **environment,
        "HOTPEERS_SHIM_DIR": SHIM_FOLDER if installs else "",
        "HOTPEERS_LISTEN": f":{port}" if port else "none",
        "HOTPEERS_AGENT_PORTS": _agent_ports(pod, target),
    }
    container: Json = {
        **common(SIDECAR, pod, target, injection, wishes.resources),
        "args": ["run", "--source", "kubernetes"],
        "env": [{"name": name, "value": value} for name, value in environment.items() if value],
        "volumeMounts": [
            {"name": PEERS_VOLUME, "mountPath": PEERS_FOLDER},
            {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER},
            token_mount(token_volume(pod)[0]),
        ],
    }
    container["env"] += report_environment(pod, namespace, injection)
    if port:
        container["ports"] = [{"name": SIDECAR, "containerPort": port, "protocol": "TCP"}]
        container["livenessProbe"] = liveness_probe(SIDECAR)
    if bridge is not None:
        _add_bridge(container, port_before(pod, target) or free_port(pod, but=port), bridge)
        if wishes.max_depth is not None:
            container["env"].append({"name": MAX_DEPTH, "value": str(wishes.max_depth)})
        observed = bridge_observation(wishes, injection)
        container["env"] += [{"name": name, "value": value} for name, value in observed.items()]
    if injection.native_sidecars:
        container["restartPolicy"] = "Always"
    elif port and environment.get(DRAIN_VARIABLE):
        # kubelet stops ordinary containers together, so the sidecar must serve until the agent ends.
        container.setdefault("lifecycle", {})["preStop"] = hook_until_ended(port)
    if environment.get("HOTPEERS_REQUIRE_SIGNED"):
        keys = {"name": KEYS_VOLUME, "mountPath": KEYS_FOLDER, "readOnly": True}
        container["volumeMounts"].append(keys)
    if environment[CREDENTIALS]:
        mount = {"name": CREDENTIALS_VOLUME, "mountPath": CREDENTIALS_FOLDER, "readOnly": True}
        container["volumeMounts"].append(mount)
    if installs:
        container["volumeMounts"].append({"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER})
        # kubelet starts the next container only after the hook has ended.
        command = ["python", "-m", "hotpeers.hook", SHIM_FOLDER]
        container["lifecycle"] = {"postStart": {"exec": {"command": command}}}
    return container


def report_environment(pod: Json, namespace: str, injection: Injection) -> list[Json]:
    """The variables that name the Orchestrator of the pod's workload. The pod of a Job has none."""
    name = workload_name(pod) if injection.reports and not ends(pod) else ""
    if not name:
        return []
    return [
        {"name": REPORT_TO, "value": f"{namespace}/{name}"},
        {"name": REPLICA, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]


def _add_bridge(container: Json, port: int | None, plan: BridgePlan) -> None:
    if port is None:
        return
    container["command"] = ["python", "-m", "hotpeers.supervisor"]
    container["env"] += [
        {"name": name, "value": value} for name, value in bridge_environment(plan, port).items()
    ]
    container["volumeMounts"] += bridge_mounts(plan)
    container["lifecycle"] = {"postStart": bridge_hook(plan, port)}


def _agent_ports(pod: Json, target: Json) -> str:
    """The ports that the agent declares. On the host network, other programs may use them too."""
    declared = [] if pod["spec"].get("hostNetwork") else target.get("ports") or []
    ports = {one["containerPort"] for one in declared if one.get("protocol", "TCP") == "TCP"}
    return ",".join(map(str, sorted(ports)))


def _namespaces(own: str, asked: Iterable[str]) -> list[str]:
    asked = list(asked)
    return asked if asked == ["*"] else list(dict.fromkeys([own, *asked]))
