"""An agent for one question: a real API server, a real A2A server, and each failure in between."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hotpeers.base.reasons import Reason
from hotpeers.kube.client import Client as KubeClient
from hotpeers.kube.connection import Access, connect
from hotpeers.kube.errors import ForbiddenError, UnreachableError
from hotpeers.mcp.agents import Agents
from hotpeers.mcp.ephemeral import Ended, Ephemeral
from hotpeers.mcp.job import own_name
from hotpeers.mcp.reasons import McpReason
from hotpeers.registry.fault import Fault
from hotpeers.registry.reasons import RegistryReason
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers_demo.processes import Processes, until
from hotpeers_shim.contract import cut_text
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.client import ApiError
from kit.apiserver.proxy import Proxy
from kit.apiserver.resources import agent, condition, set_ready
from kit.apiserver.server import Cluster

RIGHTS = "get list create patch delete"
SECONDS = 60.0
Answers = Callable[[str], Any]


def manifest(namespace: str, **metadata: Any) -> dict[str, Any]:
    made = agent(namespace, "worker", description="works", labels={"hotpeers.dev/peer": "true"})
    made["metadata"] |= metadata
    return made


@pytest.fixture
def make_account(
    cluster: Cluster, namespace: str, crds: list[str], service_account: Any
) -> Callable[[str], ServiceAccount]:
    assert crds
    return lambda verbs: service_account(namespace, "asker", [rule("kagent.dev", "agents", verbs)])


@pytest.fixture
def account(make_account: Any) -> ServiceAccount:
    return make_account(RIGHTS)


@asynccontextmanager
async def running(kubeconfig: Path, url: str) -> AsyncIterator[Ephemeral]:
    access = Access(str(kubeconfig), "")
    async with (
        KubeClient(access, await connect(access)) as client,
        Ephemeral(client, Agents(client, ""), url_of=lambda *_: url) as made,
    ):
        yield made


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[str]:
    processes = Processes(tmp_path)
    command = [
        sys.executable,
        "-m",
        "hotpeers_demo.subagent",
        "--name",
        "worker",
        "--says",
        "done.",
    ]
    child = processes.start("worker", command, env=os.environ)
    try:
        yield await child.ready_url()
    finally:
        await processes.close()


def found(cluster: Cluster, namespace: str) -> list[Any]:
    return list(cluster.api.list("kagent.dev/v1alpha2", "Agent", namespace)["items"])


async def appeared(cluster: Cluster, namespace: str) -> Any:
    async def look() -> Any:
        return next(iter(await asyncio.to_thread(found, cluster, namespace)), None)

    return await until("the agent to be there", look, SECONDS)


async def gone(cluster: Cluster, namespace: str, seconds: float = SECONDS) -> None:
    async def look() -> bool | None:
        return None if await asyncio.to_thread(found, cluster, namespace) else True

    await until("the agent to be gone", look, seconds)


@asynccontextmanager
async def controller(cluster: Cluster, namespace: str) -> AsyncIterator[None]:
    """What kagent's controller does: each agent becomes ready."""

    async def work() -> None:
        while True:
            for one in await asyncio.to_thread(found, cluster, namespace):
                if not one.get("status"):
                    with suppress(ApiError):
                        await asyncio.to_thread(set_ready, cluster.api, one)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_question_is_answered_and_the_agent_is_deleted(
    cluster: Cluster, namespace: str, account: ServiceAccount, worker: str
) -> None:
    seen: list[Any] = []
    async with controller(cluster, namespace), running(account.kubeconfig(), worker) as runs:
        task = asyncio.create_task(runs.run(manifest(namespace), "how are you?", SECONDS))
        seen.append(await appeared(cluster, namespace))
        ended = await task
        assert found(cluster, namespace) == []
    assert (ended.answer.state, ended.answer.text, ended.left) == (
        "completed",
        "worker says: done.",
        None,
    )
    metadata = seen[0]["metadata"]
    assert re.fullmatch(r"worker-[a-z0-9]{8}", metadata["name"])
    assert metadata["name"] == ended.name
    assert metadata["annotations"] == {"hotpeers.dev/ttl": "120s"}
    assert "labels" not in metadata


def reply(state: str, **more: Any) -> Answers:
    """An agent that answers each message at once with a task in this state."""

    def answer(method: str) -> Any:
        return {"kind": "task", "id": "t", "contextId": "c", "status": {"state": state, **more}}

    return answer


