"""The bridge: how an agent that cannot load the shim gets its peers.

The sidecar serves the peer tools on a loopback address of the pod. For kagent's runtimes, it also adds
them to the agent's config.json: the sidecar mounts kagent's volume, and writes a copy into a volume in
memory, from which the agent reads. The volume of kagent stays where it is. Any other program finds
the URL of the tools in a variable.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .annotations import BRIDGE, Wishes, is_marked
from .hotconfig import config_folder
from .outcome import Json, Skip
from .owner import GO
from .reasons import InjectReason
from .runtime import is_windows, runs_kagent_go

CONFIG_VOLUME = "hotpeers-config"
CONFIG_FOLDER = "/var/run/hotpeers/config"
"""Where the agent reads its configuration."""
SOURCE_FOLDER = "/var/run/hotpeers/config-source"
"""Where the sidecar mounts the volume that kagent writes."""
MCP_URL = "HOTPEERS_MCP_URL"
"""Set in the agent's container: the URL of the peer tools."""
LISTEN = "HOTPEERS_BRIDGE_LISTEN"
"""Set in the sidecar only: where the bridge listens."""
CONFIG_FROM, CONFIG_TO = "HOTPEERS_CONFIG_FROM", "HOTPEERS_CONFIG_TO"
FILEPATH = "--filepath"
DEFAULT_FOLDER = "/config"
"""Where kagent mounts its files (translator/agent/deployments.go, 0.7 to 0.10)."""
_URL = re.compile(r"http://127\.0\.0\.1:([0-9]{4,5})/mcp")

# kagent's Go runtime writes files from these variables into its folder
# (adk/pkg/config/config_materialize.go).
_FILES_IN_VARIABLES = frozenset(["KAGENT_CONFIG_JSON", "KAGENT_AGENT_CARD_JSON"])


@dataclass(frozen=True, slots=True)
class BridgePlan:
    """How a pod gets a bridge. `config` is the volume mount with kagent's files, None without kagent."""

    config: Json | None = None


def plan_bridge(pod: Json, target: Json, wishes: Wishes, runtime: str) -> BridgePlan | Skip | None:
    """The bridge of a pod; None if the agent loads the shim; a `Skip` if there can be no bridge.

    `runtime` is the `spec.declarative.runtime` of the pod's Agent, "" if it is unknown.
    """
    is_go = runtime == GO or runs_kagent_go(target)
    if wishes.bridge is False or not (wishes.bridge or is_go):
        return Skip(InjectReason.NOT_PYTHON, f"{BRIDGE} is false") if is_go else None
    if is_windows(pod, target):
        return Skip(InjectReason.NOT_LINUX)
    if pod["spec"].get("hostNetwork"):
        return Skip(InjectReason.BRIDGE_ON_HOST_NETWORK)
    folder = config_folder(target)
    if posixpath.normpath(folder) == CONFIG_FOLDER:
        # The pod was injected before. Then kagent's own folder is known only if it is the usual one.
        return BridgePlan(next(_mounts(target, DEFAULT_FOLDER), None))
    mount = next(_mounts(target, folder), None)
    variables = {entry["name"] for entry in target.get("env") or []}
    if is_go and (mount is None or variables & _FILES_IN_VARIABLES):
        return Skip(InjectReason.BRIDGE_CONFIG_NOT_FOUND, f"at {folder[:100]}")
    named = any(_names_folder(word) for word in target.get("args") or [])
    return BridgePlan(mount if is_go or named else None)


