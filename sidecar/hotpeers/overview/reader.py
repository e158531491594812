"""Reads Orchestrators from a cluster: once, or as they change. Errors say what to do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from ..base.errors import ClusterError, ConnectionConfigError
from ..base.names import LABEL, NAME
from ..base.reasons import Word
from ..base.scope import State
from ..kube.client import Client
from ..kube.connection import Access, connect
from ..kube.errors import ForbiddenError, KubeError
from ..kube.informer.kind import Kind, Version
from ..kube.informer.scope import Scope
from ..kube.listwatch import list_pages
from ..kube.reasons import KubeReason
from .summary import Orchestrator, read_orchestrator

_KIND = Kind(
    "Orchestrator", "hotpeers.dev", "orchestrators", (Version("v1alpha1", read_orchestrator),)
)
_RESOURCE = "orchestrators.hotpeers.dev"
_PAGE = 500
"""Objects in a request: the same as kubectl's. If that is too large an answer, fewer are asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which Orchestrators to read. The namespace "" is that of the context, the name "" means all."""

    namespace: str = ""
    name: str = ""
    everywhere: bool = False
    access: Access = field(default_factory=Access)

    @classmethod
    def parse(cls, name: str, namespace: str, *, everywhere: bool, access: Access) -> Wanted:
        """The arguments of a command; `name` may be `NAMESPACE/NAME`. Raises `ClusterError`."""
        place, slash, title = name.rpartition("/")
        if slash and (namespace or everywhere):
            raise ClusterError(f"{name!r} already has a namespace: leave out -n and -A")
        if namespace and everywhere:
            raise ClusterError("-n and -A exclude each other: leave out one of them")
        if slash or namespace:
            _check(LABEL, place if slash else namespace, "a namespace")
        if name:
            _check(NAME, title, "an Orchestrator")
        return cls(place if slash else namespace, title, everywhere, access)


class Reader:
    """Reads the wanted Orchestrators of one cluster. `namespace` is "" for all namespaces."""

    def __init__(self, client: Client, wanted: Wanted) -> None:
        self._client = client
        self.namespace = "" if wanted.everywhere else wanted.namespace or client.namespace
        self.name = wanted.name
        self._params = {"fieldSelector": f"metadata.name={wanted.name}"} if wanted.name else {}

    @property
    def place(self) -> str:
        """Where it reads, as text for people."""
        return f"namespace {self.namespace}" if self.namespace else "all namespaces"

    async def read(self) -> list[Orchestrator]:
        """The Orchestrators. Raises `ClusterError`, also if the one of a name does not exist."""
        path = _KIND.path(_KIND.versions[0], self.namespace)
        try:
            found = [
                read_orchestrator(one)
                async for page in list_pages(self._client, path, self._params, _PAGE)
                for one in page.items
            ]
        except KubeError as error:
            raise self._explained(await self._cause(error), str(error)) from error
        return self._checked(found)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[Following]:
        """Follow the Orchestrators until the end of the block.

        Raises `ClusterError` if they cannot be read at first. Later failures are retried.
        """
        changed = asyncio.Event()
        scope = Scope(
            self._client,
            _KIND,
            self.namespace,
            self._params,
            changed=changed.set,
            restarted=lambda _: None,
        )
        task = asyncio.create_task(scope.follow(), name="follow orchestrators")
        try:
            while not scope.settled:
                await _either(changed, task)
            if scope.problem is not None:
                raise self._explained(scope.problem.reason, scope.problem.message)
            if scope.status().state is State.NOT_INSTALLED:
                raise self._explained(KubeReason.NOT_SERVED, "")
            self._checked(list(scope.store.values()))
            yield Following(scope, changed, task)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _checked(self, found: list[Orchestrator]) -> list[Orchestrator]:
        if self.name and not found:
            raise ClusterError(
                f"there is no Orchestrator {self.name!r} in {self.place}; "
                "hotpeers status -A shows all of them"
            )
        return found

    async def _cause(self, error: KubeError) -> Word:
        # The API server checks rights before it finds out that it does not serve the kind.
        if isinstance(error, ForbiddenError):
            with suppress(KubeError):
                if await _KIND.served(self._client) is None:
                    return KubeReason.NOT_SERVED
        return error.reason

    def _explained(self, reason: Word, message: str) -> ClusterError:
        """An error that says what to do."""
        what = f"{_RESOURCE} in {self.place}"
        match reason:
            case KubeReason.NOT_SERVED:
                return ClusterError(
                    f"this cluster has no {_RESOURCE}: install hotpeers (docs/install.md), "
                    "or apply k8s/crds of this release; hotpeers check finds what else is missing"
                )
            case KubeReason.FORBIDDEN:
                narrower = "" if self.namespace else ", or choose a namespace with -n"
                return ClusterError(
                    f"you may not read {what}: {message}; "
                    f"ask for the right to list and watch {_RESOURCE}{narrower}"
                )
            case KubeReason.UNAUTHORIZED:
                return ClusterError(
                    f"the API server rejects the credentials: {message}; log in again, "
                    "or see --context and --kubeconfig"
                )
            case KubeReason.API_UNREACHABLE | KubeReason.WATCH_SILENT:
                return ClusterError(
                    f"the API server does not answer: {message}; see --context and --kubeconfig"
                )
            case KubeReason.API_BUSY:
                return ClusterError(f"the API server is busy: {message}; try again in a minute")
            case _:
                return ClusterError(f"{what} cannot be read: {message}")


class Following:
    """Orchestrators that are followed."""

    def __init__(
        self, scope: Scope[Orchestrator], changed: asyncio.Event, task: asyncio.Task[None]
    ) -> None:
        self._scope = scope
        self._changed = changed
        self._task = task

    @property
    def orchestrators(self) -> list[Orchestrator]:
        """All of them, as last seen."""
        return list(self._scope.store.values())

    @property
    def interruption(self) -> str:
        """Why they cannot be followed now; "" while they can."""
        return self._scope.problem.message if self._scope.problem is not None else ""

    async def wait(self, seconds: float) -> bool:
        """Wait for a change, at most for these seconds. Returns whether there was one."""
        try:
            async with asyncio.timeout(seconds):
                await _either(self._changed, self._task)
        except TimeoutError:
            return False
        self._changed.clear()
        return True


@asynccontextmanager
async def reader_of(wanted: Wanted) -> AsyncIterator[Reader]:
    """A reader that is connected. Raises `ConnectionConfigError`."""
    async with AsyncExitStack() as stack:
        try:
            connection = await connect(wanted.access)
            client = await stack.enter_async_context(Client(wanted.access, connection))
        except (KubeError, OSError) as error:
            raise ConnectionConfigError(f"the kubeconfig cannot be used: {error}") from error
        yield Reader(client, wanted)


async def _either(changed: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Wait for the event. If the task ends first, which is a bug, its error is raised."""
    waiting = asyncio.create_task(changed.wait(), name="wait for a change")
    try:
        done, _ = await asyncio.wait((waiting, task), return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()
    finally:
        waiting.cancel()


def _check(form: re.Pattern[str], name: str, what: str) -> None:
    if not form.fullmatch(name):
        raise ClusterError(f"{name[:80]!r} is not the name of {what}")
