"""The work of one replica in the cluster: it watches the certificates, and takes part in election.

While it leads, it keeps the certificates, the caBundle of webhooks and the bindings of readers
correct.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..base.names import NamespacedName
from ..base.problems import Problem, log_problems
from ..kube.client import Client
from ..kube.informer.kind import Kind
from ..model.selector import Selector
from .certificates.authority import Lifetimes, Pair
from .certificates.keeper import Certificates
from .election import Election, LeaderClient, Pace
from .guarding import Guarding
from .hold.holding import Holding
from .orchestrators.keeper import Orchestrators
from .orchestrators.objects import HubAddress
from .rbac.readers import Readers
from .status.peers import PeerStatuses
from .webhook_config.trust import MUTATING, SETTLE_SECONDS, VALIDATING, Configuration, Trust
from .workloads.keeper import Workloads

logger = logging.getLogger(__name__)

_TELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Duties:
    """The duties of a replica, and the names of its objects. `secret` "": no own certificates.

    `names` are the DNS names of the serving certificate. `configurations` are the webhook
    configurations whose caBundle it keeps. `injectable` selects the Namespaces whose accounts may
    be bound. With `orchestrators`, each injected workload gets an Orchestrator. `hub` is the address
    of the hub; None without one. `hub_key` is the Secret of its key.
    """

    namespace: str
    lease: str
    identity: str
    secret: str
    names: tuple[str, ...]
    configurations: tuple[tuple[Kind[Configuration], str], ...]
    bind_readers: bool
    orchestrators: bool = False
    hub: HubAddress | None = None
    hub_key: str = "hotpeers-hub-key"
    injectable: Selector = field(default_factory=Selector)


@dataclass(frozen=True, slots=True)
class Timing:
    """Lifetimes and intervals. Only tests change the defaults."""

    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    pace: Pace = field(default_factory=Pace)
    settle: float = SETTLE_SECONDS
    look: float = 5.0


def serving_names(service: str, namespace: str) -> tuple[str, ...]:
    """The DNS names of a Service."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def mutating(name: str) -> tuple[tuple[Kind[Configuration], str], ...]:
    """The mutating configuration of this name for `Duties.configurations`; empty for ""."""
    return ((MUTATING, name),) if name else ()


def validating(name: str) -> tuple[tuple[Kind[Configuration], str], ...]:
    """The validating configuration of this name for `Duties.configurations`; empty for ""."""
    return ((VALIDATING, name),) if name else ()


class Replica:
    """One replica. `use` is called with each new certificate and key to serve.

    `use` raises `CertificateError` if they are unusable. `guarding` is the guard, and `holding` the
    hold feature; None if disabled.
    """

    def __init__(  # noqa: PLR0913 - two of them are parts that may be missing
        self,
        client: Client,
        duties: Duties,
        use: Callable[[bytes, bytes], None],
        timing: Timing | None = None,
        *,
        guarding: Guarding | None = None,
        holding: Holding | None = None,
    ) -> None:
        self._client = client
        self._guarding = guarding
        self._holding = holding
        self._duties = duties
        self._timing = timing = timing or Timing()
        self._use = use
        self._election = Election(
            client, duties.namespace, duties.lease, duties.identity, timing.pace
        )
        self._certificates: Certificates | None = None
        if duties.secret:
            self._certificates = Certificates(
                client,
                duties.namespace,
                duties.secret,
                names=duties.names,
                use=self._take,
                lifetimes=timing.lifetimes,
                look=timing.look,
            )
        self._trust: Trust | None = None
        self._readers: Readers | None = None
        self._orchestrators: Orchestrators | None = None
        self._workloads: Workloads | None = None
        self._peers: PeerStatuses | None = None
        self._problems: tuple[Problem, ...] = ()

    @property
    def leading(self) -> bool:
        """Whether this replica leads now."""
        return self._election.leading

    @property
    def expires(self) -> datetime | None:
        """When the served certificate expires; None if no own certificate is served."""
        return self._certificates.expires if self._certificates else None

    @property
    def bindings(self) -> int:
        """The number of bindings; 0 if this replica does not lead."""
        return self._readers.count if self._readers else 0

    def problems(self) -> tuple[Problem, ...]:
        """The current problems. Those that keep this replica from serving come first."""
        parts = (
            self._certificates,
            self._election,
            self._trust,
            self._readers,
            self._orchestrators,
            self._workloads,
            self._peers,
            self._guarding,
            self._holding,
        )
        return tuple(one for part in parts if part is not None for one in part.problems())

    def document(self) -> dict[str, Any]:
        """The state of the replica for the status document, without its problems."""
        return {
            "leading": self.leading,
            "leader": self._election.holder,
            "certificateExpires": self.expires.isoformat() if self.expires else None,
            "bindings": self.bindings,
            "holds": self._holding.document() if self._holding is not None else [],
        }

    async def run(self) -> None:
        """Work until cancelled. The Lease is released then."""
        async with asyncio.TaskGroup() as group:
            if self._certificates is not None:
                group.create_task(self._certificates.run(), name="certificates")
            if self._guarding is not None:
                group.create_task(self._guarding.run(), name="guard")
            group.create_task(self._election.run(self._lead), name="election")
            group.create_task(self._tell(), name="tell problems")

    async def _lead(self) -> None:
        writer = LeaderClient(self._client, lambda: self._election.leading)
        duties, certificates = self._duties, self._certificates
        try:
            async with asyncio.TaskGroup() as group:
                if certificates is not None:
                    self._trust = trust = Trust(
                        self._client,
                        writer,
                        duties.configurations,
                        lambda: certificates.keyring.bundle if certificates.keyring else None,
                        settle=self._timing.settle,
                    )
                    group.create_task(trust.run(), name="trust")
                    renewing = certificates.lead(writer, trust.announced)
                    group.create_task(renewing, name="renew certificates")
                if duties.bind_readers:
                    self._readers = Readers(self._client, writer, duties.injectable)
                    group.create_task(self._readers.run(), name="readers")
                if duties.orchestrators:
                    held = self._holding.held if self._holding is not None else dict
                    self._workloads = Workloads(self._client, writer, held)
                    group.create_task(self._workloads.run(), name="workloads")
                    self._peers = PeerStatuses(self._client, writer)
                    group.create_task(self._peers.run(), name="statuses of Peers")
                if duties.hub is not None:
                    secret = NamespacedName(duties.namespace, duties.hub_key)
                    self._orchestrators = Orchestrators(self._client, writer, secret, duties.hub)
                    group.create_task(self._orchestrators.run(), name="orchestrators")
                if self._guarding is not None:
                    group.create_task(self._guarding.lead(writer), name="guard's duties")
                if self._holding is not None:
                    group.create_task(self._holding.lead(self._client, writer), name="holds")
        finally:
            self._trust = self._readers = self._orchestrators = None
            self._workloads = self._peers = None

    def _take(self, pair: Pair) -> None:
        self._use(pair.certificate, pair.key)
        if self._trust is not None:
            self._trust.look()

    async def _tell(self) -> None:
        while True:
            problems = self.problems()
            if problems != self._problems:
                log_problems(self._problems, problems)
                self._problems = problems
            await asyncio.sleep(_TELL_SECONDS)
