"""Which container of a pod is the agent's.

The first rule that holds decides; none of them guesses:

1. the one that `hotpeers.dev/container` names
2. the one that was injected before
3. the one called `kagent`, as kagent calls it
4. the one that `kubectl.kubernetes.io/default-container` names, unless it is a known companion
5. the only one that is neither a known companion nor surely no Python program
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
_DEFAULT = "kubectl.kubernetes.io/default-container"


def find_target(pod: Json, wishes: Wishes) -> int | Skip:
    """The index of the agent's container, or why none is."""
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
        # Where that leaves none, any of them tells why.
        able = [at for at in programs if check_runtime(pod, containers[at]) is None]
        programs = able or programs[:1]
    if len(programs) == 1:
        return programs[0]
    return Skip(InjectReason.CONTAINER_UNCLEAR, _listed(names))


def _is_beside(container: Json) -> bool:
    # An agent may be called as a container of ours.
    ours = container["name"] in (SIDECAR, SPAWNER) and is_ours(container)
    return ours or is_companion(container)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)[:150]}; name it in {CONTAINER}"


def _target_before(pod: Json) -> str:
    """The container that was injected: since then another may have been put before it."""
    if not is_injected(pod):
        return ""
    try:
        status = json.loads(pod["metadata"]["annotations"].get(STATUS, "{}"))
    except ValueError:
        return ""
    return str(status.get("container", "")) if isinstance(status, dict) else ""
