"""An agent's list of tools with the peers behind its own ones, and no sign of them while there are none.

The framework asks `agent.tools` two things. Whether and how many tools there are decides about the
rest of the request: google-adk drops a response schema where there is any, and replaces a built-in
search tool where there are two (`flows/llm_flows/basic.py`, `agents/llm_agent.py`). What they are, it
finds by walking through them. So the toolset of the peers is always walked through, and may have
nothing to offer; it is counted only where it offers something in this very step.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from typing import Any

from .toolset import PeerToolset


class ToolList(list[Any]):
    """The agent's own tools, which are the content of the list, and then the toolset of the peers."""

    def __init__(self, own: list[Any], peers: PeerToolset) -> None:
        super().__init__(own)
        self.peers = peers
        # The other way weakly: kagent makes an agent for each request.
        peers.beside = weakref.WeakMethod(self.own)

    def own(self) -> list[Any]:
        """The agent's own tools, as a list of their own."""
        return list(list.__iter__(self))

    def __iter__(self) -> Iterator[Any]:
        yield from list.__iter__(self)
        yield self.peers

    def __len__(self) -> int:
        return list.__len__(self) + self.peers.is_offering()

    def __bool__(self) -> bool:
        return list.__len__(self) > 0 or self.peers.is_offering()

    def __copy__(self) -> list[Any]:
        return self.own()

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        # The copy of an agent gets its peers at its first step.
        return copy.deepcopy(self.own(), memo)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (self.own(),)