def said(text: str) -> dict[str, Any]:
    parts = [{"kind": "text", "text": text}]
    return {"message": {"kind": "message", "role": "agent", "messageId": "m", "parts": parts}}


@asynccontextmanager
async def scripted(answer: Answers, card_url: str = "") -> AsyncIterator[str]:
    """An A2A server whose result of each call is what `answer` returns, raises or waits for."""
    asked: list[str] = []

    async def card(request: web.Request) -> web.Response:
        url = card_url or f"http://{request.host}/"
        return web.json_response(
            {
                "name": "worker",
                "description": "works",
                "version": "1",
                "protocolVersion": "0.3.0",
                "preferredTransport": "JSONRPC",
                "url": url,
                "capabilities": {},
                "defaultInputModes": ["text"],
                "defaultOutputModes": ["text"],
                "skills": [],
            }
        )

    async def rpc(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked.append(body["method"])
        result = answer(body["method"])
        result = await result if asyncio.iscoroutine(result) else result
        if isinstance(result, web.StreamResponse):
            return result
        return web.json_response({"jsonrpc": "2.0", "id": body["id"], "result": result})

    app = web.Application()
    app.router.add_get("/.well-known/agent-card.json", card)
    app.router.add_post("/", rpc)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("")).rstrip("/")


async def outcome(
    cluster: Cluster, namespace: str, account: ServiceAccount, url: str, seconds: float = SECONDS
) -> Ended | Fault:
    async with controller(cluster, namespace), running(account.kubeconfig(), url) as runs:
        try:
            return await runs.run(manifest(namespace), "hello", seconds)
        except Fault as fault:
            return fault


@pytest.mark.parametrize(
    ("state", "more", "text"),
    [
        ("failed", said("the model is gone"), "the model is gone"),
        ("input-required", said("which one?"), "which one?"),
        ("auth-required", {}, ""),
        ("rejected", said("no"), "no"),
        ("canceled", {}, ""),
        ("completed", said("x" * 40_000), cut_text("x" * 40_000, 32 * 1024)),
    ],
)
async def test_each_final_state_is_reported(
    cluster: Cluster,
    namespace: str,
    account: ServiceAccount,
    state: str,
    more: dict[str, Any],
    text: str,
) -> None:
    async with scripted(reply(state, **more)) as url:
        ended = await outcome(cluster, namespace, account, url)
    assert isinstance(ended, Ended), ended
    assert (ended.answer.state, ended.answer.text) == (state, text)
    assert ended.answer.cut == (len(text) > 30_000)
    assert (ended.left, found(cluster, namespace)) == (None, [])


async def test_a_task_that_works_on_is_followed_to_its_end(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    states = iter(["working", "lost", "working"])

    def answer(method: str) -> Any:
        if method == "message/send":
            return reply("submitted")(method)
        if (state := next(states, "")) == "":
            return reply("completed", **said("at last"))(method)
        return web.Response(status=503) if state == "lost" else reply(state)(method)

    async with scripted(answer) as url:
        ended = await outcome(cluster, namespace, account, url)
    assert isinstance(ended, Ended), ended
    assert ended.answer.text == "at last"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: web.Response(text="garbage"), McpReason.AGENT_UNREACHABLE),
        (lambda _: web.Response(status=500), McpReason.AGENT_UNREACHABLE),
        (lambda _: {"kind": "strange"}, McpReason.AGENT_UNREACHABLE),
        (lambda _: web.Response(body=b"x" * 5_000_000), McpReason.AGENT_UNREACHABLE),
        (
            lambda _: web.Response(body=b"x", headers={"Content-Encoding": "gzip"}),
            McpReason.AGENT_UNREACHABLE,
        ),
        (lambda _: asyncio.Event().wait(), McpReason.AGENT_SILENT),
        (reply("working"), McpReason.AGENT_SILENT),
    ],
    ids=["garbage", "error", "no task", "huge", "packed", "silent", "for ever"],
)
async def test_failed_answer_deletes_the_agent(
    cluster: Cluster, namespace: str, account: ServiceAccount, answer: Answers, reason: Reason
) -> None:
    async with scripted(answer) as url:
        # Who waits for ever is given up; all else is told long before.
        seconds = 8.0 if reason is McpReason.AGENT_SILENT else SECONDS
        fault = await outcome(cluster, namespace, account, url, seconds)
    assert isinstance(fault, Fault)
    assert (fault.reason, found(cluster, namespace)) == (reason, [])
    assert "the agent was deleted" in fault.message


