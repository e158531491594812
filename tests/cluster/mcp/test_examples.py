"""The shipped examples in use: search, render and apply, admitted by the real guard at the first try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.apiserver.accounts import ServiceAccount, make_account
from kit.apiserver.client import Api, Object, read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import AGENTS, MCP_SERVERS, install_crd, remove_crd
from kit.apiserver.server import Cluster
from kit.controller.guard_scene import asked
from kit.registries import KINDS, FakeRegistry
from kit.waiting import until
from kit.webhook import Controller

EXAMPLES = FOLDER.parent / "examples"
POLICIES = FOLDER.parent / "crds" / "spawnpolicies.hotpeers.dev.yaml"
RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Example:
    """What a model does in an example, as the orchestrator's instructions say."""

    folder: str
    account: tuple[str, str]
    namespaces: tuple[str, ...]
    words: str
    wish: dict[str, str]
    tools: tuple[str, ...] = ()


CASES = [
    Example(
        "research",
        ("research", "lead"),
        ("research",),
        "find sources on the web about tides",
        {"agent_name": "researcher-tides", "model": "gpt-small"},
        ("fetch", "search"),
    ),
    Example(
        "infrastructure",
        ("kagent", "kagent-tools"),
        ("kagent", "operations"),
        "plan the rollout of a deployment",
        {"agent_name": "ops-rollout", "namespace": "operations"},
    ),
    Example(
        "evaluation",
        ("evaluation", "judge"),
        ("evaluation", "evaluation-sandbox"),
        "candidate to evaluate",
        {"agent_name": "candidate-one", "namespace": "evaluation-sandbox"},
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.folder)
def example(request: pytest.FixtureRequest, registry: FakeRegistry) -> Example:
    """One of them; the registry holds what its registry.yaml says, and more."""
    case: Example = request.param
    plurals = {kind: plural for plural, kind in KINDS.items()}
    for entry in read_yaml(EXAMPLES / case.folder / "registry.yaml"):
        assert entry["apiVersion"] == "ar.dev/v1alpha1"
        metadata = entry["metadata"]
        registry.put(plurals[entry["kind"]], metadata["name"], metadata["tag"], **entry["spec"])
    return case


@pytest.fixture
def scene(cluster: Cluster, example: Example) -> Iterator[ServiceAccount]:
    """The objects of the example, and its subject with the rights of a spawner and no other."""
    api = cluster.api
    for definition in (AGENTS, POLICIES, MCP_SERVERS):
        install_crd(api, definition)
    for name in example.namespaces:
        create_namespace(api, name)
    folder = EXAMPLES / example.folder
    for file in ("orchestrator.yaml", "policy.yaml", "templates.yaml", "tools.yaml"):
        for one in read_yaml(folder / file) if (folder / file).exists() else []:
            made = api.apply(one)
            if one["kind"] == "RemoteMCPServer":
                found = [{"name": name, "description": name} for name in example.tools]
                api.patch(made, {"status": {"discoveredTools": found}}, subresource="status")
    for role in read_yaml(FOLDER / "roles.yaml"):
        api.apply(role)
    account = make_account(cluster, *example.account)
    for name in example.namespaces:
        api.apply(spawner(name, account))
    yield account
    for name in example.namespaces:
        remove_namespace(api, name)
    remove_crd(api, MCP_SERVERS)


def spawner(namespace: str, account: ServiceAccount) -> Object:
    """Binds an account to the rights of a spawner, as k8s/rbac/orchestrator.yaml does."""
    role = {"apiGroup": RBAC[:-3], "kind": "ClusterRole", "name": "hotpeers-spawner"}
    subject = {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
    metadata = {"name": "spawner", "namespace": namespace}
    manifest = {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": metadata}
    return {**manifest, "roleRef": role, "subjects": [subject]}


@pytest.fixture
async def guarded(
    cluster: Cluster, scene: ServiceAccount, registry: FakeRegistry, tmp_path: Path
) -> AsyncIterator[ServiceAccount]:
    """The same once the guard is asked about the subject."""
    flags = ("--namespace=default", f"--registry-url={registry.url}")
    controller = Controller(tmp_path / "guard", cluster, *flags)
    await asyncio.to_thread(controller.start)
    try:
        with asked(cluster, controller):
            await asyncio.to_thread(until_refused, scene)
            yield scene
    finally:
        controller.stop()


def until_refused(account: ServiceAccount) -> None:
    """Wait until the guard governs the account: an Agent of no allowed name is refused by it."""
    api = Api(account.access)
    manifest = {"apiVersion": "kagent.dev/v1alpha2", "kind": "Agent"}
    manifest |= {"metadata": {"name": "stranger", "namespace": account.namespace}, "spec": {}}

    def is_asked() -> bool:
        path = f"{api.path(manifest, named=False)}?dryRun=All"
        return "guard.hotpeers.dev" in api.refusal("POST", path, manifest)

    try:
        until("the guard to be asked", is_asked, 60)
    finally:
        api.close()


async def call(client: Any, tool: str, /, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.structured_content
    return dict(result.structured_content)


async def test_rendered_example_is_admitted_at_the_first_try(
    cluster: Cluster,
    example: Example,
    guarded: ServiceAccount,
    registry: FakeRegistry,
    make_settings: Any,
    serve_tools: Any,
) -> None:
    wanted = make_settings(registry_url=registry.url, kubeconfig=str(guarded.kubeconfig()))
    async with serve_tools(wanted) as client:
        found = await call(client, "search_agents_agentregistry", query=example.words)
        best = found["hits"][0]
        rendered = await call(
            client, "render_agent_manifest", name=best["name"], tag=best["tag"], **example.wish
        )
        applied = await call(client, "k8s_apply_manifest", manifest=rendered["manifest"])
    assert {one["field"] for one in rendered["unmapped"]} <= {"compatibleHarnesses"}
    assert (applied["applied"], applied["created"]) == (True, True)
    stamps = applied["stamps"]
    assert stamps["template"] == f"registry:{best['name']}@{best['tag']}"
    assert stamps["template-digest"] == rendered["template_digest"]
    live = cluster.api.read(yaml.safe_load(rendered["manifest"]))
    tools = live["spec"].get("declarative", {}).get("tools", [])
    named = [name for one in tools for name in one["mcpServer"]["toolNames"]]
    assert named == list(example.tools)


@pytest.mark.parametrize("example", CASES, ids=lambda case: case.folder)
def test_entries_are_those_that_the_policy_lists(example: Example) -> None:
    (policy,) = read_yaml(EXAMPLES / example.folder / "policy.yaml")
    entries = read_yaml(EXAMPLES / example.folder / "registry.yaml")
    agents = [one["metadata"] for one in entries if one["kind"] == "Agent"]
    assert policy["spec"]["templates"]["registry"] == [f"{x['name']}@{x['tag']}" for x in agents]
