"""Decides which peers of a large fleet are tools of their own. Pure.

A list of tools is a part of each request to a model, and models cache it. So the order is stable: a
change adds tools at the end of their group, or removes some, and moves none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from heapq import nlargest

from ..contract import Peer
from .names import exact_peer, shown_name

ASK_AGENT, LIST_AGENTS = "ask_agent", "list_agents"
FLEET_TOOLS = (ASK_AGENT, LIST_AGENTS)
"""The tools that reach each peer of a large fleet."""


@dataclass(frozen=True, slots=True)
class Use:
    """A peer that a session has called, by its tool name.

    `first` and `last` are the times of its first and last call, in seconds since the epoch.
    """

    name: str
    first: float
    last: float


def is_large(peers: Collection[str], max_tools: int) -> bool:
    """Whether there are too many peers to declare each of them."""
    return len(peers) > max_tools


def pinned(peers: Mapping[str, Peer], patterns: Iterable[str], max_tools: int) -> tuple[str, ...]:
    """The tool names of the pinned peers: in the order of the patterns, then by name.

    A pattern is a name as models use it (`namespace/name`, or `name` without a namespace), in which
    `*` stands for any text. As many are pinned as there is room beside the two tools of a fleet.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if "*" in pattern:
            # Only `*` is special: the other wildcards of fnmatch are no characters of a name.
            matches = re.compile(translate(re.sub(r"([?\[])", r"[\1]", pattern))).match
            same = [peer for peer in peers.values() if matches(shown_name(peer))]
        else:
            peer = exact_peer(peers, pattern)
            same = [peer] if peer is not None else []
        found |= dict.fromkeys(peer.toolName for peer in sorted(same, key=shown_name))
    return tuple(name for name in found if name not in FLEET_TOOLS)[: room(max_tools)]


def recent(
    peers: Collection[str], pins: Collection[str], uses: Iterable[Use], max_tools: int
) -> tuple[str, ...]:
    """The tool names of the peers that were used last, beside the pinned ones, as many as there is room.

    They are in the order of their first use: a peer that is used again does not move.
    """
    others = [
        use
        for use in uses
        if use.name in peers and use.name not in pins and use.name not in FLEET_TOOLS
    ]
    last = nlargest(room(max_tools) - len(pins), others, key=lambda use: (use.last, use.name))
    return tuple(use.name for use in sorted(last, key=lambda use: (use.first, use.name)))


def room(max_tools: int) -> int:
    """How many peers are tools of their own at most."""
    return max(max_tools - len(FLEET_TOOLS), 0)
