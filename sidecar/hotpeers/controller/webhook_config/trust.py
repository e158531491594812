"""Keeps the caBundle in webhook configurations correct, so that the API server trusts the webhooks.

Another writer may remove the caBundle, for example a tool that applies a manifest without one. It
is written again as soon as the watch reports that.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...base.problems import Problem
from ...base.scope import State
from ...kube.client import Client
from ...kube.errors import KubeError
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ..election import LeaderClient

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 60.0
"""After a bundle was in all configurations for so long, every API server is assumed to use it."""
_LOOK_SECONDS = 5.0
# If another writer changes a configuration again and again, correct it at this pace only.
_REST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Configuration:
    """A webhook configuration. `webhooks` has the name and caBundle of each webhook, in order."""

    name: str
    version: str
    webhooks: tuple[tuple[str, str], ...]


def read_configuration(data: Any) -> Configuration:
    """Read a configuration from its JSON object."""
    return Configuration(
        str(data["metadata"]["name"]),
        str(data["metadata"].get("resourceVersion") or ""),
        tuple(
            (str(one.get("name")), str((one.get("clientConfig") or {}).get("caBundle") or ""))
            for one in data.get("webhooks") or []
        ),
    )


def bundle_patch(configuration: Configuration, bundle: bytes) -> list[dict[str, Any]]:
    """A JSON patch that sets `bundle` where it differs; empty if it is everywhere."""
    wanted = base64.b64encode(bundle).decode()
    places = [i for i, (_, found) in enumerate(configuration.webhooks) if found != wanted]
    if not places:
        return []
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": configuration.version}
    return [
        # Fail if the configuration was changed since it was read: its webhooks may have another
        # order.
        version,
        *(
            {"op": "add", "path": f"/webhooks/{i}/clientConfig/caBundle", "value": wanted}
            for i in places
        ),
    ]


def _kind(name: str, plural: str) -> Kind[Configuration]:
    group = "admissionregistration.k8s.io"
    return Kind[Configuration](name, group, plural, (Version("v1", read_configuration),))


MUTATING = _kind("MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
VALIDATING = _kind("ValidatingWebhookConfiguration", "validatingwebhookconfigurations")


class Trust:
    """Keeps configurations while this replica leads. `bundle` returns the CA certificates to trust.

    A missing configuration is not a problem: the API server calls no webhook without it. `settle`
    is the number of seconds until every API server uses a written bundle.
    """

    def __init__(
        self,
        client: Client,
        writer: LeaderClient,
        configurations: Iterable[tuple[Kind[Configuration], str]],
        bundle: Callable[[], bytes | None],
        *,
        settle: float = SETTLE_SECONDS,
    ) -> None:
        self._writer = writer
        self._bundle = bundle
        self._settle = settle
        self._news = asyncio.Event()
        self._scopes = [
            Scope(
                client,
                kind,
                "",
                {"fieldSelector": f"metadata.name={name}"},
                changed=self._news.set,
                restarted=lambda _: None,
            )
            for kind, name in configurations
        ]
        self._failures: dict[str, Problem] = {}
        self._right: tuple[bytes, float] | None = None

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        unread = [scope.problem for scope in self._scopes if scope.problem is not None]
        return (*unread, *self._failures.values())

    def announced(self, bundle: bytes) -> bool:
        """Whether every configuration has had this bundle for long enough."""
        if self._right is None:
            return False
        found, since = self._right
        return found == bundle and time.monotonic() - since >= self._settle

    def look(self) -> None:
        """Check at once, because the bundle may have changed."""
        self._news.set()

    async def run(self) -> None:
        """Keep the configurations correct until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes:
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._keep(), name="keep the caBundle")

    async def _keep(self) -> None:
        while True:
            bundle = self._bundle()
            patched = False
            if bundle is not None:
                for scope in self._scopes:
                    for configuration in tuple(scope.store.values()):
                        patched = await self._mend(scope, configuration, bundle) or patched
                self._note(bundle)
            if patched:
                await asyncio.sleep(_REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_LOOK_SECONDS, self._settle / 4 + 0.1)):
                    await self._news.wait()
            self._news.clear()

    async def _mend(
        self, scope: Scope[Configuration], configuration: Configuration, bundle: bytes
    ) -> bool:
        patch = bundle_patch(configuration, bundle)
        where = f"{scope.kind.name}/{configuration.name}"
        if not patch:
            self._failures.pop(where, None)
            return False
        try:
            path = scope.kind.path(scope.kind.versions[0], "")
            await self._writer.patch(f"{path}/{configuration.name}", patch)
            self._failures.pop(where, None)
            logger.info("%s: caBundle written to %d webhooks", where, len(patch) - 1)
        except KubeError as error:
            # 409 and 422: the configuration was changed, and the watch will report it.
            if error.status not in (409, 422):
                message = f"its caBundle cannot be written: {error}"
                self._failures[where] = Problem(where, error.reason, message)
        return True

    def _note(self, bundle: bytes) -> None:
        """Record since when all configurations have the bundle; reset if that is not certain."""
        right = all(
            scope.listed
            and scope.status().state is State.FOLLOWING
            and not any(bundle_patch(one, bundle) for one in scope.store.values())
            for scope in self._scopes
        )
        if not right:
            self._right = None
        elif self._right is None or self._right[0] != bundle:
            self._right = (bundle, time.monotonic())
