"""Implements the tools. `tools` defines how they are shown to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..kube.client import Client
from ..kube.errors import KubeError, NotFoundError
from ..registry.client import Registry
from ..registry.fault import Fault, fault_of, fault_of_write
from ..registry.manifest import Rendered, ToolServer, Unmapped, Wish, render
from ..registry.servers import tool_servers
from ..registry.template import read_template
from ..spawnpolicy.request import AGENT_API, AGENT_KIND
from ..spawnpolicy.stamps import PREFIX, TEMPLATE
from .agents import Agents, Seen
from .catalogue import Catalogue, Listed
from .document import read_object
from .ephemeral import FIELD_MANAGER, Ended, Ephemeral
from .job import until
from .objects import Place, place_of
from .offered import OfferReader
from .reasons import McpReason
from .results import (
    AgentResult,
    ApplyResult,
    DeleteResult,
    Hit,
    ListResult,
    RenderResult,
    RunResult,
    SearchResult,
    SpecResult,
    UnmappedField,
    WaitResult,
)
from .rights import Rights
from .waiting import wait_for

_MAX_TAGS = 20
_ADVICE = {
    "completed": "",
    "input-required": "It asked something back, and is gone: call again with the answer in `message`.",
    "auth-required": "It needs somebody to sign in, and is gone: tell the user.",
}


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one orchestrator. Every method raises `Fault` for expected failures."""

    registry: Registry
    catalogue: Catalogue
    client: Client
    agents: Agents
    ephemeral: Ephemeral
    namespace: str
    rights: Rights
    offers: OfferReader | None = None

    async def search(self, query: str, limit: int) -> SearchResult:
        """Find agents of the registry."""
        found = await self.catalogue.search(query, limit)
        advice = "" if found.hits else "Nothing fits: try other words, or fewer."
        return SearchResult(
            hits=[_hit(listed, score) for listed, score in found.hits],
            total=found.total,
            left_out=found.refused,
            age_seconds=round(found.age, 1),
            stale=found.stale,
            advice=advice,
        )

    async def spec(self, name: str, tag: str) -> SpecResult:
        """Show an agent of the registry with its references."""
        template = await read_template(self.registry, name, tag)
        agent = template.agent
        return SpecResult(
            name=agent.metadata.name,
            tag=agent.metadata.tag or "latest",
            spec=agent.spec.model_dump(exclude_defaults=True),
            instructions=template.prompt.spec.content if template.prompt else "",
            mcp_servers=[
                {
                    "name": ref.name,
                    "tag": ref.tag,
                    "found": server is not None,
                    "description": server.spec.description if server else "",
                    "url": server.spec.remote.url if server and server.spec.remote else "",
                }
                for ref, server in template.servers
            ],
        )

    async def render(self, name: str, tag: str, wish: Wish) -> RenderResult:
        """Make the manifest of an agent of the registry, without creating it."""
        agent, rendered, unmapped = await self._render(name, tag, wish)
        return RenderResult(
            manifest=rendered.yaml,
            unmapped=unmapped,
            template=agent,
            template_digest=rendered.digest,
            advice="Nothing exists yet: look at `unmapped`, then call k8s_apply_manifest. Only if the "
            f"cluster refuses the annotation {TEMPLATE}, leave that out.",
        )

    async def run(self, name: str, tag: str, wish: Wish, message: str, seconds: float) -> RunResult:
        """Run an agent of the registry for one question."""
        agent, rendered, unmapped = await self._render(name, tag, wish)
        async with self.rights.explained():
            ended = await self.ephemeral.run(rendered.manifest, message, seconds)
        return _ran(ended, agent, unmapped)

    async def run_manifest(
        self, text: str, namespace: str, beginning: str, message: str, seconds: float
    ) -> RunResult:
        """Run the agent of a manifest for one question."""
        manifest = read_object(text)
        if (manifest["apiVersion"], manifest["kind"]) != (AGENT_API, AGENT_KIND):
            wrong = (
                f"{manifest['kind']} of {manifest['apiVersion']} is no {AGENT_KIND} of {AGENT_API}"
            )
            raise Fault(McpReason.MANIFEST_REFUSED, wrong, "Only agents can be run.")
        metadata = manifest["metadata"]
        metadata["namespace"] = metadata.get("namespace") or namespace
        metadata["name"] = beginning or metadata["name"]
        # This also checks the name and the namespace, which become parts of a URL.
        await place_of(self.client, manifest, metadata["namespace"])
        async with self.rights.explained():
            return _ran(await self.ephemeral.run(manifest, message, seconds), "", [])

    async def _render(
        self, name: str, tag: str, wish: Wish
    ) -> tuple[str, Rendered, list[UnmappedField]]:
        template = await read_template(self.registry, name, tag)
        cluster: list[ToolServer] = []
        blind: tuple[Unmapped, ...] = ()
        if template.servers:
            try:
                cluster = await tool_servers(self.client, wish.namespace)
            except Fault as fault:
                blind = (Unmapped("mcpServers", fault.message),)
        rendered = render(template, wish, cluster)
        missing = (*blind, *rendered.unmapped)
        told = [UnmappedField(field=one.field, why=one.why) for one in missing]
        return str(template.agent), rendered, told

    async def apply(self, text: str, *, dry_run: bool) -> ApplyResult:
        """Apply one object, after a dry run, so that a denied request changes nothing."""
        manifest = read_object(text)
        place = await place_of(self.client, manifest, self.namespace)
        if place.namespace:
            manifest["metadata"]["namespace"] = place.namespace
        async with self.rights.explained():
            existed = await self._exists(place)
            tried = await self._apply(place, manifest, dry_run=True)
            done = tried if dry_run else await self._apply(place, manifest, dry_run=False)
        metadata = done.get("metadata") or {}
        advice = "" if dry_run else "Wait with wait_for_agent until it can be used."
        return ApplyResult(
            object=str(place),
            applied=not dry_run,
            created=not existed,
            uid="" if dry_run and not existed else str(metadata.get("uid") or ""),
            stamps=_stamps(metadata.get("annotations") or {}),
            advice=advice if place.kind == "Agent" else "",
        )

    async def wait(self, namespace: str, name: str, seconds: float) -> WaitResult:
        """Wait until an agent is ready and offered, at most `seconds`."""
        async with self.rights.explained():
            return await wait_for(self.agents, self.offers, namespace, name, seconds)

    async def spawned(self, namespace: str) -> ListResult:
        """List the agents that this orchestrator spawned."""
        async with self.rights.explained():
            found, more = await self.agents.spawned(namespace)
        return ListResult(agents=[_agent(one) for one in found], more=more)

    async def delete(self, namespace: str, name: str) -> DeleteResult:
        """Delete an agent that this orchestrator spawned."""
        async with self.rights.explained():
            seen = await self.agents.delete(namespace, name)
        advice = "It ends in the background, and its tool goes."
        return DeleteResult(name=seen.name, namespace=seen.namespace, deleted=True, advice=advice)

    async def _exists(self, place: Place) -> bool:
        try:
            await self.client.get(place.path)
        except NotFoundError:
            return False
        except KubeError as error:
            raise fault_of(error, str(place)) from error
        return True

    async def _apply(
        self, place: Place, manifest: Mapping[str, Any], *, dry_run: bool
    ) -> dict[str, Any]:
        try:
            done = await self.client.apply(
                place.path, manifest, manager=FIELD_MANAGER, dry_run=dry_run
            )
        except KubeError as error:
            what = f"apply {place}"
            raise (fault_of if dry_run else fault_of_write)(error, what) from error
        return done if isinstance(done, dict) else {}


