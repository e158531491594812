"""What the containers of the injection ask for: the installation's, the agent's measure, the pod's own.

A LimitRange can bound the ratio of limits to requests (`maxLimitRequestRatio`), and a quota can ask for
a limit of every container. Neither is read here. By the time that a webhook is asked, the agent's own
container has passed its LimitRange's defaults; so ours, which has limits where the agent's has, at no
larger ratio, passes too.
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
"""The annotations `hotpeers.dev/…` that replace one amount each."""

_MOST_CPU = 500
_LEAST_CPU = 50
# Less makes a sidecar start slowly; more is not asked for only to keep a ratio.
_STRICT_LIMIT, _STRICT_REQUEST = 100, 50
_BINARY = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(Ki|Mi|Gi|Ti|k|M|G|T|)")
_CORES = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(m?)")


def choose_resources(
    target: Json, installation: Mapping[str, Json], own: Mapping[str, str]
) -> Json:
    """The resources of a container of ours beside the `target`, which is the agent's.

    `own` has those of the pod's annotations, by the names of `RESOURCES`: they are taken as they are.
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
    """An amount of CPU in thousandths; None for what is not understood."""
    found = _CORES.fullmatch(str(quantity))
    if found is None:
        return None
    return round(float(found[1]) * (1 if found[2] else 1000))


def in_bytes(quantity: object) -> int | None:
    """An amount of memory in bytes; None for what is not understood."""
    found = _BYTES.fullmatch(str(quantity))
    if found is None:
        return None
    return round(float(found[1]) * {**_BINARY, **_DECIMAL}[found[2]])


def _fit_cpu(ours: dict[str, Json], agent: Mapping[str, Any], own: Mapping[str, str]) -> None:
    """A limit where the agent has one, at most at its ratio."""
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
    """A request that is not less of the limit than the agent's is of its own."""
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
    """Keep each request at or below its limit: of the two, what the pod itself sets stays."""
    for resource, read in (("cpu", millicores), ("memory", in_bytes)):
        request, limit = (read(ours[kind].get(resource)) for kind in ("requests", "limits"))
        if request is not None and limit is not None and request > limit:
            kinds = ("requests", "limits") if f"{resource}-limit" in own else ("limits", "requests")
            ours[kinds[0]][resource] = ours[kinds[1]][resource]
