"""To which peers the headers go that identify the user: see `resolve.eligibility`."""

from pathlib import Path
from typing import Any

import pytest

from hotpeers.base.errors import SettingsError
from hotpeers.base.origin import UrlError
from hotpeers.base.settings import read_origins
from hotpeers.model.cluster import read_agent, read_agent_v1alpha3, read_peer
from hotpeers.model.gateway import gateway_reader
from hotpeers.sidecar.resolve.eligibility import takes_user_headers
from hotpeers.sidecar.settings import _origins
from kit.sidecars import Sidecar
from kit.waiting import until

NOBODY = frozenset()
LISTED = read_origins("https://a.example, HTTP://B.team:80/")


def agent(version: str = "v1alpha2", url: str = "") -> dict[str, Any]:
    annotations = {"hotpeers.dev/url": url} if url else {}
    return {
        "apiVersion": f"kagent.dev/{version}",
        "kind": "Agent",
        "metadata": {"name": "weather", "namespace": "team", "annotations": annotations},
        "spec": {"type": "Declarative", "description": "d"},
    }


def peer(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Peer",
        "metadata": {"name": "weather", "namespace": "team"},
        "spec": {"url": url, "description": "d"},
    }


def test_agent_at_its_own_service_takes_user_headers() -> None:
    assert takes_user_headers(read_agent(agent()), NOBODY)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example",
        "https://weather.team:8080",
        "http://weather.team:8081",
        "http://weather.team.evil.example:8080",
        "http://other.team:8080",
    ],
)
def test_agent_called_elsewhere_takes_no_user_headers(url: str) -> None:
    assert not takes_user_headers(read_agent_v1alpha3(agent("v1alpha3", url)), NOBODY)


@pytest.mark.parametrize(
    "url", ["http://weather.team:8080", "https://a.example.evil", "http://a.example"]
)
def test_peer_object_takes_no_user_headers_by_its_name(url: str) -> None:
    assert not takes_user_headers(read_peer(peer(url)), LISTED)


@pytest.mark.parametrize(
    "url", ["https://a.example", "https://A.example:443/x/y", "http://b.team", "http://b.team:80/z"]
)
def test_peer_of_a_listed_origin_does(url: str) -> None:
    assert takes_user_headers(read_peer(peer(url)), LISTED)


def test_agent_behind_kagents_gateway_does_unless_its_annotation_names_a_url() -> None:
    read = gateway_reader("http://kagent:8083")
    assert takes_user_headers(read(agent()), NOBODY)
    for url in (
        "http://evil.example",
        "http://weather.team:8080",
        "http://kagent:8083/agents/other/one",
        "http://kagent:8083/agents/team/weather",
    ):
        assert not takes_user_headers(read(agent("v1alpha3", url)), NOBODY)


@pytest.mark.parametrize(
    "text",
    ["a.example", "https://a.example/path", "https://u:p@a.example", "https://a.example?x", "*"],
)
def test_text_that_is_not_an_origin_is_refused(text: str) -> None:
    with pytest.raises(UrlError) as caught:
        read_origins(text)
    assert "u:p" not in str(caught.value)
    with pytest.raises(SettingsError, match="--user-headers-to"):
        _origins(text)


def test_flag_and_annotation_reach_the_peer_file(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path)
    sidecar.peers.mkdir()
    for name, url in (("listed", "http://127.0.0.1:9/a"), ("other", "http://127.0.0.1:10/a")):
        sidecar.put_peer(name, url=url)
    sidecar.start("--user-headers-to", "http://127.0.0.1:9")
    try:
        until(
            "two peers in the peer file",
            lambda: sidecar.file.exists() and len(sidecar.names()) == 2,
        )
        found = {peer.name: peer.userHeaders for peer in sidecar.read().peers}
        assert found == {"listed": True, "other": False}
    finally:
        sidecar.stop()
