"""The last known `deletionPolicy` of a policy decides about its agents after it is deleted."""

from dataclasses import dataclass, field
from typing import Any, cast

from hotpeers.controller.lifecycle.departures import Departures
from hotpeers.controller.lifecycle.upkeep import Upkeep
from hotpeers.controller.quota.ledger import DeletionPolicy
from hotpeers.controller.quota.reservations import Reservations
from hotpeers.spawnpolicy.known import Known, KnownPolicy, read_known_policy
from hotpeers.spawnpolicy.origin import KnownAgent
from kit.spawning import SPEC, document

KEY = "team/workers"


@dataclass
class World:
    """One policy and no agents."""

    spec: dict[str, Any]
    known: Known = field(default_factory=Known)
    departures: Departures = field(default_factory=Departures)

    def agents(self) -> list[KnownAgent]:
        return []

    def policies(self) -> list[KnownPolicy]:
        return [read_known_policy(document(self.spec))]

    def fresh(self) -> bool:
        return True


@dataclass
class Noted:
    """Records the deletion policies that are written to ledgers."""

    said: list[tuple[str, DeletionPolicy]] = field(default_factory=list)

    async def set_deletion_policy(self, key: str, policy: DeletionPolicy) -> None:
        self.said.append((key, policy))

    async def keys(self) -> frozenset[str]:
        return frozenset()


async def test_unreadable_policy_keeps_its_last_deletion_policy() -> None:
    world, noted = World({**SPEC, "deletionPolicy": "Retain"}), Noted()
    upkeep = Upkeep(cast("Reservations", noted), world)
    await upkeep._keep()
    world.spec = {**world.spec, "invented": True}
    assert world.policies()[0].findings
    await upkeep._keep()
    assert await upkeep.deletion_policy(KEY) == "Retain"
    assert noted.said == [(KEY, "Retain")]
    world.spec = {**SPEC, "deletionPolicy": "Delete"}
    await upkeep._keep()
    assert await upkeep.deletion_policy(KEY) == "Delete"
    assert noted.said == [(KEY, "Retain"), (KEY, "Delete")]
