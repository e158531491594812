"""An agent's list of tools: its own tools, then the toolset of the peers, which may look absent.

The framework uses `agent.tools` in two ways. It checks whether there are tools and how many, which
changes the request: google-adk drops a response schema if there is any tool, and replaces a
built-in search tool if there are two tools (`flows/llm_flows/basic.py`, `agents/llm_agent.py`).
It also iterates over the tools. Iteration therefore always includes the toolset of the peers, which
may be empty. Length and truth value include it only if it offers peers in the current step.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from typing import Any

from .toolset import PeerToolset


class ToolList(list[Any]):
    """The list itself contains the agent's own tools. Iteration adds the toolset of the peers."""

    def __init__(self, own: list[Any], peers: PeerToolset) -> None:
        super().__init__(own)
        self.peers = peers
        # The reference back is weak: kagent makes an agent for each request, and must free it.
        peers.beside = weakref.WeakMethod(self.own)

    def own(self) -> list[Any]:
        """The agent's own tools, as a new plain list."""
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
        # A copy of the agent gets its own toolset of peers at its first step.
        return copy.deepcopy(self.own(), memo)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (self.own(),)
