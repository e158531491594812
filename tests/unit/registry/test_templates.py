"""A manifest that `hotpeers mcp` renders, judged by the guard with the registry's own entry."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from hotpeers.base.reasons import Reason
from hotpeers.registry.client import Registry
from hotpeers.registry.fault import Fault
from hotpeers.registry.manifest import Rendered, ToolServer, Wish, render
from hotpeers.registry.reasons import RegistryReason
from hotpeers.registry.template import read_template
from hotpeers.registry.templates import RegistryTemplates
from hotpeers.spawnpolicy.decision import Decision
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts
from hotpeers.spawnpolicy.schema.policy import SpawnPolicy
from kit.registries import FakeRegistry
from kit.spawning import NOW, create, edited, policy

SERVERS = [ToolServer("web", "http://dict:80/mcp", ("fetch", "search", "upload"))]
KEY = "registry:acme.translator@latest"
DIGEST = "hotpeers.dev/template-digest"
ONLY = policy(
    names=["worker-*", "acme-*"],
    templates={"registry": ["acme.translator@latest", "acme.image@1.0"]},
    mcpServers=[{"name": "web", "tools": ["fetch", "search"], "requireApproval": ["search"]}],
)
DECLARATIVE = "spec.declarative"
NAMES = f"{DECLARATIVE}.tools[0].mcpServer.toolNames"
APPROVED = f"{DECLARATIVE}.tools[0].mcpServer.requireApproval"


@pytest.fixture
async def client(registry: FakeRegistry) -> AsyncIterator[Registry]:
    image = "registry.example.com/team/worker@sha256:" + "ab" * 32
    registry.put("agents", "acme.image", "1.0", source={"image": image})
    async with Registry(registry.url) as made:
        yield made


async def servers(_: str) -> list[ToolServer]:
    return SERVERS


async def rendered(client: Registry, name: str = "acme.translator", **wish: Any) -> Rendered:
    template = await read_template(client, name, "1.0" if name == "acme.image" else "")
    made = {"model_config": "small", "tools": {"dictionary": ["fetch"]}, **wish}
    return render(template, Wish("team", **made), SERVERS)


async def judged(client: Registry, manifest: Any, under: SpawnPolicy = ONLY) -> Decision:
    key = manifest["metadata"]["annotations"]["hotpeers.dev/template"]
    spec = await RegistryTemplates(client, servers).spec_of(key, manifest)
    templates = {} if spec is None else {key: spec}
    return create(manifest, under, facts=Facts(now=NOW, templates=templates))


@pytest.mark.parametrize("name", ["acme.translator", "acme.image"])
async def test_rendered_manifest_is_admitted_with_its_reported_digest(
    client: Registry, name: str
) -> None:
    made = await rendered(client, name)
    decision = await judged(client, made.manifest)
    assert decision.allowed, decision.message
    assert decision.object["metadata"]["annotations"][DIGEST] == made.digest


@pytest.mark.parametrize(
    "changes",
    [
        ((f"{DECLARATIVE}.modelConfig", "large"),),
        ((NAMES, ["search", "fetch"]), (APPROVED, ["search"])),
        (("metadata.name", "worker-mine"),),
        (("metadata.namespace", "sandbox"),),
        ((f"{DECLARATIVE}.tools", []),),
    ],
    ids=["model", "tools", "name", "namespace", "no tools"],
)
async def test_policy_judges_the_fields_that_a_caller_may_choose(
    client: Registry, changes: tuple[tuple[str, Any], ...]
) -> None:
    manifest = edited((await rendered(client)).manifest, *changes)
    if not manifest["spec"]["declarative"]["tools"]:
        del manifest["spec"]["declarative"]["tools"]
    decision = await judged(client, manifest)
    assert decision.allowed, decision.message


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (
            f"{DECLARATIVE}.systemMessage",
            "You translate.\nBe exact!\n",
            PolicyReason.TEMPLATE_CHANGED,
        ),
        (
            "spec.description",
            "Translates documents between language",
            PolicyReason.TEMPLATE_CHANGED,
        ),
        (f"{DECLARATIVE}.tools[0].mcpServer.name", "files", PolicyReason.TEMPLATE_CHANGED),
        (f"{DECLARATIVE}.tools[0].mcpServer.namespace", "sandbox", PolicyReason.TEMPLATE_CHANGED),
        (f"{DECLARATIVE}.stream", True, PolicyReason.TEMPLATE_CHANGED),
        (NAMES, [], PolicyReason.TEMPLATE_CHANGED),
        (NAMES, ["fetch", "fetch"], PolicyReason.TEMPLATE_CHANGED),
        (NAMES, ["upload"], PolicyReason.TOOL_NOT_ALLOWED),
        (NAMES, ["search"], PolicyReason.APPROVAL_REQUIRED),
        (f"{DECLARATIVE}.modelConfig", "huge", PolicyReason.MODEL_NOT_ALLOWED),
        (f"{DECLARATIVE}.runtime", "go", PolicyReason.RUNTIME_NOT_ALLOWED),
        (
            'metadata.annotations["hotpeers.dev/template"]',
            "registry:acme.image@1.0",
            PolicyReason.TEMPLATE_CHANGED,
        ),
        (
            'metadata.annotations["hotpeers.dev/template"]',
            "registry:none@1.0",
            PolicyReason.TEMPLATE_NOT_ALLOWED,
        ),
    ],
)
async def test_manifest_that_differs_from_the_registry_is_refused(
    client: Registry, path: str, value: Any, reason: Reason
) -> None:
    manifest = edited((await rendered(client)).manifest, (path, value))
    decision = await judged(client, manifest)
    assert not decision.allowed
    assert reason in {one.reason for one in decision.denials}, decision.message


async def test_another_image_is_refused(client: Registry) -> None:
    made = await rendered(client, "acme.image")
    image = made.manifest["spec"]["byo"]["deployment"]["image"]
    manifest = edited(made.manifest, ("spec.byo.deployment.image", image[:-1] + "c"))
    decision = await judged(client, manifest)
    assert PolicyReason.TEMPLATE_CHANGED in {one.reason for one in decision.denials}


async def test_a_second_entry_of_one_server_is_refused(client: Registry) -> None:
    manifest = copy.deepcopy((await rendered(client)).manifest)
    tools = manifest["spec"]["declarative"]["tools"]
    tools.append(copy.deepcopy(tools[0]))
    assert not (await judged(client, manifest)).allowed


async def test_unreadable_template_is_none(client: Registry, registry: FakeRegistry) -> None:
    manifest = (await rendered(client)).manifest
    templates = RegistryTemplates(client, servers, seconds=60.0)
    for key in ("registry:nothing@1", "registry:../x@1", "agent:x", "registry:acme.translator", ""):
        assert await templates.spec_of(key, manifest) is None
    assert await templates.spec_of(KEY, {}) is None
    stuck = asyncio.Event()
    registry.fault = lambda _: stuck.wait()
    assert await RegistryTemplates(client, servers, seconds=0.1).spec_of(KEY, manifest) is None
    stuck.set()
    registry.fault = lambda _: web.Response(text="garbage")
    assert await templates.spec_of(KEY, manifest) is None
    registry.fault = None
    assert await templates.spec_of(KEY, manifest) is not None

    async def forbidden(_: str) -> list[ToolServer]:
        raise Fault(RegistryReason.RIGHT_MISSING, "no right")

    assert await RegistryTemplates(client, forbidden).spec_of(KEY, manifest) is None


async def test_templates_are_held_for_a_while_and_read_once(
    client: Registry, registry: FakeRegistry
) -> None:
    manifest = (await rendered(client)).manifest
    now = [0.0]
    templates = RegistryTemplates(client, servers, held=60.0, clock=lambda: now[0])
    registry.asked.clear()
    await asyncio.gather(*(templates.spec_of(KEY, manifest) for _ in range(20)))
    assert len([one for one in registry.asked if "agents" in one]) == 1
    registry.entries["prompts"][0]["spec"]["content"] = "Another."
    held = await templates.spec_of(KEY, manifest)
    now[0] = 60.0
    newer = await templates.spec_of(KEY, manifest)
    assert held is not None
    assert newer is not None
    assert held["declarative"]["systemMessage"] == "You translate.\nBe exact.\n"
    assert newer["declarative"]["systemMessage"] == "Another."
