"""`/inject` over HTTP."""

import base64
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
    def __init__(self, canary_image: str = "") -> None:
        self.draining = False
        self.metrics = ControllerMetrics()
        self.webhook = Webhook(self.metrics, lambda: self.draining, canary_image=canary_image)
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


async def images(scene: Scene, path: str) -> set[str]:
    """The images of the containers that a pod gets on this path, besides its own."""
    async with scene.client.post(path, data=BODY) as answer:
        patch = json.loads(base64.b64decode((await answer.json())["response"]["patch"]))
    added = [it for change in patch for it in found_containers(change.get("value"))]
    return {it["image"] for it in added} - {"a"}


def found_containers(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [it for one in value for it in found_containers(one)]
    return [value] if isinstance(value, dict) and "image" in value else []


@pytest.mark.parametrize("path", ["/inject", "/inject/namespace"])
async def test_canary_gets_its_own_image_and_others_do_not(path: str) -> None:
    scene = Scene("hotpeers:next")
    scene.webhook.injection = Injection("hotpeers:1")
    async with scene.client:
        assert await images(scene, path) == {"hotpeers:1"}
        assert await images(scene, f"{path}/canary") == {"hotpeers:next"}
        # The injection that other pods get is unchanged.
        assert await images(scene, path) == {"hotpeers:1"}


async def test_canary_without_an_image_is_as_any_other_namespace(scene: Scene) -> None:
    scene.webhook.injection = Injection("hotpeers:1")
    assert await images(scene, "/inject/canary") == {"hotpeers:1"}
