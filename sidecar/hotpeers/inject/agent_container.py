"""Finds the agent's container in a pod.

The first rule that matches decides; no rule guesses:

1. the container that `hotpeers.dev/container` names
2. the container that was injected before
3. the container `kagent`, which is kagent's name for it
4. the container that `kubectl.kubernetes.io/default-container` names, unless it is a known companion
5. the only container that can run Python and is not a known companion
"""

from __future__ import annotations

import json

from .annotations import CONTAINER, STATUS, Wishes
from .companions import is_companion
from .conflicts import is_injected, is_ours
from .outcome import Json, Skip
from .own_container import SIDECAR, SPAWNER
from .reasons import InjectReason
from .runtime import check_runtime

_AGENT = "kagent"
_LISTEN = "HOTPEERS_LISTEN"
_DEFAULT = "kubectl.kubernetes.io/default-container"


def find_target(pod: Json, wishes: Wishes) -> int | Skip:
    """The index of the agent's container, or why it cannot be determined."""
    containers = pod["spec"]["containers"]
    names = [container["name"] for container in containers]
    if wishes.container:
        if wishes.container in names:
            return names.index(wishes.container)
        return Skip(InjectReason.CONTAINER_NOT_FOUND, f"{CONTAINER}: {wishes.container}")
    programs = [at for at, one in enumerate(containers) if not _is_beside(one)]
    for name in (_target_before(pod), _AGENT):
        if name in names:
            return names.index(name)
    default = (pod["metadata"].get("annotations") or {}).get(_DEFAULT)
    if default in names and names.index(default) in programs:
        return names.index(default)
    if len(programs) > 1:
        # If none of them can load the shim, pick any: its check reports the reason later.
        able = [at for at in programs if check_runtime(pod, containers[at]) is None]
        programs = able or programs[:1]
    if len(programs) == 1:
        return programs[0]
    return Skip(InjectReason.CONTAINER_UNCLEAR, _listed(names))


def _is_beside(container: Json) -> bool:
    # An agent's container may have the same name as ours, and once it is injected the same mounts.
    variables = {entry["name"] for entry in container.get("env") or []}
    ours = container["name"] in (SIDECAR, SPAWNER) and is_ours(container) and _LISTEN in variables
    return ours or is_companion(container)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)[:150]}; name it in {CONTAINER}"


def _target_before(pod: Json) -> str:
    """The name of the container that was injected before. Its index may have changed since then."""
    if not is_injected(pod):
        return ""
    try:
        status = json.loads(pod["metadata"]["annotations"].get(STATUS, "{}"))
    except ValueError:
        return ""
    return str(status.get("container", "")) if isinstance(status, dict) else ""