def _hit(listed: Listed, score: float) -> Hit:
    agent = listed.agent
    spec = agent.spec
    made_of = ["instructions"] if spec.instructions else []
    made_of += ["image"] if spec.source and spec.source.image else []
    return Hit(
        name=agent.metadata.name,
        tag=agent.metadata.tag or "latest",
        tags=list(listed.tags[:_MAX_TAGS]),
        namespace=agent.metadata.namespace,
        title=spec.title,
        description=spec.description,
        kind=" and ".join(made_of) or "neither",
        mcp_servers=[str(ref) for ref in spec.mcpServers],
        skills=[str(ref) for ref in spec.skills],
        score=round(score, 3),
    )


def _agent(seen: Seen) -> AgentResult:
    message = "it is being deleted" if seen.ending else seen.message
    return AgentResult(
        name=seen.name,
        namespace=seen.namespace,
        ready=seen.ready and not seen.ending,
        message=message,
        stamps=seen.stamps,
    )


def _ran(ended: Ended, template: str, unmapped: list[UnmappedField]) -> RunResult:
    answer = ended.answer
    advice = _ADVICE.get(answer.state, "It ended without doing its work; `answer` may say why.")
    if ended.left:
        advice = f"{ended.left}; {until(ended.expires)}. {advice}".rstrip()
    return RunResult(
        state=answer.state,
        answer=answer.text,
        cut=answer.cut,
        name=ended.name,
        namespace=ended.namespace,
        template=template,
        unmapped=unmapped,
        seconds=round(ended.seconds, 1),
        deleted=not ended.left,
        expires_at=ended.expires,
        advice=advice,
    )


def _stamps(annotations: Mapping[str, Any]) -> dict[str, str]:
    return {
        key.removeprefix(PREFIX): str(value)
        for key, value in sorted(annotations.items())
        if key.startswith(PREFIX)
    }
