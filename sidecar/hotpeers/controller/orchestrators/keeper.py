"""Keeps the hub's key, and the objects and conditions of each Orchestrator. Only the leader does this."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import part, text
from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import ConflictError, KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...model.orchestrator import API_VERSION, Orchestrator, read_orchestrator
from ..election import LeaderClient
from ..reasons import ControllerReason
from ..reconciler import REST_SECONDS, Reconciler
from .key import SECRET, StoredKey, new_key_patch
from .objects import (
    READY,
    TOOL_SERVER,
    TOOL_SERVER_VERSIONS,
    HubAddress,
    Outcome,
    is_ours,
    shared_secrets,
    status_change,
    token_secret,
    tool_server,
)

logger = logging.getLogger(__name__)

_MANAGER = "hotpeers-controller"
_ORCHESTRATOR = Kind[Orchestrator](
    "Orchestrator", "hotpeers.dev", "orchestrators", (Version("v1alpha1", read_orchestrator),)
)
AGAIN_SECONDS = 60.0
"""After this time, the objects of an Orchestrator are applied again: somebody may have changed them."""
_LOOK_SECONDS = 2.0
# Another manager owns an entry, or the Secret has another type, which cannot be changed.
_FOREIGN = (409, 422)


class Orchestrators:
    """Works while this replica leads. `key_secret` names the Secret with the hub's key."""

    def __init__(
        self, client: Client, writer: LeaderClient, key_secret: NamespacedName, address: HubAddress
    ) -> None:
        self._writer = writer
        self._key_secret = key_secret
        self._address = address
        self._reconciler: Reconciler[str] = Reconciler(
            "keep orchestrators", self._pass, resync=_LOOK_SECONDS
        )
        self._orchestrators = self._reconciler.watch(client, _ORCHESTRATOR)
        only_key = {"fieldSelector": f"metadata.name={key_secret.name}"}
        self._keys = self._reconciler.watch(client, SECRET, key_secret.namespace, only_key)
        self._done: dict[str, object] = {}
        self._key_failure: Problem | None = None

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        key = [self._key_failure] if self._key_failure is not None else []
        unread = (*self._orchestrators.store.problems(), *self._keys.store.problems())
        return (*key, *unread, *self._reconciler.problems())

    async def run(self) -> None:
        """Work until cancelled."""
        await self._reconciler.run()

    async def _pass(self) -> None:
        key = await self._key()
        every = [one for one in self._orchestrators.store.values() if one.uses_hub]
        uids = {one.uid for one in every}
        self._done = {uid: done for uid, done in self._done.items() if uid in uids}
        self._reconciler.keep(uids)
        if key is None:
            return
        shared = shared_secrets(every)
        work = []
        for one in every:
            state = (one, key, shared.get(one.key))
            if self._done.get(one.uid) != state or not self._reconciler.rests(one.uid):
                work.append(partial(self._one, one, key, shared.get(one.key, ""), state))
        await self._reconciler.each(work)

    async def _one(self, one: Orchestrator, key: bytes, shared_with: str, state: object) -> None:
        good = await self._bring(one, key, shared_with)
        self._done[one.uid] = state
        self._reconciler.rest(one.uid, AGAIN_SECONDS if good else REST_SECONDS)

    async def _key(self) -> bytes | None:
        stored: StoredKey | None = next(self._keys.store.values(), None)
        if stored is None:
            self._key_failure = Problem(
                f"Secret/{self._key_secret}",
                ControllerReason.HUB_KEY_BAD,
                "does not exist or is not readable; the hub needs it, also if it is empty",
            )
            return None
        self._key_failure = None
        if stored.key is not None:
            return stored.key
        namespace, name = self._key_secret
        try:
            path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
            await self._writer.patch(path, new_key_patch(stored))
            logger.info("made the hub's key in Secret %s", self._key_secret)
        except KubeError as error:
            self._key_failure = Problem(f"Secret/{self._key_secret}", error.reason, str(error))
        return None  # the watch will report it

    async def _bring(self, one: Orchestrator, key: bytes, shared_with: str) -> bool:
        """Bring the objects and the status of an Orchestrator up to date. Returns whether all is well."""
        ready = await self._bring_secret(one, key, shared_with)
        server = await self._bring_tool_servers(one)
        good = ready.ok and server.reason != ControllerReason.TOOL_SERVER_TAKEN.value
        if good:
            self._reconciler.succeed(one.uid)
        else:
            bad = server if ready.ok else ready
            where = f"Orchestrator/{one.key}"
            reason = next(
                (word for word in ControllerReason if word.value == bad.reason),
                ControllerReason.ORCHESTRATOR_FAILED,
            )
            self._reconciler.fail(one.uid, Problem(where, reason, bad.message))
        return await self._write_status(one, {READY: ready, TOOL_SERVER: server}) and good

    async def _bring_secret(self, one: Orchestrator, key: bytes, shared_with: str) -> Outcome:
        taken = ControllerReason.TOKEN_SECRET_TAKEN
        if shared_with:
            message = f"Secret {one.token_secret} has the token of Orchestrator {shared_with}"
            return Outcome(ok=False, reason=taken.value, message=message)
        namespace, name = one.key.namespace, one.token_secret
        try:
            await self._writer.apply(
                f"/api/v1/namespaces/{namespace}/secrets/{name}",
                token_secret(one, key, self._address),
                manager=_MANAGER,
            )
        except KubeError as error:
            if error.status in _FOREIGN:
                message = f"Secret {name} exists, and hotpeers did not make it: {error}"
                return Outcome(ok=False, reason=taken.value, message=message)
            message = f"Secret {name} cannot be written: {error}"
            return Outcome(ok=False, reason=error.reason.value, message=message)
        return Outcome(ok=True, reason="TokenWritten", message=f"its token is in Secret {name}")

    async def _bring_tool_servers(self, one: Orchestrator) -> Outcome:
        made, outcome = [], None
        for version in TOOL_SERVER_VERSIONS:
            namespace, name = one.key.namespace, one.tool_server
            path = f"/apis/{version}/namespaces/{namespace}/remotemcpservers/{name}"
            try:
                found = await self._found(path)
                if not one.has_tool_server:
                    if found is not None and is_ours(found, one):
                        await self._writer.delete(path, text(found, "metadata", "uid"))
                    continue
                if found is not None and not is_ours(found, one):
                    message = (
                        f"RemoteMCPServer {name} ({version}) exists, and hotpeers did not make it"
                    )
                    taken = ControllerReason.TOOL_SERVER_TAKEN
                    outcome = Outcome(ok=False, reason=taken.value, message=message)
                    continue
                server = tool_server(one, version, self._address)
                await self._writer.apply(path, server, manager=_MANAGER)
                made.append(version)
            except NotFoundError:
                continue  # this version of kagent is not installed
            except KubeError as error:
                message = f"RemoteMCPServer {name} ({version}) cannot be written: {error}"
                outcome = Outcome(ok=False, reason=error.reason.value, message=message)
        if outcome is not None:
            return outcome
        if not one.has_tool_server:
            return Outcome(ok=False, reason="NotAsked", message="spec.remoteMCPServer is false")
        if not made:
            return Outcome(ok=False, reason="NotServed", message="kagent is not installed")
        message = f"RemoteMCPServer {one.tool_server} ({', '.join(made)})"
        return Outcome(ok=True, reason="Created", message=message)

    async def _found(self, path: str) -> Any:
        try:
            return await self._writer.get(path)
        except NotFoundError:
            return None

    async def _write_status(self, one: Orchestrator, outcomes: dict[str, Outcome]) -> bool:
        key = one.key
        path = f"/apis/{API_VERSION}/namespaces/{key.namespace}/orchestrators/{key.name}/status"
        try:
            found = await self._writer.get(path)
            if text(found, "metadata", "uid") != one.uid:
                return True
            change = status_change(one, part(found, "status"), outcomes, datetime.now(UTC))
            if change:
                version = text(found, "metadata", "resourceVersion")
                body = {"metadata": {"resourceVersion": version}, "status": change}
                await self._writer.patch(path, body)
        except NotFoundError:
            return True  # it was deleted, and the watch will report it
        except ConflictError:
            return False  # the hub wrote at the same time: try again soon
        except KubeError as error:
            message = f"its status cannot be written: {error}"
            self._reconciler.fail(one.uid, Problem(f"Orchestrator/{key}", error.reason, message))
            return False
        return True
