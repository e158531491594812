"""Sources of candidates. A source yields complete snapshots and makes no decisions.

Modules in this package may read files or an API. They must not depend on the peer file, the acks
or the rules.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from ...base.scope import ScopeStatus
from ...model.snapshot import Snapshot


class Source(Protocol):
    """Reads all candidates and follows their changes."""

    def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """Yield the current snapshot, and then a new one after each change, forever.

        A slow consumer may miss intermediate states, but always gets the last one. Errors while
        reading are not raised; they become problems of a snapshot.
        """

    def scopes(self) -> tuple[ScopeStatus, ...]:
        """The status of each scope that is followed separately; empty for a source with one part."""
