"""Variables and mounts of an agent that reloads its configuration (`hotpeers.dev/hot-config`).

The shim watches the config.json that kagent mounts. To identify a configuration, the shim computes
kagent's hash, so it needs all inputs of that hash. It also reads the pod's annotations, in which the
controller of hotpeers describes a hash that is held back.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from .annotations import PREFIX
from .outcome import Json, Skip
from .reasons import InjectReason

HOT_CONFIG_VARIABLE = "HOTPEERS_HOT_CONFIG"
"""Set in the agent's container: the folder of config.json."""
POD_VARIABLE = "HOTPEERS_POD_INFO"
"""Set in the agent's container: the folder with the pod's annotations."""
SKILLS_VARIABLE = "HOTPEERS_SKILLS_CONFIG"
"""Set in the agent's container: the file in which kagent's init container read the agent's skills."""
POD_VOLUME = "hotpeers-pod"
POD_FOLDER = "/var/run/hotpeers/pod"
SKILLS_FOLDER = "/var/run/hotpeers/skills"

_ANNOTATIONS = {"config-hash": "kagent.dev/config-hash", "held-config": f"{PREFIX}held-config"}
_FILEPATH = "--filepath"
_FOLDER = "/config"
# The key and the end of the name of kagent's ConfigMap (go/core/internal/skillsinit/config.go and
# `SkillsInitConfigMapSuffix` of translator/agent/adk_api_translator.go, 0.9.0 to 0.10). Earlier
# versions have no such ConfigMap; the skills are in the pod template.
_SKILLS_KEY, _SKILLS_SUFFIX = "config.json", "-skills-init"
# Changes in these volumes reach a running pod.
_FOLLOWING = ("secret", "configMap", "projected", "csi", "persistentVolumeClaim", "nfs", "hostPath")


def pod_volume() -> Json:
    """The volume with the pod's annotations. kubelet updates it."""
    items = [
        {"path": path, "fieldRef": {"fieldPath": f"metadata.annotations['{name}']"}}
        for path, name in _ANNOTATIONS.items()
    ]
    return {"name": POD_VOLUME, "downwardAPI": {"items": items}}


def config_folder(target: Json) -> str:
    """The folder in which `kagent-adk static` reads config.json: its `--filepath`."""
    words = [*(target.get("command") or []), *(target.get("args") or [])]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name == _FILEPATH:
            return str((value if equals else following) or _FOLDER)
    return _FOLDER


def check_config(pod: Json, target: Json) -> Skip | None:
    """Why the configuration cannot be reloaded, or None. The pod is still injected."""
    folder = posixpath.normpath(config_folder(target))
    for mount in target.get("volumeMounts") or []:
        if posixpath.normpath(mount["mountPath"]) == folder and follows_source(pod, mount):
            return None
    return Skip(InjectReason.HOT_CONFIG_NOT_MOUNTED, f"at {folder[:100]}")


def follows_source(pod: Json, mount: Json) -> bool:
    """Whether changes of a mount's source reach a running container."""
    # kubelet does not update files that are mounted by a subPath.
    if mount.get("subPath") or mount.get("subPathExpr"):
        return False
    kinds = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    return any(kind in kinds.get(mount["name"], {}) for kind in _FOLLOWING)


def hot_environment(pod: Json, target: Json) -> dict[str, str]:
    """The variables of the agent's container."""
    found = {HOT_CONFIG_VARIABLE: config_folder(target), POD_VARIABLE: POD_FOLDER}
    if file := skills_file(pod):
        found[SKILLS_VARIABLE] = file
    return found


def skills_file(pod: Json) -> str:
    """The file that kagent's init container for skills reads; "" if the agent has no skills."""
    return f"{SKILLS_FOLDER}/{_SKILLS_KEY}" if _skills_volume(pod) else ""


def hot_mounts(pod: Json) -> Iterator[Json]:
    """The mounts of the container that follows the configuration, all read-only."""
    yield {"name": POD_VOLUME, "mountPath": POD_FOLDER, "readOnly": True}
    if skills := _skills_volume(pod):
        yield {"name": skills, "mountPath": SKILLS_FOLDER, "readOnly": True}


def _skills_volume(pod: Json) -> str:
    """The name of the volume of kagent's ConfigMap, or "" if the agent has no skills."""
    for volume in pod["spec"].get("volumes") or []:
        if str((volume.get("configMap") or {}).get("name") or "").endswith(_SKILLS_SUFFIX):
            return str(volume["name"])
    return ""
