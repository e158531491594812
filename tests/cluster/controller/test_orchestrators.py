"""The key of the hub, and the token and tool server of each Orchestrator, on a real API server."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import yaml

from hotpeers.base.names import NamespacedName
from hotpeers.controller.election import LeaderClient
from hotpeers.controller.orchestrators.keeper import Orchestrators
from hotpeers.controller.orchestrators.objects import SECRET_TYPE, HubAddress
from hotpeers.model.hub_token import is_token, read_key
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import MCP_SERVERS, install_crd, orchestrator, remove_crd
from kit.apiserver.server import Cluster
from kit.controller.scene import client_of, read, running
from kit.waiting import until_async

ADDRESS = HubAddress("http://hub.hotpeers-system:8092/mcp", "60s")
pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture
def account(
    cluster: Cluster, namespace: str, service_account: Callable[..., ServiceAccount]
) -> ServiceAccount:
    """An account with the rights of k8s/rbac/orchestrators.yaml."""
    made = service_account(namespace, "controller")
    text = (FOLDER / "orchestrators.yaml").read_text()
    text = text.replace("hotpeers-system", namespace)
    text = text.replace("name: hotpeers-controller-hub", f"name: {namespace}-hub")
    for manifest in yaml.safe_load_all(text):
        for subject in manifest.get("subjects", ()):
            subject["name"] = made.name
        cluster.api.apply(manifest)
    return made


def key_secret(namespace: str, **data: str) -> Object:
    metadata = {"namespace": namespace, "name": "hotpeers-hub-key"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


@asynccontextmanager
async def keeping(account: ServiceAccount) -> AsyncIterator[Orchestrators]:
    async with client_of(account.kubeconfig()) as client:
        leader = LeaderClient(client, lambda: True)
        secret = NamespacedName(account.namespace, "hotpeers-hub-key")
        keeper = Orchestrators(client, leader, secret, ADDRESS)
        async with running(keeper.run()):
            yield keeper


def secret(api: Api, namespace: str, name: str) -> dict[str, str]:
    found = read(api, f"/api/v1/namespaces/{namespace}/secrets/{name}") or {}
    return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}


def condition(api: Api, one: Object, kind: str) -> Object:
    for item in api.read(one).get("status", {}).get("conditions", ()):
        if item["type"] == kind:
            return dict(item)
    return {}


async def test_key_and_token_are_made_once_and_kept(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    api = cluster.api
    api.create(key_secret(namespace))
    lead = api.create(orchestrator(namespace, "lead"))
    uid = lead["metadata"]["uid"]
    async with keeping(account) as keeper:
        await until_async("Ready", lambda: condition(api, lead, "Ready").get("status") == "True")
        key = read_key(secret(api, namespace, "hotpeers-hub-key")["key"])
        assert key
        token = secret(api, namespace, "lead-hotpeers-token")
        assert is_token(token["token"], [key], uid, 1)
        assert token["authorization"] == f"Bearer {token['token']}"
        assert token["url"] == ADDRESS.url
        assert not keeper.problems()
        api.patch(lead, {"spec": {"tokenVersion": 7}})
        await until_async(
            "the next token",
            lambda: is_token(secret(api, namespace, "lead-hotpeers-token")["token"], [key], uid, 7),
        )
    async with keeping(account):
        await until_async("a new leader", lambda: condition(api, lead, "Ready"))
    assert read_key(secret(api, namespace, "hotpeers-hub-key")["key"]) == key
    made = read(api, f"/api/v1/namespaces/{namespace}/secrets/lead-hotpeers-token")
    assert made
    assert made["type"] == SECRET_TYPE
    assert made["metadata"]["ownerReferences"][0]["uid"] == uid


async def test_foreign_secret_and_shared_secret_are_not_touched(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    api = cluster.api
    api.create(key_secret(namespace))
    foreign = key_secret(namespace, token="precious")
    foreign["metadata"]["name"] = "db-password"
    api.create(foreign)
    thief = api.create(orchestrator(namespace, "thief", tokenSecret="db-password"))
    first = api.create(orchestrator(namespace, "a", tokenSecret="both"))
    second = api.create(orchestrator(namespace, "b", tokenSecret="both"))
    async with keeping(account) as keeper:
        for one in (thief, second):
            await until_async(
                "the refusal",
                lambda one=one: condition(api, one, "Ready").get("reason") == "TokenSecretTaken",
            )
        await until_async(
            "the first", lambda: condition(api, first, "Ready").get("status") == "True"
        )
        assert secret(api, namespace, "db-password") == {"token": "precious"}
        uid = first["metadata"]["uid"]
        assert uid in secret(api, namespace, "both")["token"]
        assert {one.reason for one in keeper.problems()} == {"TokenSecretTaken"}


async def test_key_that_is_not_ours_is_reported_and_kept(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    cluster.api.create(key_secret(namespace, key="not a key"))
    cluster.api.create(orchestrator(namespace, "lead"))
    async with keeping(account) as keeper:
        await until_async(
            "the problem", lambda: any(one.reason == "HubKeyBad" for one in keeper.problems())
        )
    assert secret(cluster.api, namespace, "hotpeers-hub-key") == {"key": "not a key"}
    assert not secret(cluster.api, namespace, "lead-hotpeers-token")


@pytest.mark.parametrize("version", ["kagent.dev/v1alpha2", "api.kagent.dev/v1alpha3"])
async def test_tool_server_is_made_once_kagent_is_installed_and_removed_when_not_asked_for(
    version: str, cluster: Cluster, namespace: str, account: ServiceAccount, tmp_path: Path
) -> None:
    api = cluster.api
    api.create(key_secret(namespace))
    lead = api.create(orchestrator(namespace, "lead"))
    path = f"/apis/{version}/namespaces/{namespace}/remotemcpservers/lead-hotpeers"
    crd = MCP_SERVERS if version.startswith("kagent.dev") else stand_in(tmp_path)
    # What another test has left installed would be served at once.
    with suppress(ApiError):
        remove_crd(api, MCP_SERVERS)
    async with keeping(account) as keeper:
        await until_async(
            "no kagent", lambda: condition(api, lead, "ToolServer").get("reason") == "NotServed"
        )
        assert not keeper.problems()
        install_crd(api, crd)
        try:
            api.patch(lead, {"spec": {"limits": {"depth": 3}}})
            await until_async("the server", lambda: read(api, path))
            made = read(api, path)
            assert made
            assert made["spec"]["url"] == ADDRESS.url
            assert made["spec"]["headersFrom"][0]["name"] == "X-Hotpeers-Token"
            reference = {"type": "Secret", "name": "lead-hotpeers-token", "key": "token"}
            assert made["spec"]["headersFrom"][0]["valueFrom"] == reference
            await until_async(
                "Created", lambda: condition(api, lead, "ToolServer").get("status") == "True"
            )
            api.patch(lead, {"spec": {"remoteMCPServer": False}})
            await until_async("its removal", lambda: read(api, path) is None)
            taken = {**made, "metadata": {"name": "lead-hotpeers", "namespace": namespace}}
            api.create(taken)
            api.patch(lead, {"spec": {"remoteMCPServer": True}})
            await until_async(
                "the refusal",
                lambda: condition(api, lead, "ToolServer").get("reason") == "ToolServerTaken",
            )
            kept = read(api, path)
            assert kept
            assert "ownerReferences" not in kept["metadata"]
        finally:
            remove_crd(api, crd)


def stand_in(folder: Path) -> Path:
    """RemoteMCPServer of kagent 1.x, with the fields that its documentation lists."""
    header = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "value": {"type": "string"},
            "valueFrom": {
                "type": "object",
                "required": ["type", "name", "key"],
                "properties": {
                    "type": {"type": "string", "enum": ["ConfigMap", "Secret"]},
                    "name": {"type": "string"},
                    "key": {"type": "string"},
                },
            },
        },
    }
    text = {"type": "string"}
    fields = dict.fromkeys(("description", "url", "timeout", "sseReadTimeout"), text)
    fields["protocol"] = {"type": "string", "enum": ["STREAMABLE_HTTP", "SSE"]}
    fields["headersFrom"] = {"type": "array", "items": header}
    fields["terminateOnClose"] = {"type": "boolean"}
    spec = {"type": "object", "required": ["description", "url"], "properties": fields}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "remotemcpservers.api.kagent.dev"},
        "spec": {
            "group": "api.kagent.dev",
            "scope": "Namespaced",
            "names": {
                "kind": "RemoteMCPServer",
                "listKind": "RemoteMCPServerList",
                "plural": "remotemcpservers",
                "singular": "remotemcpserver",
            },
            "versions": [
                {
                    "name": "v1alpha3",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }
    path = folder / "remotemcpservers.api.kagent.dev.yaml"
    path.write_text(yaml.safe_dump(crd))
    return path