def find_bridge_conflict(
    pod: Json, target: Json, more: Mapping[str, str] = MappingProxyType({})
) -> Skip | None:
    """A name, mount or variable of the pod that the bridge needs, or None.

    `more` has the folders of further volumes in memory, by the name of the volume.
    """
    folders = {CONFIG_VOLUME: CONFIG_FOLDER, **more}
    for volume in pod["spec"].get("volumes") or []:
        if volume["name"] in folders and "emptyDir" not in volume:
            return Skip(InjectReason.NAME_TAKEN, f"volume {volume['name']}")
    for mount in target.get("volumeMounts") or []:
        path = posixpath.normpath(mount["mountPath"])
        for name, folder in folders.items():
            inside = path == folder or path.startswith(f"{folder}/")
            if inside and mount["name"] != name:
                return Skip(InjectReason.MOUNT_PATH_TAKEN, mount["mountPath"][:100])
    for entry in target.get("env") or []:
        if entry["name"] == MCP_URL and port_before(pod, target) is None:
            return Skip(InjectReason.ENVIRONMENT_TAKEN, MCP_URL)
    return None


def port_before(pod: Json, target: Json) -> int | None:
    """The port of the bridge of a pod that was injected before, from the agent's variable."""
    if not is_marked(pod):
        return None
    for entry in target.get("env") or []:
        found = _URL.fullmatch(str(entry.get("value")))
        if entry["name"] == MCP_URL and found:
            return int(found.group(1))
    return None


def bridge_url(sidecar: Json) -> str | None:
    """The URL of the peer tools of a sidecar, or None if it has no bridge."""
    env = {entry["name"]: entry.get("value") for entry in sidecar.get("env") or []}
    return f"http://{env[LISTEN]}/mcp" if env.get(LISTEN) else None


def config_volume() -> Json:
    """The volume in memory from which the agent reads its configuration."""
    return {"name": CONFIG_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}}


def config_mount() -> Json:
    """The mount of the agent's container. kagent's runtimes only read."""
    return {"name": CONFIG_VOLUME, "mountPath": CONFIG_FOLDER, "readOnly": True}


def bridge_mounts(plan: BridgePlan) -> list[Json]:
    """The mounts of the sidecar: kagent's files, and the folder that it writes."""
    if plan.config is None:
        return []
    source: Json = {"name": plan.config["name"], "mountPath": SOURCE_FOLDER, "readOnly": True}
    for name in ("subPath", "subPathExpr"):
        if name in plan.config:
            source[name] = plan.config[name]
    return [source, {"name": CONFIG_VOLUME, "mountPath": CONFIG_FOLDER}]


def bridge_environment(plan: BridgePlan, port: int) -> dict[str, str]:
    """The variables of the sidecar."""
    listen = {LISTEN: f"127.0.0.1:{port}"}
    if plan.config is None:
        return listen
    return {**listen, CONFIG_FROM: SOURCE_FOLDER, CONFIG_TO: CONFIG_FOLDER}


def bridge_hook(plan: BridgePlan, port: int) -> Json:
    """The postStart hook of the sidecar: the agent starts once the bridge answers."""
    command = ["python", "-m", "hotpeers.hook", "bridge", f"http://127.0.0.1:{port}/healthz"]
    if plan.config is not None:
        command += [SOURCE_FOLDER, CONFIG_FOLDER]
    return {"exec": {"command": command}}


def config_arguments(target: Json) -> list[str]:
    """The arguments of kagent's container, with the folder of the bridge as `--filepath`."""
    words = [str(word) for word in target.get("args") or []]
    for at, word in enumerate(words):
        if word == FILEPATH:
            return [*words[: at + 1], CONFIG_FOLDER, *words[at + 2 :]]
        if word.startswith(f"{FILEPATH}="):
            return [*words[:at], f"{FILEPATH}={CONFIG_FOLDER}", *words[at + 1 :]]
    return [*words, FILEPATH, CONFIG_FOLDER]


def _names_folder(word: str) -> bool:
    return word == FILEPATH or word.startswith(f"{FILEPATH}=")


def _mounts(target: Json, folder: str) -> Iterator[Json]:
    for mount in target.get("volumeMounts") or []:
        if posixpath.normpath(mount["mountPath"]) == posixpath.normpath(folder):
            yield mount
