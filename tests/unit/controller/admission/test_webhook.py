"""`/inject` over HTTP."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.controller.admission.injection import Webhook
from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.inject.outcome import Injection

POD = {
    "metadata": {"annotations": {"hotpeers.dev/inject": "true"}},
    "spec": {"serviceAccountName": "a", "containers": [{"name": "a", "image": "a"}]},
}
REQUEST = {"uid": "1", "kind": {"kind": "Pod"}, "namespace": "team", "object": POD}
BODY = json.dumps({"request": REQUEST})


class Scene:
    def __init__(self) -> None:
        self.draining = False
        self.metrics = ControllerMetrics()
        self.webhook = Webhook(self.metrics, lambda: self.draining)
        self.client: TestClient[Any, Any] = TestClient(TestServer(self.webhook.app()))

    def counted(self, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value("hotpeers_injections_total", labels)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    async with made.client:
        yield made


async def test_a_request_is_answered_and_counted(scene: Scene) -> None:
    scene.webhook.injection = Injection("hotpeers:1")
    async with scene.client.post("/inject", data=BODY) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert (await answer.json())["response"]["patchType"] == "JSONPatch"
        assert answer.headers.get("Connection") != "close"
    assert scene.counted(result="injected", reason="") == 1
    async with scene.client.post("/inject", data="{") as answer:
        assert (await answer.json())["response"]["allowed"] is True
    assert scene.counted(result="failed", reason="RequestInvalid") == 1


async def test_webhook_answers_503_until_the_injection_is_known(scene: Scene) -> None:
    async with scene.client.post("/inject", data=BODY) as answer:
        assert answer.status == 503


async def test_a_request_that_is_too_large_is_refused_unread_and_counted(scene: Scene) -> None:
    scene.webhook.injection = Injection("hotpeers:1")
    async with scene.client.post("/inject", data=io.BytesIO(bytes(9 * 1024 * 1024))) as answer:
        assert answer.status == 413
    assert scene.counted(result="failed", reason="RequestInvalid") == 1


async def test_each_answer_closes_its_connection_during_shutdown(scene: Scene) -> None:
    scene.webhook.injection = Injection("hotpeers:1")
    scene.draining = True
    async with scene.client.post("/inject", data=BODY) as answer:
        assert answer.status == 200
        assert answer.headers["Connection"] == "close"
