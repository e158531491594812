"""The agents that this orchestrator spawned, identified by the stamp that admission added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hotpeers_shim.contract import clean_text

from ..base.parts import part
from ..kube.client import Client
from ..kube.errors import GoneError, KubeError, NotFoundError
from ..kube.listwatch import list_pages
from ..registry.fault import Fault, fault_of, fault_of_write
from ..registry.reasons import RegistryReason
from ..spawnpolicy.stamps import PREFIX, SPAWNED
from .reasons import McpReason

_MAX_LISTED = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of an Agent object in the API server."""

    name: str
    namespace: str
    uid: str
    ready: bool
    accepted: bool
    refused: bool
    """Whether kagent reports that it does not accept the current spec."""
    ending: bool
    message: str
    stamps: dict[str, str]

    @property
    def why(self) -> str:
        """kagent's message about the agent, or a default text if it has none."""
        return self.message or "kagent does not say why"

    @property
    def spawned_by(self) -> str:
        """The namespace/name of its orchestrator, or "" if it was not spawned by an agent."""
        return self.stamps.get("spawned-by", "")


class Agents:
    """The kagent Agents of a cluster, for one orchestrator."""

    def __init__(self, client: Client, orchestrator: str) -> None:
        self._client = client
        self._orchestrator = orchestrator

    async def read(self, namespace: str, name: str) -> Seen | None:
        """One Agent, or None if it does not exist. Raises `Fault`."""
        try:
            return _seen(await self._client.get(path_of(namespace, name)))
        except NotFoundError:
            return None
        except KubeError as error:
            raise fault_of(error, f"Agent {namespace}/{name}") from error

    async def names(self, namespace: str) -> list[str]:
        """The names of the Agents in a namespace; only the first ones of many. Raises `Fault`."""
        found: list[str] = []
        try:
            async for page in list_pages(self._client, path_of(namespace), {}):
                found += [_seen(one).name for one in page.items]
                if len(found) > _MAX_LISTED:
                    break
        except GoneError:
            pass  # use the names listed so far
        except KubeError as error:
            raise fault_of(error, f"the Agents of {namespace}") from error
        return sorted(found)

    async def spawned(self, namespace: str) -> tuple[list[Seen], bool]:
        """The Agents with this orchestrator's stamp, and whether the list is incomplete."""
        orchestrator = self._known()
        found: list[Seen] = []
        try:
            params = {"labelSelector": f"{SPAWNED}=true"}
            async for page in list_pages(self._client, path_of(namespace), params):
                seen = (_seen(one) for one in page.items)
                found += [one for one in seen if one.spawned_by == orchestrator]
                if len(found) > _MAX_LISTED:
                    break
        except GoneError:
            pass  # use the agents listed so far, and report that the list is incomplete
        except KubeError as error:
            raise fault_of(error, f"the Agents of {namespace}") from error
        else:
            return found[:_MAX_LISTED], len(found) > _MAX_LISTED
        return found, True

    async def delete(self, namespace: str, name: str) -> Seen:
        """Delete an Agent that this orchestrator spawned. Raises `Fault`, also for other Agents."""
        orchestrator = self._known()
        seen = await self.read(namespace, name)
        if seen is None:
            message = f"there is no Agent {namespace}/{name}"
            raise Fault(RegistryReason.OBJECT_NOT_FOUND, message, "It may be gone already.")
        if seen.spawned_by != orchestrator:
            raise Fault(
                McpReason.NOT_SPAWNED_HERE,
                f"Agent {namespace}/{name} was spawned by {seen.spawned_by or 'nobody'}",
                "Delete only agents that list_spawned_agents lists.",
            )
        try:
            await self._client.delete(path_of(namespace, name), seen.uid)
        except KubeError as error:
            raise fault_of_write(error, f"delete Agent {namespace}/{name}") from error
        return seen

    def _known(self) -> str:
        if not self._orchestrator:
            raise Fault(
                McpReason.ORCHESTRATOR_UNKNOWN,
                "hotpeers mcp was started without --orchestrator (HOTPEERS_ORCHESTRATOR)",
                "Do not try again: an operator has to set it.",
            )
        return self._orchestrator


def path_of(namespace: str, name: str = "") -> str:
    """The path of one Agent, or of all Agents in a namespace if `name` is ""."""
    path = f"/apis/kagent.dev/v1alpha2/namespaces/{quote(namespace, safe='')}/agents"
    return f"{path}/{quote(name, safe='')}" if name else path


def _seen(data: Any) -> Seen:
    metadata = part(data, "metadata")
    annotations = part(metadata, "annotations")
    conditions = {}
    for one in part(data, "status").get("conditions") or []:
        conditions[str(part(one).get("type"))] = part(one)
    ready, accepted = conditions.get("Ready", {}), conditions.get("Accepted", {})
    telling = accepted if accepted.get("status") == "False" else ready
    return Seen(
        name=str(metadata.get("name")),
        namespace=str(metadata.get("namespace")),
        uid=str(metadata.get("uid")),
        ready=ready.get("status") == "True",
        accepted=accepted.get("status") == "True",
        refused=accepted.get("status") == "False" and _is_of_now(accepted, metadata),
        ending=bool(metadata.get("deletionTimestamp")),
        message=clean_text(str(telling.get("message") or telling.get("reason") or ""), 500),
        stamps={
            key.removeprefix(PREFIX): clean_text(str(value), 253)
            for key, value in sorted(annotations.items())
            if key.startswith(PREFIX)
        },
    )


def _is_of_now(condition: dict[str, Any], metadata: dict[str, Any]) -> bool:
    """Whether a condition is about the current spec, according to its observedGeneration."""
    looked_at, now = condition.get("observedGeneration"), metadata.get("generation")
    return not isinstance(looked_at, int) or not isinstance(now, int) or looked_at >= now
