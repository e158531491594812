"""Applying, waiting, listing and deleting over MCP, on a real API server, as a ServiceAccount."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotpeers_shim.contract import Ack, AckState, Peer, PeerFile, dump_ack, dump_peer_file
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import agent, condition, set_ready
from kit.apiserver.server import Cluster
from kit.waiting import until

ORCHESTRATOR = "spawner"
MANIFEST = """
apiVersion: kagent.dev/v1alpha2
kind: Agent
metadata: {name: translator, labels: {hotpeers.dev/peer: "true"}}
spec: {type: Declarative, description: "%s", declarative: {systemMessage: hello}}
"""


async def call(client: Any, tool: str, /, **arguments: Any) -> tuple[bool, dict[str, Any]]:
    result = await client.call_tool(tool, arguments)
    return bool(result.is_error), result.structured_content or {"text": result.content[0].text}


@pytest.fixture
def account(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
) -> ServiceAccount:
    assert crds
    rules = [rule("kagent.dev", "agents", "get list create patch delete")]
    return service_account(namespace, ORCHESTRATOR, rules)


@pytest.fixture
def wanted(account: ServiceAccount, registry: Any, make_settings: Any) -> Any:
    return make_settings(
        registry_url=registry.url,
        kubeconfig=str(account.kubeconfig()),
        orchestrator=f"{account.namespace}/{ORCHESTRATOR}",
    )


def names(cluster: Cluster, namespace: str) -> list[str]:
    items = cluster.api.list("kagent.dev/v1alpha2", "Agent", namespace)["items"]
    return sorted(one["metadata"]["name"] for one in items)


def stamped(namespace: str, name: str, by: str) -> dict[str, Any]:
    made = agent(namespace, name, labels={"hotpeers.dev/spawned": "true"})
    made["metadata"]["annotations"] = {"hotpeers.dev/spawned-by": by, "other": "x"}
    return made


async def test_apply_creates_changes_and_can_be_repeated(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any
) -> None:
    async with serve_tools(wanted) as client:
        dry, judged = await call(
            client, "k8s_apply_manifest", manifest=MANIFEST % "one", dry_run=True
        )
        assert names(cluster, namespace) == []
        bad, first = await call(client, "k8s_apply_manifest", manifest=MANIFEST % "one")
        worse, second = await call(client, "k8s_apply_manifest", manifest=MANIFEST % "two")
        same, third = await call(
            client,
            "k8s_apply_manifest",
            manifest=json.dumps(
                {
                    "apiVersion": "kagent.dev/v1alpha2",
                    "kind": "Agent",
                    "metadata": {"name": "translator", "namespace": namespace},
                    "spec": {"type": "Declarative", "declarative": {"systemMessage": "hello"}},
                }
            ),
        )
    assert [dry, bad, worse, same] == [False] * 4, third
    assert (judged["applied"], judged["created"], judged["uid"]) == (False, True, "")
    assert (first["applied"], first["created"]) == (True, True)
    assert (second["created"], second["uid"], third["uid"]) == (False, first["uid"], first["uid"])
    found = cluster.api.read(agent(namespace, "translator"))
    assert "description" not in found["spec"]
    assert found["metadata"]["managedFields"][0]["manager"] == "hotpeers-spawn"


@pytest.fixture
def denial(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A ValidatingAdmissionPolicy that refuses a description, once it is in force."""
    message = "spec.description: 'secret' is not allowed; allowed are: public"
    name = f"deny-{namespace}"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["kagent.dev"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["agents"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            },
            "validations": [
                {"expression": "object.spec.description != 'secret'", "message": message}
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    cluster.api.apply(policy)
    cluster.api.apply(binding)

    def is_in_force() -> bool:
        probe = agent(namespace, "probe", description="secret")
        path = f"{cluster.api.path(probe, named=False)}?dryRun=All"
        return message in cluster.api.refusal("POST", path, probe)

    until("the policy to be in force", is_in_force, 60.0)
    yield message
    cluster.api.delete(binding)
    cluster.api.delete(policy)


async def test_denial_is_returned_and_no_agent_is_created(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any, denial: str
) -> None:
    async with serve_tools(wanted) as client:
        failed, said = await call(client, "k8s_apply_manifest", manifest=MANIFEST % "secret")
        assert names(cluster, namespace) == []
        mended, _ = await call(client, "k8s_apply_manifest", manifest=MANIFEST % "public")
    assert (failed, said["reason"]) == (True, "AdmissionDenied")
    assert denial in said["message"]
    assert not mended
    assert names(cluster, namespace) == ["translator"]


@pytest.mark.parametrize(
    ("manifest", "reason", "part"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", "RightMissing", "pods"),
        ("apiVersion: x.dev/v1\nkind: X\nmetadata: {name: a}\n", "ObjectNotFound", "x.dev/v1"),
        ("apiVersion: v1\nkind: Nothing\nmetadata: {name: a}\n", "ObjectNotFound", "Nothing"),
        (MANIFEST % "x" + "---\n" + MANIFEST % "y", "ManifestRefused", "more than one"),
        ("a: &a 1\nb: *a\n", "ManifestRefused", "anchors"),
        (MANIFEST.replace("Declarative", "Other") % "x", "ObjectInvalid", "spec.type"),
        (
            MANIFEST.replace("name: translator", "name: a, namespace: kube-system") % "x",
            "RightMissing",
            "kube-system",
        ),
        (
            MANIFEST.replace("name: translator", "name: a, namespace: ../x") % "x",
            "ManifestRefused",
            "metadata.namespace",
        ),
        (MANIFEST.replace("kagent.dev/v1alpha2", "../v1") % "x", "ManifestRefused", "apiVersion"),
        (MANIFEST.replace("labels:", "labelz:") % "x", "ObjectInvalid", "labelz"),
    ],
)
async def test_rejected_manifest_names_the_reason(
    manifest: str,
    reason: str,
    part: str,
    cluster: Cluster,
    namespace: str,
    wanted: Any,
    serve_tools: Any,
) -> None:
    async with serve_tools(wanted) as client:
        failed, said = await call(client, "k8s_apply_manifest", manifest=manifest)
    assert failed
    assert said["reason"] == reason, said
    assert part in said["message"]
    assert said["advice"]
    assert names(cluster, namespace) == []


async def test_fields_of_another_writer_are_not_overwritten(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any
) -> None:
    cluster.api.apply(agent(namespace, "translator", description="theirs"))
    async with serve_tools(wanted) as client:
        failed, said = await call(client, "k8s_apply_manifest", manifest=MANIFEST % "ours")
    assert (failed, said["reason"]) == (True, "FieldTaken")
    assert cluster.api.read(agent(namespace, "translator"))["spec"]["description"] == "theirs"


async def test_only_agents_with_our_stamp_are_listed_and_deleted(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any
) -> None:
    ours, theirs = f"{namespace}/{ORCHESTRATOR}", f"{namespace}/someone"
    cluster.api.create(stamped(namespace, "mine", ours))
    cluster.api.create(stamped(namespace, "other", theirs))
    cluster.api.create(agent(namespace, "human"))
    async with serve_tools(wanted) as client:
        _, listed = await call(client, "list_spawned_agents")
        refused = [
            await call(client, "delete_spawned_agent", name=name) for name in ("other", "human")
        ]
        absent, gone = await call(client, "delete_spawned_agent", name="absent")
        bad, done = await call(client, "delete_spawned_agent", name="mine")
        elsewhere, forbidden = await call(
            client, "delete_spawned_agent", name="mine", namespace="kube-system"
        )
    assert [one["name"] for one in listed["agents"]] == ["mine"]
    assert listed["agents"][0]["stamps"] == {"spawned-by": ours}
    assert [(failed, said["reason"]) for failed, said in refused] == [(True, "NotSpawnedHere")] * 2
    assert (absent, gone["reason"]) == (True, "ObjectNotFound")
    assert (bad, done["deleted"]) == (False, True)
    assert (elsewhere, forbidden["reason"]) == (True, "RightMissing")
    assert names(cluster, namespace) == ["human", "other"]


async def test_wait_reports_the_progress_of_an_agent(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any, tmp_path: Path
) -> None:
    peers, acks = tmp_path / "peers.json", tmp_path / "acks"
    wanted = wanted.model_copy(update={"peer_file": peers, "ack_dir": acks})
    async with serve_tools(wanted) as client:

        async def wait(seconds: int = 3) -> dict[str, Any]:
            failed, said = await call(client, "wait_for_agent", name="a", timeout_seconds=seconds)
            assert not failed
            return said

        said = await wait(60)
        assert (said["exists"], said["done"]) == (False, False)
        assert said["seconds"] < 10
        made = cluster.api.create(agent(namespace, "a"))
        assert [(said := await wait())["exists"], said["ready"], said["done"]] == [
            True,
            False,
            False,
        ]
        set_ready(cluster.api, agent(namespace, "a"))
        assert [(said := await wait())["ready"], said["offered"], said["done"]] == [
            True,
            False,
            False,
        ]
        peer = Peer("a", "http://a", "ns__NS__a", namespace=namespace, uid=made["metadata"]["uid"])
        peers.write_bytes(dump_peer_file(PeerFile(3, (peer,))))
        assert (await wait())["done"] is False
        acks.mkdir()
        ack = Ack(pid=7, state=AckState.ACTIVE, generation=3, time=_now())
        (acks / "ack-7.json").write_bytes(dump_ack(ack))
        said = await wait(60)
    assert (said["done"], said["offered"], said["tool_name"]) == (True, True, "ns__NS__a")
    assert said["seconds"] < 60


async def test_wait_for_a_missing_agent_ends_at_once_and_names_those_that_there_are(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any
) -> None:
    async with serve_tools(wanted) as client:

        async def wait() -> dict[str, Any]:
            failed, said = await call(client, "wait_for_agent", name="tides", timeout_seconds=120)
            assert not failed
            assert (said["exists"], said["done"]) == (False, False)
            assert said["seconds"] < 10
            return said

        said = await wait()
        assert said["message"].endswith("nor any other in that namespace")
        for name in ("anchor", "tide"):
            cluster.api.create(agent(namespace, name))
        said = await wait()
    assert said["message"] == f"there is no Agent {namespace}/tides; there are: tide, anchor"
    assert "apply its manifest first" in said["advice"]


async def test_missing_right_names_the_namespaces_that_are_allowed(
    cluster: Cluster, namespace: str, account: ServiceAccount, wanted: Any, serve_tools: Any
) -> None:
    create_namespace(cluster.api, f"{namespace}-closed")
    create_namespace(cluster.api, f"{namespace}-open")
    account.bind([rule("kagent.dev", "agents", "get create patch")], f"{namespace}-open")
    peers = [
        Peer(name, "http://a", f"ns__NS__{name}", namespace=f"{namespace}-{name}")
        for name in ("open", "closed")
    ]
    file = account.folder / "peers.json"
    file.write_bytes(dump_peer_file(PeerFile(1, tuple(peers))))
    wanted = wanted.model_copy(update={"peer_file": file, "ack_dir": account.folder})
    elsewhere = {"namespace": f"{namespace}-closed"}
    manifest = json.dumps(
        {**yaml.safe_load(MANIFEST % "x"), "metadata": {"name": "a", **elsewhere}}
    )
    async with serve_tools(wanted) as client:
        for tool, arguments in (
            ("k8s_apply_manifest", {"manifest": manifest}),
            ("run_ephemeral_agent", {"manifest": manifest, "message": "hello"}),
            ("wait_for_agent", {"name": "a", **elsewhere}),
            ("list_spawned_agents", elsewhere),
            ("delete_spawned_agent", {"name": "a", **elsewhere}),
        ):
            failed, said = await call(client, tool, **arguments)
            assert (failed, said["reason"]) == (True, "RightMissing"), tool
            allowed = f"you may create agents in: {namespace}, {namespace}-open"
            assert said["message"].endswith(allowed), said
            assert f"Use one of these namespaces: {namespace}, {namespace}-open." in said["advice"]
    for ending in ("closed", "open"):
        remove_namespace(cluster.api, f"{namespace}-{ending}")


async def test_missing_right_is_named_in_the_error(
    namespace: str, service_account: Callable[..., ServiceAccount], wanted: Any, serve_tools: Any
) -> None:
    poor = service_account(namespace, "poor")
    wanted = wanted.model_copy(update={"kubeconfig": str(poor.kubeconfig())})
    async with serve_tools(wanted) as client:
        failed, said = await call(client, "k8s_apply_manifest", manifest=MANIFEST % "x")
    assert (failed, said["reason"]) == (True, "RightMissing")
    assert said["message"].endswith(f"you may not create agents in any of: {namespace}")


async def test_wait_ends_where_kagent_does_not_accept_the_agent(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any
) -> None:
    made = cluster.api.create(agent(namespace, "a"))
    said = {**condition("Accepted", "False"), "message": "no such model"}
    async with serve_tools(wanted) as client:

        async def wait(looked_at: int, seconds: int) -> dict[str, Any]:
            conditions = [{**said, "observedGeneration": looked_at}]
            cluster.api.patch(made, {"status": {"conditions": conditions}}, subresource="status")
            _, told = await call(client, "wait_for_agent", name="a", timeout_seconds=seconds)
            return dict(told)

        now = made["metadata"]["generation"]
        told = await wait(now, 60)
        assert told["seconds"] < 20
        assert (told["done"], told["ready"]) == (False, False)
        assert told["message"] == "kagent does not accept it: no such model"
        # What it said of an earlier edition says nothing of this one.
        told = await wait(now - 1, 2)
        assert told["message"].startswith("it is not ready yet")


async def test_wait_without_a_peer_file_is_for_ready_only(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any
) -> None:
    cluster.api.create(agent(namespace, "a"))
    set_ready(cluster.api, agent(namespace, "a"))
    async with serve_tools(wanted) as client:
        _, said = await call(client, "wait_for_agent", name="a", timeout_seconds=60)
    assert (said["done"], said["offered"]) == (True, None)


async def test_from_the_search_to_the_agent(
    cluster: Cluster, namespace: str, wanted: Any, serve_tools: Any
) -> None:
    async with serve_tools(wanted) as client:
        _, found = await call(client, "search_agents_agentregistry", query="translating documents")
        best = found["hits"][0]
        _, made = await call(
            client, "render_agent_manifest", name=best["name"], tag=best["tag"], model="cheap"
        )
        failed, applied = await call(client, "k8s_apply_manifest", manifest=made["manifest"])
    assert not failed, applied
    spec = cluster.api.read(agent(namespace, "acme-translator"))["spec"]
    assert spec["declarative"]["systemMessage"] == "You translate.\nBe exact.\n"
    assert spec["declarative"]["modelConfig"] == "cheap"


def _now() -> float:
    import time

    return time.time()
