"""What the decider needs from other packages: counts, governed accounts and templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ...base.names import NamespacedName
from ...spawnpolicy.decision import Decision
from ...spawnpolicy.request import Usage


class Slot(Protocol):
    """The slot that a request asks for."""

    async def expected(self) -> Decision:
        """The preliminary decision by the counts, before the slot is written."""

    async def decided(self) -> Decision:
        """The final decision. If it allows the agent, the slot is written."""


class Quota(Protocol):
    """Counts that are exact over all replicas."""

    def reserve(
        self,
        keys: Iterable[str],
        agent: str,
        decide: Callable[[Mapping[str, Usage]], Decision],
        *,
        uid: str = "",
        dry_run: bool = False,
    ) -> Slot:
        """Request a slot for the agent. `decide` gets the usage of each of these policies."""


class Governing(Protocol):
    """The accounts whose requests the API server sends to the guard."""

    async def ensure(self, accounts: Iterable[NamespacedName]) -> None:
        """Return once the API server sends requests of these ServiceAccounts too."""

    def spans(self, account: NamespacedName) -> bool:
        """Whether the account is matched by a range of names."""


class Templates(Protocol):
    """The templates of agents in a registry."""

    async def spec_of(self, key: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """The spec of a template; None if it cannot be read."""
