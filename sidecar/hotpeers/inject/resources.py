"""Resources of the injected containers: the installation's, fitted to the agent's, or the pod's own.

A LimitRange can limit the ratio of limits to requests (`maxLimitRequestRatio`), and a quota can require
a limit for every container. Neither is read here. When the webhook is called, the defaults of the
LimitRange were applied to the agent's container already. The injected containers have limits if the
agent's container has them, and no larger ratio, so they pass the same checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .outcome import Json

RESOURCES = {
    "cpu-request": ("requests", "cpu"),
    "cpu-limit": ("limits", "cpu"),
    "memory-request": ("requests", "memory"),
    "memory-limit": ("limits", "memory"),
}
"""The annotations `hotpeers.dev/…`; each replaces one amount."""

_MOST_CPU = 500
_LEAST_CPU = 50
# With less, a sidecar starts slowly. A ratio alone is no reason to request more.
_STRICT_LIMIT, _STRICT_REQUEST = 100, 50
_BINARY = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(Ki|Mi|Gi|Ti|k|M|G|T|)")
_CORES = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(m?)")


def choose_resources(
    target: Json, installation: Mapping[str, Json], own: Mapping[str, str]
) -> Json:
    """The resources of an injected container. `target` is the agent's container.

    `own` has the amounts of the pod's annotations, by the names of `RESOURCES`. They are not changed.
    """
    ours = {kind: dict(installation.get(kind) or {}) for kind in ("requests", "limits")}
    agent = {kind: (target.get("resources") or {}).get(kind) or {} for kind in ours}
    for name, amount in own.items():
        kind, resource = RESOURCES[name]
        ours[kind][resource] = amount
    _fit_cpu(ours, agent, own)
    _fit_memory(ours, agent, own)
    _order(ours, own)
    return {kind: amounts for kind, amounts in ours.items() if amounts}


def millicores(quantity: object) -> int | None:
    """An amount of CPU in millicores, or None if it cannot be parsed."""
    found = _CORES.fullmatch(str(quantity))
    if found is None:
        return None
    return round(float(found[1]) * (1 if found[2] else 1000))


def in_bytes(quantity: object) -> int | None:
    """An amount of memory in bytes, or None if it cannot be parsed."""
    found = _BYTES.fullmatch(str(quantity))
    if found is None:
        return None
    return round(float(found[1]) * {**_BINARY, **_DECIMAL}[found[2]])


def _fit_cpu(ours: dict[str, Json], agent: Mapping[str, Any], own: Mapping[str, str]) -> None:
    """Set a CPU limit if the agent has one, with at most the agent's ratio of limit to request."""
    request = millicores(ours["requests"].get("cpu", 0))
    theirs = millicores(agent["limits"].get("cpu"))
    if request is None or not theirs:
        return
    chosen = millicores(ours["limits"].get("cpu"))
    limit = max(min(theirs, _MOST_CPU), request, _LEAST_CPU) if chosen is None else chosen
    asked = millicores(agent["requests"].get("cpu", theirs))
    if asked and limit * asked > request * theirs:
        if "cpu-request" in own:
            limit = limit if chosen else max(request, request * theirs // asked)
        else:
            if chosen is None and limit * asked > _STRICT_REQUEST * theirs:
                limit = min(limit, max(_STRICT_LIMIT, _STRICT_REQUEST * theirs // asked, request))
            request = max(request, min(-(-limit * asked // theirs), limit))
            ours["requests"]["cpu"] = f"{request}m"
    ours["limits"].setdefault("cpu", f"{limit}m")


def _fit_memory(ours: dict[str, Json], agent: Mapping[str, Any], own: Mapping[str, str]) -> None:
    """Raise the memory request until the ratio of limit to request is at most the agent's."""
    theirs = in_bytes(agent["limits"].get("memory"))
    limit = in_bytes(ours["limits"].get("memory"))
    request = in_bytes(ours["requests"].get("memory", 0))
    if not theirs or limit is None or request is None or "memory-request" in own:
        return
    asked = in_bytes(agent["requests"].get("memory", theirs))
    if asked and limit * asked > request * theirs:
        mebibytes = -(-limit * asked // (theirs * 2**20))
        fits = mebibytes * 2**20 < limit
        ours["requests"]["memory"] = f"{mebibytes}Mi" if fits else ours["limits"]["memory"]


def _order(ours: dict[str, Json], own: Mapping[str, str]) -> None:
    """Make each request at most its limit. Of the two, an amount from the pod's annotations stays."""
    for resource, read in (("cpu", millicores), ("memory", in_bytes)):
        request, limit = (read(ours[kind].get(resource)) for kind in ("requests", "limits"))
        if request is not None and limit is not None and request > limit:
            kinds = ("requests", "limits") if f"{resource}-limit" in own else ("limits", "requests")
            ours[kinds[0]][resource] = ours[kinds[1]][resource]
