"""Proxies of the agent's environment: used for the right peers, and named in their errors."""

from urllib.parse import urlsplit

import pytest
from harness import peer
from scripted import call, results

from hotpeers_shim import live
from kit.proxying import forward_proxy

NAME = "team__NS__weather"
IN_A_POD = ".svc,.cluster.local,127.0.0.0/8,10.0.0.0/8"
AWAY = "http://agent.example.invalid:8080"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", IN_A_POD)


def proxied(proxy) -> str:
    return proxy.url.replace("//", "//user:secret@")


def weather(url: str):
    ways = [{"url": url, "binding": "JSONRPC", "protocolVersion": "0.3"}]
    return peer("weather", url, interfaces=ways)


async def test_peer_is_called_through_the_proxy(peers, server, conversation, monkeypatch):
    async with forward_proxy(server.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxied(proxy))
        peers.write(weather(AWAY))
        events = await conversation().turn("go", call(NAME, "echo by proxy"), "end")
    assert results(events)[0].startswith("by proxy [context")
    assert all(line.startswith(f"POST {AWAY}") for line in proxy.asked)
    assert proxy.credentials


async def test_peer_on_this_machine_is_called_directly(peers, server, conversation, monkeypatch):
    async with forward_proxy(server.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxied(proxy))
        peers.write(weather(server.url))
        events = await conversation().turn("go", call(NAME, "echo directly"), "end")
    assert results(events)[0].startswith("directly [context")
    assert proxy.asked == []


async def test_service_in_its_short_form_is_called_directly(peers, conversation, monkeypatch):
    async with forward_proxy("", "502 Bad Gateway") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxied(proxy))
        peers.write(weather("http://weather.team:8080"))
        events = await conversation().turn("go", call(NAME, "hi"), "end")
    assert "no connection could be made" in results(events)[0]
    assert "proxy" not in results(events)[0]
    assert proxy.asked == []


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_refusal_of_a_proxy_names_it_without_its_password(
    peers, conversation, monkeypatch, scheme, status
):
    async with forward_proxy("", status) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", proxied(proxy))
        peers.write(weather(f"{scheme}://agent.example.invalid"))
        (result,) = results(await conversation().turn("go", call(NAME, "hi"), "end"))
    assert f"the proxy {proxy.url}" in result
    assert status[:3] in result
    assert "secret" not in result
    (failure,) = [one for one in live.get().ack().failures if one.subject == NAME]
    assert failure.reason == "PeerUnreachable"
    assert "secret" not in failure.message


@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "gopher://127.0.0.1:1"]
)
async def test_proxy_that_cannot_be_used_is_named(peers, conversation, monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy.replace("//", "//user:secret@"))
    peers.write(weather(AWAY))
    (result,) = results(await conversation().turn("go", call(NAME, "hi"), "end"))
    assert urlsplit(proxy).netloc in result
    assert "proxy" in result
    assert "secret" not in result
