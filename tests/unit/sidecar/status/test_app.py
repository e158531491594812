"""The HTTP server: probes, and a page that no text of a peer can break out of."""

import re
from dataclasses import replace

from aiohttp.test_utils import TestClient, TestServer

from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.resolve.resolver import Refused
from hotpeers.sidecar.status.app import make_app
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.metrics import Metrics
from hotpeers.sidecar.status.page import render_page
from hotpeers_shim.contract import Peer

EVIL = "<script>alert(1)</script>\"'&"


async def test_ready_only_after_the_first_projection() -> None:
    now = Status("directory /peers", "/run/peers.json")
    app = make_app(lambda: now, Metrics())
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/readyz")).status == 503
        now = replace(now, ready=True)
        assert (await client.get("/readyz")).status == 200
        status = await client.get("/status")
        assert status.headers["Cache-Control"] == "no-store"
        assert (await status.json())["ready"] is True
        metrics = await client.get("/metrics")
        assert metrics.content_type == "text/plain"
        assert "hotpeers_generation 0.0" in await metrics.text()
        assert (await client.get("/")).content_type == "text/html"
        assert (await client.get("/nothing")).status == 404
        assert (await client.post("/status")).status == 405


def test_page_escapes_everything() -> None:
    status = Status(
        EVIL,
        EVIL,
        EVIL,
        peers=(Peer(EVIL, EVIL, EVIL, description=EVIL, source=EVIL),),
        refused=(Refused(EVIL, EVIL, SidecarReason.URL_MISSING, EVIL),),
    )
    page = render_page(status.document())
    assert page.count("<script") == page.count('<script type="module" src="/static/') == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "'&" not in page


async def test_page_has_a_strict_policy_and_its_files() -> None:
    now = Status("directory /peers", "/run/peers.json")
    async with TestClient(TestServer(make_app(lambda: now, Metrics()))) as client:
        answer = await client.get("/")
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        files = re.findall(r'(?:src|href)="(/static/[^"]*)"', await answer.text())
        assert len(files) >= 3
        for file in files:
            assert (await client.get(file)).status == 200
        assert (await client.get("/static/../page.py")).status == 404


def test_label_of_a_nack_is_of_the_vocabulary() -> None:
    metrics = Metrics()
    metrics.nacked("NotJson")
    metrics.nacked("whatever an agent cares to write")
    text = metrics.text()
    assert b'hotpeers_nacks_total{reason="NotJson"} 1.0' in text
    assert b'hotpeers_nacks_total{reason="Other"} 1.0' in text
