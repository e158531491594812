"""Where peers come from. A source yields complete snapshots and decides nothing.

A module in here may read files or an API; it may not know the peer file, the acks or the rules.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from ...base.scope import ScopeStatus
from ...model.snapshot import Snapshot


class Source(Protocol):
    """Something that knows all candidates and notices when they change."""

    def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """Yield what there is now, and then again after each change, for ever.

        Slow consumers miss states in between, never the last one. Nothing that goes wrong while
        reading raises: it is among the problems of a snapshot.
        """

    def scopes(self) -> tuple[ScopeStatus, ...]:
        """How each of its parts stands that is followed by itself; none where there is but one."""
