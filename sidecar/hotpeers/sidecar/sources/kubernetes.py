"""A cluster as a source: lists and watches labelled Agents of kagent 0.x and 1.x, Peers, Services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from itertools import chain

from ...base.reasons import Reason
from ...base.scope import ScopeStatus
from ...kube.client import Client
from ...kube.informer.kind import Kind
from ...kube.informer.scope import Scope
from ...model.gateway import DEFAULT_GATEWAY
from ...model.snapshot import Candidate, Snapshot
from .kind import AGENT, NAMESPACE, PEER, SERVICE, gateway_agents


class KubernetesSource:
    """Follows the labelled objects of some namespaces; see `Source`.

    Empty `namespaces` means all namespaces. `home` is the namespace of the orchestrator; "" if the
    snapshots are for several. Its labels are watched only once an Agent selects the namespaces it
    admits by label. `restarted` is called with the reason each time a watch ends with an error.
    `gateway` is the URL at which the Agents of kagent 1.x are called.
    """

    def __init__(  # noqa: PLR0913 - the rules of an operator
        self,
        client: Client,
        *,
        selector: str,
        namespaces: Iterable[str],
        home: str,
        gateway: str = DEFAULT_GATEWAY,
        restarted: Callable[[Reason], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._restarted = restarted
        self._news = asyncio.Event()
        self._seen: float | None = None
        self._scopes = [
            self._scope(kind, namespace, {"labelSelector": selector} if selector else {})
            for kind in (AGENT, gateway_agents(gateway), PEER, SERVICE)
            for namespace in sorted(set(namespaces)) or [""]
        ]
        self._home: Scope[dict[str, str]] = Scope(
            client,
            NAMESPACE,
            "",
            {"fieldSelector": f"metadata.name={home}"},
            changed=self._changed,
            restarted=restarted,
        )
        self._has_home = bool(home)
        self._home_wanted = False

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """See `Source.snapshots`."""
        tasks = [self._start(scope) for scope in self._scopes]
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                # A task ends only through a bug: raise its error, so that it cannot be mistaken for
                # a cluster without events.
                for task in tasks:
                    if task.done():
                        task.result()
                snapshot = self._snapshot()
                if self._has_home and not self._home_wanted and self._asked_for_labels():
                    self._home_wanted = True
                    tasks.append(self._start(self._home))
                yield snapshot
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def scopes(self) -> tuple[ScopeStatus, ...]:
        """See `Source.scopes`."""
        home = (self._home,) if self._home_wanted else ()
        return tuple(scope.status() for scope in (*self._scopes, *home))

    def _scope(
        self, kind: Kind[Candidate], namespace: str, params: dict[str, str]
    ) -> Scope[Candidate]:
        return Scope(
            self._client,
            kind,
            namespace,
            params,
            changed=self._changed,
            restarted=self._restarted,
        )

    def _start(self, scope: Scope[Candidate] | Scope[dict[str, str]]) -> asyncio.Task[None]:
        task = asyncio.create_task(scope.follow(), name=f"follow {scope.title}")
        task.add_done_callback(lambda _: self._news.set())
        return task

    def _asked_for_labels(self) -> bool:
        agents = (scope for scope in self._scopes if scope.kind is AGENT)
        return any(
            candidate.audience is not None and candidate.audience.selector is not None
            for scope in agents
            for candidate in scope.store.values()
        )

    def _changed(self) -> None:
        if self._seen is None:
            self._seen = time.monotonic()
        self._news.set()

    def _snapshot(self) -> Snapshot:
        scopes = self._scopes
        seen, self._seen = self._seen, None
        problems = [*chain.from_iterable(scope.store.problems() for scope in scopes)]
        problems += [scope.problem for scope in scopes if scope.problem is not None]
        if self._home_wanted and self._home.problem is not None:
            problems.append(self._home.problem)
        return Snapshot(
            candidates=tuple(chain.from_iterable(scope.store.values() for scope in scopes)),
            problems=tuple(problems),
            complete=all(scope.settled for scope in scopes) and any(s.listed for s in scopes),
            unread=tuple(scope.prefix for scope in scopes if not scope.listed),
            unclear=frozenset(chain.from_iterable(scope.store.unclear() for scope in scopes)),
            home_labels=next(self._home.store.values(), None),
            seen=time.monotonic() if seen is None else seen,
        )
