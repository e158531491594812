"""What an agent needs that follows its configuration without a restart (`hotpeers.dev/hot-config`).

The shim follows config.json where kagent mounts it. To tell which configuration that is, it computes
kagent's hash, for which it needs what the hash covers; and it reads what the controller of hotpeers says of
a hash that was held back, from the pod's own annotations.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from .annotations import PREFIX
from .outcome import Json, Skip
from .reasons import InjectReason

HOT_CONFIG_VARIABLE = "HOTPEERS_HOT_CONFIG"
"""Of the agent's container: the folder of config.json."""
POD_VARIABLE = "HOTPEERS_POD_INFO"
"""The same: the folder with the pod's annotations."""
SKILLS_VARIABLE = "HOTPEERS_SKILLS_CONFIG"
"""The same: the file from which kagent's init container learned of the agent's skills."""
POD_VOLUME = "hotpeers-pod"
POD_FOLDER = "/var/run/hotpeers/pod"
SKILLS_FOLDER = "/var/run/hotpeers/skills"

_ANNOTATIONS = {"config-hash": "kagent.dev/config-hash", "held-config": f"{PREFIX}held-config"}
_FILEPATH = "--filepath"
_FOLDER = "/config"
# The key and the end of the name of kagent's ConfigMap (go/core/internal/skillsinit/config.go and
# `SkillsInitConfigMapSuffix` of translator/agent/adk_api_translator.go, 0.9.0 to 0.10). Before, there
# was none, and skills stood in the pod template.
_SKILLS_KEY, _SKILLS_SUFFIX = "config.json", "-skills-init"
# kubelet brings what changes in these into the pod.
_FOLLOWING = ("secret", "configMap", "projected", "csi", "persistentVolumeClaim", "nfs", "hostPath")


def pod_volume() -> Json:
    """The volume with the annotations of the pod, which kubelet keeps up to date."""
    items = [
        {"path": path, "fieldRef": {"fieldPath": f"metadata.annotations['{name}']"}}
        for path, name in _ANNOTATIONS.items()
    ]
    return {"name": POD_VOLUME, "downwardAPI": {"items": items}}


def config_folder(target: Json) -> str:
    """Where `kagent-adk static` reads config.json: its `--filepath`."""
    words = [*(target.get("command") or []), *(target.get("args") or [])]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name == _FILEPATH:
            return str((value if equals else following) or _FOLDER)
    return _FOLDER


def check_config(pod: Json, target: Json) -> Skip | None:
    """Why the configuration cannot be followed; the pod is injected all the same."""
    folder = posixpath.normpath(config_folder(target))
    kinds = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    for mount in target.get("volumeMounts") or []:
        # What is mounted by a subPath stays as it was at the start.
        whole = not mount.get("subPath") and not mount.get("subPathExpr")
        at = posixpath.normpath(mount["mountPath"])
        if (
            at == folder
            and whole
            and any(kind in kinds.get(mount["name"], {}) for kind in _FOLLOWING)
        ):
            return None
    return Skip(InjectReason.HOT_CONFIG_NOT_MOUNTED, f"at {folder[:100]}")


def hot_environment(pod: Json, target: Json) -> dict[str, str]:
    """The variables of the agent's container."""
    found = {HOT_CONFIG_VARIABLE: config_folder(target), POD_VARIABLE: POD_FOLDER}
    if _skills_volume(pod):
        found[SKILLS_VARIABLE] = f"{SKILLS_FOLDER}/{_SKILLS_KEY}"
    return found


def hot_mounts(pod: Json) -> Iterator[Json]:
    """What the agent's container mounts for it, all of it to be read only."""
    yield {"name": POD_VOLUME, "mountPath": POD_FOLDER, "readOnly": True}
    if skills := _skills_volume(pod):
        yield {"name": skills, "mountPath": SKILLS_FOLDER, "readOnly": True}


def _skills_volume(pod: Json) -> str:
    """The name of the volume of kagent's ConfigMap; "" where the agent has no skills."""
    for volume in pod["spec"].get("volumes") or []:
        if str((volume.get("configMap") or {}).get("name") or "").endswith(_SKILLS_SUFFIX):
            return str(volume["name"])
    return ""
