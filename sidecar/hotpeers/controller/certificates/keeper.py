"""Keeps the controller's own certificates in one Secret that every replica watches.

The first replica creates them, and the leader renews them. Each write is a compare-and-swap on the
resourceVersion of the Secret, so that two replicas never overwrite each other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ...base.errors import CertificateError
from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import ConflictError, ForbiddenError, KubeError
from ...kube.informer.scope import Scope
from ..election import LeaderClient
from ..reasons import ControllerReason
from .authority import Keyring, Lifetimes, Pair, new_keyring, renewed
from .secret import SECRET, Stored, new_secret, secret_patch

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0


class Certificates:
    """The certificates for some DNS names, in the Secret `name`.

    `use` is called with each new certificate to serve. `look` is the number of seconds between two
    checks for due renewals.
    """

    def __init__(  # noqa: PLR0913 - the last two are for tests
        self,
        client: Client,
        namespace: str,
        name: str,
        *,
        names: Iterable[str],
        use: Callable[[Pair], None],
        lifetimes: Lifetimes | None = None,
        look: float = _LOOK_SECONDS,
    ) -> None:
        self._client = client
        self._list = f"/api/v1/namespaces/{namespace}/secrets"
        self._namespace, self._name = namespace, name
        self._names = tuple(names)
        self._use = use
        self._lifetimes = lifetimes or Lifetimes()
        self._look = look
        self._news = asyncio.Event()
        self._leaders_news = asyncio.Event()
        self._scope: Scope[Stored] = Scope(
            client,
            SECRET,
            namespace,
            {"fieldSelector": f"metadata.name={name}"},
            changed=self._changed,
            restarted=lambda _: None,
        )
        self._failure: Problem | None = None
        self.keyring: Keyring | None = None

    @property
    def expires(self) -> datetime | None:
        """When the served certificate expires; None if there is none."""
        return self.keyring.serving.expires if self.keyring else None

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        own = (self._scope.problem, self._failure)
        return (*(one for one in own if one is not None), *self._scope.store.problems())

    async def run(self) -> None:
        """Watch the Secret until cancelled, and create it if it is missing."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scope.follow(), name=f"follow Secret {self._name}")
            group.create_task(self._follow(), name="use certificates")

    async def lead(self, writer: LeaderClient, announced: Callable[[bytes], bool]) -> None:
        """Renew due certificates until cancelled.

        `announced` returns whether all API servers trust a bundle.
        """
        while True:
            stored = next(self._scope.store.values(), None)
            if stored is not None and stored.keyring is not None and not self._unclear():
                before = stored.keyring
                ready = announced(before.bundle)
                now = datetime.now(UTC)
                after = renewed(before, self._names, self._lifetimes, now, announced=ready)
                if after != before:
                    await self._renew(writer, stored, after)
            await _news(self._leaders_news, self._look)

    async def _follow(self) -> None:
        while True:
            stored = next(self._scope.store.values(), None)
            if stored is not None and stored.keyring is not None:
                self._serve(stored.keyring)
            elif self._scope.listed and not self._unclear():
                await self._make(stored)
            await _news(self._news, self._look)

    def _serve(self, keyring: Keyring) -> None:
        if self.keyring is None or self.keyring.serving != keyring.serving:
            try:
                self._use(keyring.serving)
            except CertificateError as error:
                where = f"Secret/{self._namespace}/{self._name}"
                self._failure = Problem(where, ControllerReason.CERTIFICATE_INVALID, str(error))
                return
            logger.info("serving a certificate until %s", keyring.serving.expires)
        self.keyring = keyring
        self._failure = None

    async def _make(self, stored: Stored | None) -> None:
        """Write a missing or empty Secret: the keyring that is served, or else a new one."""
        keyring = self.keyring
        if keyring is None:
            keyring = new_keyring(self._names, self._lifetimes, datetime.now(UTC))
        try:
            if stored is None:
                body = new_secret(self._namespace, self._name, keyring)
                await self._client.post(self._list, body)
            else:
                body = secret_patch(stored.version, keyring)
                await self._client.patch(f"{self._list}/{self._name}", body)
            self._failure = None
            logger.info("the Secret %s/%s was filled", self._namespace, self._name)
        except ConflictError:
            pass  # another replica was quicker, and the watch will report its keyring
        except KubeError as error:
            what = "it is not there, and making it" if stored is None else "filling it"
            self._fail(error, what)

    async def _renew(self, writer: LeaderClient, stored: Stored, keyring: Keyring) -> None:
        try:
            body = secret_patch(stored.version, keyring)
            await writer.patch(f"{self._list}/{self._name}", body)
            self._failure = None
        except ConflictError:
            return
        except KubeError as error:
            self._fail(error, "renewing it")
            return
        before = stored.keyring
        if before is not None and keyring.signer != before.signer:
            logger.info("certificates are signed by a new authority")
        elif keyring.successor is not None and before is not None and before.successor is None:
            logger.info("a new authority is announced, and will sign once it is trusted")

    def _fail(self, error: KubeError, what: str) -> None:
        failed = "is forbidden" if isinstance(error, ForbiddenError) else "failed"
        message = f"{what} {failed}: {error}"
        where = f"Secret/{self._namespace}/{self._name}"
        self._failure = Problem(where, error.reason, message)

    def _unclear(self) -> bool:
        """Whether the Secret exists with invalid content. Such a Secret is not changed."""
        return any(True for _ in self._scope.store.problems())

    def _changed(self) -> None:
        self._news.set()
        self._leaders_news.set()


async def _news(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()