async def test_unreachable_or_foreign_address_deletes_the_agent(
    cluster: Cluster, namespace: str, account: ServiceAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hasty:
        hasty.setattr("hotpeers.mcp.asking._CARD_SECONDS", 0.5)
        fault = await outcome(cluster, namespace, account, "http://127.0.0.1:9")
    assert isinstance(fault, Fault)
    assert fault.reason is McpReason.AGENT_UNREACHABLE
    async with scripted(reply("completed"), "http://169.254.169.254/") as url:
        fault = await outcome(cluster, namespace, account, url)
    assert isinstance(fault, Fault)
    assert fault.reason is SidecarReason.CARD_ORIGIN_MISMATCH
    assert found(cluster, namespace) == []


async def test_agent_that_is_never_ready_is_reported_and_deleted(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    async with running(account.kubeconfig(), "http://127.0.0.1:9") as runs:
        with pytest.raises(Fault) as caught:
            await runs.run(manifest(namespace), "hello", 6.0)
    assert caught.value.reason is SidecarReason.NOT_READY
    assert "6 s were over while waiting for it to be ready" in caught.value.message
    assert found(cluster, namespace) == []


def set_accepted(cluster: Cluster, one: Any, status: str, **more: Any) -> None:
    """Say whether kagent accepts an agent, as its controller does."""
    said = {**condition("Accepted", status, "ReconcileFailed"), **more}
    cluster.api.patch(one, {"status": {"conditions": [said]}}, subresource="status")


async def test_agent_rejected_by_kagent_is_reported_at_once_and_deleted(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    loop = asyncio.get_running_loop()
    async with running(account.kubeconfig(), "http://127.0.0.1:9") as runs:
        start = loop.time()
        task = asyncio.create_task(runs.run(manifest(namespace), "hello", 60.0))
        made = await appeared(cluster, namespace)
        why = 'ModelConfig "small" not found'
        await asyncio.to_thread(set_accepted, cluster, made, "False", message=why)
        with pytest.raises(Fault) as caught:
            await task
    assert loop.time() - start < 20
    assert caught.value.reason is McpReason.AGENT_NOT_ACCEPTED
    assert why in caught.value.message
    assert "the agent was deleted" in caught.value.message
    assert found(cluster, namespace) == []


async def test_transient_rejection_by_kagent_is_ignored(
    cluster: Cluster, namespace: str, account: ServiceAccount, worker: str
) -> None:
    """It also says that it does not accept an agent where two of its writes met."""
    async with running(account.kubeconfig(), worker) as runs:
        task = asyncio.create_task(runs.run(manifest(namespace), "hello", 30.0))
        made = await appeared(cluster, namespace)
        await asyncio.to_thread(set_accepted, cluster, made, "False", message="try again")
        await asyncio.to_thread(set_ready, cluster.api, made)
        ended = await task
    assert ended.answer.state == "completed"


async def test_agent_deleted_by_another_is_reported(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    async with running(account.kubeconfig(), "http://127.0.0.1:9") as runs:
        task = asyncio.create_task(runs.run(manifest(namespace), "hello", SECONDS))
        cluster.api.delete(await appeared(cluster, namespace))
        with pytest.raises(Fault) as caught:
            await task
    assert caught.value.reason is RegistryReason.OBJECT_NOT_FOUND


async def test_refused_manifest_is_never_created(
    cluster: Cluster, namespace: str, make_account: Any, worker: str
) -> None:
    strange = manifest(namespace)
    strange["spec"]["type"] = "Other"
    async with running(make_account(RIGHTS).kubeconfig(), worker) as runs:
        with pytest.raises(Fault) as invalid:
            await runs.run(strange, "hello", SECONDS)
    async with running(make_account("get").kubeconfig(), worker) as runs:
        with pytest.raises(Fault) as forbidden:
            await runs.run(manifest(namespace), "hello", SECONDS)
    assert invalid.value.reason is RegistryReason.OBJECT_INVALID
    assert forbidden.value.reason is RegistryReason.RIGHT_MISSING
    assert "no agent was created" in forbidden.value.message
    assert found(cluster, namespace) == []


@pytest.mark.parametrize(("also", "runs"), [("", True), ("spec.description: no", False)])
async def test_policy_without_templates_can_allow_the_rendered_agent(
    cluster: Cluster, namespace: str, account: ServiceAccount, worker: str, also: str, runs: bool
) -> None:
    marked = manifest(namespace, annotations={"hotpeers.dev/template": "registry:a@1"})
    async with controller(cluster, namespace), running(account.kubeconfig(), worker) as made:
        original = made._client.apply

        async def guarded(path: str, body: Any, *, manager: str, dry_run: bool = False) -> Any:
            denials = [also] if also else []
            if "hotpeers.dev/template" in body["metadata"]["annotations"]:
                denials.append('metadata.annotations["hotpeers.dev/template"]: allowed: none')
            if denials:
                raise ForbiddenError(
                    'admission webhook "g" denied the request: ' + str(denials), 403
                )
            return await original(path, body, manager=manager, dry_run=dry_run)

        made._client.apply = guarded  # type: ignore[method-assign]
        if runs:
            assert (await made.run(marked, "hello", SECONDS)).answer.text == "worker says: done."
        else:
            with pytest.raises(Fault) as caught:
                await made.run(marked, "hello", SECONDS)
            assert caught.value.reason is RegistryReason.ADMISSION_DENIED
            assert "hotpeers.dev/template" in caught.value.message


@pytest.mark.parametrize("at", ["creating", "waiting", "asking"])
async def test_disconnected_caller_deletes_the_agent(
    cluster: Cluster, namespace: str, account: ServiceAccount, worker: str, at: str
) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.post(f"{worker}/hold")

        async def is_asked() -> bool | None:
            return True if (await http.get(f"{worker}/log")).json()["requests"] else None

        async with running(account.kubeconfig(), worker) as runs:
            writing = on_the_way(runs)
            task = asyncio.create_task(runs.run(manifest(namespace), "hello", SECONDS))
            if at == "creating":
                await writing.wait()
            else:
                made = await appeared(cluster, namespace)
            if at == "asking":
                set_ready(cluster.api, made)
                await until("the question", is_asked, SECONDS)
            task.cancel()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await gone(cluster, namespace)
        assert found(cluster, namespace) == []


def on_the_way(runs: Ephemeral) -> asyncio.Event:
    """Set once the request that creates an agent is sent."""
    event, original = asyncio.Event(), runs._client.apply

    async def apply(path: str, body: Any, *, manager: str, dry_run: bool = False) -> Any:
        sent = asyncio.create_task(original(path, body, manager=manager, dry_run=dry_run))
        if not dry_run:
            event.set()
        return await sent

    runs._client.apply = apply  # type: ignore[method-assign]
    return event


async def test_end_of_the_process_deletes_running_agents(
    cluster: Cluster, namespace: str, account: ServiceAccount
) -> None:
    async with running(account.kubeconfig(), "http://127.0.0.1:9") as runs:
        tasks = [
            asyncio.create_task(runs.run(manifest(namespace), "hello", 60.0)) for _ in range(5)
        ]

        async def all_there() -> bool | None:
            count = len(await asyncio.to_thread(found, cluster, namespace))
            return True if count == 5 else None

        await until("every agent to be there", all_there, SECONDS)
    assert found(cluster, namespace) == []
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in results)


async def test_refused_deletion_is_reported_with_the_expiry(
    cluster: Cluster, namespace: str, make_account: Any, worker: str
) -> None:
    marked = manifest(namespace, annotations={"hotpeers.dev/expires-at": "2030-01-01T00:00:00Z"})
    kubeconfig = make_account("get list create patch").kubeconfig()
    async with controller(cluster, namespace), running(kubeconfig, worker) as runs:
        ended = await runs.run(marked, "hello", SECONDS)
    assert ended.answer.text == "worker says: done."
    assert "could not be deleted" in ended.left
    assert ended.expires == "2030-01-01T00:00:00Z"
    assert len(found(cluster, namespace)) == 1


async def test_agent_is_deleted_when_the_answer_to_its_creation_is_lost(
    cluster: Cluster, namespace: str, account: ServiceAccount, proxy: Proxy
) -> None:
    """The API server creates it, and the answer never comes: it is found by its name."""
    async with running(account.kubeconfig(proxy.url), "http://127.0.0.1:9") as runs:
        original = runs._client.apply

        async def lost(path: str, body: Any, *, manager: str, dry_run: bool = False) -> Any:
            done = await original(path, body, manager=manager, dry_run=dry_run)
            if not dry_run:
                raise UnreachableError("cut")
            return done

        runs._client.apply = lost  # type: ignore[method-assign]
        with pytest.raises(Fault) as caught:
            await runs.run(manifest(namespace), "hello", SECONDS)
    assert caught.value.reason is RegistryReason.OUTCOME_UNKNOWN
    assert found(cluster, namespace) == []


async def test_api_server_that_is_away_for_a_while_is_waited_for(
    cluster: Cluster, namespace: str, account: ServiceAccount, proxy: Proxy, worker: str
) -> None:
    async with running(account.kubeconfig(proxy.url), worker) as runs:
        task = asyncio.create_task(runs.run(manifest(namespace), "hello", SECONDS))
        made = await appeared(cluster, namespace)
        (job,) = runs._running.values()

        async def waits() -> bool | None:
            # It is there before whoever created it hears of that.
            return True if job.doing.startswith("waiting") else None

        async def missed() -> bool | None:
            return True if "127.0.0.1" in job.seen else None

        await until("the creation to be answered", waits, SECONDS)
        proxy.refuse()
        set_ready(cluster.api, made)
        await until("a look that fails", missed, SECONDS)
        proxy.heal()
        ended = await task
    assert ended.answer.text == "worker says: done."
    assert found(cluster, namespace) == []


def test_names_are_their_own_and_fit() -> None:
    assert own_name("a") != own_name("a")
    assert re.fullmatch(r"a-[a-z0-9]{8}", own_name("a"))
    assert len(own_name("x" * 63)) == 63
    assert "--" not in own_name("x" * 53 + "-" * 10)


async def call(client: Any, **arguments: Any) -> tuple[bool, dict[str, Any]]:
    result = await client.call_tool("run_ephemeral_agent", arguments)
    return bool(result.is_error), result.structured_content or {"text": result.content[0].text}


@pytest.fixture
def offered(
    account: ServiceAccount,
    registry: Any,
    make_settings: Any,
    serve_tools: Any,
    worker: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    made = partial(Ephemeral, url_of=lambda *_: worker)
    monkeypatch.setattr("hotpeers.mcp.server.Ephemeral", made)
    kubeconfig = str(account.kubeconfig())
    home = f"{account.namespace}/asker"
    return serve_tools(
        make_settings(registry_url=registry.url, kubeconfig=kubeconfig, orchestrator=home)
    )


async def test_tool_runs_an_entry_or_a_manifest(
    cluster: Cluster, namespace: str, offered: Any
) -> None:
    mine = json.dumps(manifest(namespace))
    async with offered as client, controller(cluster, namespace):
        bad, ran = await call(
            client, message="hello", name="acme.translator", agent_name="worker", model="cheap"
        )
        worse, own = await call(client, message="hello", manifest=mine)
        refusals = [
            await call(client, message="hello"),
            await call(client, message="hello", name="acme.translator", manifest=mine),
            await call(
                client, message="x", manifest="apiVersion: v1\nkind: Pod\nmetadata: {name: a}"
            ),
            await call(client, message="x", name="nobody"),
        ]
    assert (bad, worse) == (False, False), (ran, own)
    assert (ran["state"], ran["answer"], ran["deleted"]) == (
        "completed",
        "worker says: done.",
        True,
    )
    assert ran["template"] == "acme.translator@latest"
    assert ran["name"].startswith("worker-")
    assert [one["field"] for one in ran["unmapped"]] == ["mcpServers", "mcpServers[0]"]
    assert own["answer"] == "worker says: done."
    assert [said["reason"] for _, said in refusals] == [
        *["ManifestRefused"] * 3,
        "TemplateNotFound",
    ]
    assert found(cluster, namespace) == []


async def test_cancelled_call_deletes_the_agent(
    cluster: Cluster, namespace: str, offered: Any
) -> None:
    async with offered as client:
        task = asyncio.create_task(call(client, message="hello", name="acme.translator"))
        await appeared(cluster, namespace)
        task.cancel()
        await asyncio.wait({task})
        await gone(cluster, namespace)
