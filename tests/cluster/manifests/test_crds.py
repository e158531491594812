"""The custom resources: what the API server lets in, and that the sidecar means the same."""

import json
import os
from pathlib import Path

import pytest

from hotpeers.base.problems import Problem
from hotpeers.model.manifest import read_manifests
from kit.apiserver.client import ApiError, Object, read_yaml
from kit.apiserver.resources import (
    AGENTS,
    MCP_SERVERS,
    MODEL_CONFIGS,
    PEERS,
    agent,
    peer,
    set_ready,
)
from kit.apiserver.server import Cluster

URL = "http://weather:8080"
GOOD: dict[str, Object] = {
    "the least": {"url": URL},
    "everything": {
        "url": f"{URL}/a2a/",
        "description": "Tells\nthe weather",
        "cardPath": "/card.json",
        "timeout": "1m30s",
    },
    "https without a port": {"url": "https://weather.example"},
    "upper case": {"url": "HTTP://Weather:8080/A2A"},
    "IPv4": {"url": "http://10.0.0.1:65535"},
    "IPv6": {"url": "http://[2001:db8::1]:8080/a2a"},
    "no port after the colon": {"url": "http://weather:/"},
    "an @ in the path": {"url": f"{URL}/users/@weather"},
    "the longest": {"url": f"{URL}/".ljust(2020, "a")},
    "card below the URL": {"url": f"{URL}/a2a", "cardPath": "cards/weather.json?v=1"},
    "card by its whole address": {"url": URL, "cardPath": f"{URL}/card.json"},
    "as long as both may be": {"url": f"{URL}/".ljust(2020, "a"), "cardPath": "a" * 27},
    "card two folders up": {"url": URL, "cardPath": "../../card.json"},
    "seconds": {"url": URL, "timeout": 30},
    "a day": {"url": URL, "timeout": "24h"},
    "a day in seconds": {"url": URL, "timeout": 86_400},
    "a part of a second": {"url": URL, "timeout": "1.5s"},
    "milliseconds": {"url": URL, "timeout": "250ms"},
    "an hour and more": {"url": URL, "timeout": "1h30m15.5s"},
    "units in any order": {"url": URL, "timeout": "30s1m"},
    "nothing said": {"url": URL, "description": "", "cardPath": ""},
}
# What the API server says of each; the sidecar's own words are tested with its model.
BAD: dict[str, tuple[Object, str]] = {
    "no URL": ({}, "spec.url: Required value"),
    "empty URL": ({"url": ""}, "spec.url"),
    "number as URL": ({"url": 8080}, "spec.url in body must be of type string"),
    "too long": ({"url": f"{URL}/".ljust(2021, "a")}, "may not be more than 2020"),
    "no scheme": ({"url": "weather:8080"}, "is not an http(s) URL"),
    "another scheme": ({"url": "ftp://weather"}, "is not an http(s) URL"),
    "scheme only": ({"url": "http://"}, "needs a host"),
    "no host": ({"url": "http:///a2a"}, "needs a host"),
    "no host, and an @ in the path": ({"url": "http:///@"}, "needs a host"),
    "a port and no host": ({"url": "http://:8080"}, "needs a host"),
    "a port that is none": ({"url": "http://weather:a2a"}, "only a port"),
    "two ports": ({"url": "http://weather:80:80"}, "only a port"),
    "a port too high": ({"url": "http://weather:65536"}, "has a port above 65535"),
    "no IPv6": ({"url": "http://[::1::2]:80"}, "not an IPv6 address"),
    "IPv4 in brackets": ({"url": "http://[10.0.0.1]:80"}, "not an IPv6 address"),
    "open bracket": ({"url": "http://[::1"}, "needs a host"),
    "a user": ({"url": "http://me@weather"}, "holds a user name"),
    "a password": ({"url": "http://me:secret@weather"}, "holds a user name"),
    "an empty user": ({"url": "http://@weather"}, "holds a user name"),
    "a query": ({"url": f"{URL}?a=b"}, "has a query or a fragment"),
    "a fragment": ({"url": f"{URL}/#"}, "has a query or a fragment"),
    "a space": ({"url": f"{URL}/a b"}, "holds a character that a URL may not"),
    "a space in front": ({"url": f" {URL}"}, "holds a character that a URL may not"),
    "a line feed": ({"url": f"{URL}\n"}, "holds a character that a URL may not"),
    "a backslash": ({"url": "http://weather\\@evil"}, "holds a character that a URL may not"),
    "not ASCII": ({"url": "http://wetter-köln"}, "holds a character that a URL may not"),
    "description is a list": ({"url": URL, "description": []}, "must be of type string"),
    "card elsewhere": ({"url": URL, "cardPath": "http://evil/card"}, "leaves the origin"),
    "card on another port": ({"url": URL, "cardPath": "http://weather:81/c"}, "leaves the origin"),
    "card on a longer host": ({"url": URL, "cardPath": f"{URL}0/card"}, "leaves the origin"),
    "card with a user": ({"url": URL, "cardPath": f"{URL}@evil/card"}, "leaves the origin"),
    "card on another scheme": ({"url": URL, "cardPath": "https://weather:8080/c"}, "leaves the o"),
    "card beside": ({"url": URL, "cardPath": "//evil/card"}, "leaves the origin"),
    "card as mail": ({"url": URL, "cardPath": "mailto:card"}, "leaves the origin"),
    "card not ASCII": ({"url": URL, "cardPath": "/kärte"}, "holds a character"),
    "card too long": ({"url": URL, "cardPath": "/".ljust(2049, "a")}, "may not be more than 2048"),
    "both too long": (
        {"url": f"{URL}/".ljust(2020, "a"), "cardPath": "a" * 28},
        "is too long together with the URL",
    ),
    "no time": ({"url": URL, "timeout": 0}, "is not a time"),
    "zero": ({"url": URL, "timeout": "0s"}, "is not a time"),
    "negative": ({"url": URL, "timeout": -1}, "is not a time"),
    "negative text": ({"url": URL, "timeout": "-1s"}, "is not a time"),
    "over a day": ({"url": URL, "timeout": 86_401}, "is not a time"),
    "over a day in parts": ({"url": URL, "timeout": "24h1ms"}, "is not a time"),
    "far over a day": ({"url": URL, "timeout": "99999999h"}, "is not a time"),
    "no unit": ({"url": URL, "timeout": "30"}, "is not a time"),
    "another unit": ({"url": URL, "timeout": "1d"}, "is not a time"),
    "words": ({"url": URL, "timeout": "soon"}, "is not a time"),
    "empty time": ({"url": URL, "timeout": ""}, "is not a time"),
    "true": ({"url": URL, "timeout": True}, "spec.timeout"),
    "an object": ({"url": URL, "timeout": {"seconds": 1}}, "spec.timeout"),
}
# The sidecar is more generous than the custom resource here, for a folder of manifests has no
# API server: (what, why).
GENEROUS: dict[str, tuple[Object, str]] = {
    # A structural schema has no "number or text".
    "seconds as a fraction": ({"url": URL, "timeout": 1.5}, "spec.timeout"),
    # Cut by the sidecar; kept from filling etcd by the API server.
    "a novel": ({"url": URL, "description": "a" * 16_385}, "may not be more than 16384"),
}


def dry_run(cluster: Cluster, manifest: Object) -> Object:
    path = cluster.api.path(manifest, named=False)
    return cluster.api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", manifest)


def of(spec: Object) -> Object:
    """A Peer of exactly this spec."""
    return {**peer("default", "it"), "spec": spec}


def problems(spec: Object) -> tuple[Problem, ...]:
    return read_manifests(json.dumps(of(spec)).encode(), "it.json").problems


@pytest.mark.parametrize("name", GOOD)
def test_good_peer_is_admitted_and_read(cluster: Cluster, crds: list[str], name: str) -> None:
    assert dry_run(cluster, of(GOOD[name]))["spec"] == GOOD[name]
    assert not problems(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_bad_peer_is_refused_by_both(cluster: Cluster, crds: list[str], name: str) -> None:
    spec, message = BAD[name]
    with pytest.raises(ApiError) as refused:
        dry_run(cluster, of(spec))
    assert refused.value.status in {400, 422}
    assert message in refused.value.message
    assert "rule evaluation" not in refused.value.message
    assert problems(spec)


@pytest.mark.parametrize("name", GENEROUS)
def test_resource_is_stricter_than_the_sidecar(
    cluster: Cluster, crds: list[str], name: str
) -> None:
    spec, message = GENEROUS[name]
    with pytest.raises(ApiError) as refused:
        dry_run(cluster, of(spec))
    assert message in refused.value.message
    assert not problems(spec)


def test_misspelt_field_is_rejected_with_its_name(cluster: Cluster, crds: list[str]) -> None:
    with pytest.raises(ApiError) as refused:
        dry_run(cluster, of({"url": URL, "cardpath": "/card"}))
    assert 'unknown field "spec.cardpath"' in refused.value.message


def test_peers_are_listed_as_people_look_for_them(
    cluster: Cluster, namespace: str, crds: list[str]
) -> None:
    cluster.api.create(peer(namespace, "weather", URL, description="Tells the weather"))
    table = cluster.api.table("hotpeers.dev/v1alpha1", "Peer", namespace)
    shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert shown == ["Name", "URL", "Offered", "Ready", "Failure", "Age"]
    assert table["rows"][0]["cells"][:2] == ["weather", URL]
    names = cluster.api.read(read_yaml(PEERS)[0])["status"]["acceptedNames"]
    assert names["shortNames"] == ["hp"]
    assert names["categories"] == ["hotpeers"]


def test_schema_is_structural(cluster: Cluster, crds: list[str]) -> None:
    for name in crds:
        crd = cluster.api.request(
            "GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        )
        met = {one["type"]: one["status"] for one in crd["status"]["conditions"]}
        assert (met["Established"], met["NamesAccepted"]) == ("True", "True")
        assert "NonStructuralSchema" not in met


def test_agent_keeps_unread_fields_and_has_a_status(
    cluster: Cluster, namespace: str, crds: list[str]
) -> None:
    made = agent(namespace, "sql", description="Asks", modelConfig="gpt", allowedNamespaces={})
    spec = cluster.api.create(made)["spec"]
    assert spec["modelConfig"] == "gpt"
    assert spec["allowedNamespaces"] == {"from": "Same"}
    conditions = set_ready(cluster.api, made, "False")["status"]["conditions"]
    assert [(one["type"], one["status"]) for one in conditions] == [("Ready", "False")]


@pytest.mark.skipif("KAGENT_CHECKOUT" not in os.environ, reason="KAGENT_CHECKOUT names none")
@pytest.mark.parametrize("file", [AGENTS, MODEL_CONFIGS, MCP_SERVERS], ids=lambda file: file.stem)
def test_object_has_the_fields_that_kagent_gives_it(file: Path) -> None:
    checkout = Path(os.environ["KAGENT_CHECKOUT"])
    plural = file.name.split(".")[0]
    (theirs,) = read_yaml(checkout / f"go/api/config/crd/bases/kagent.dev_{plural}.yaml")
    (ours,) = read_yaml(file)
    assert theirs["metadata"]["name"] == ours["metadata"]["name"]
    for same in ("group", "scope", "names"):
        assert theirs["spec"][same] == ours["spec"][same]
    versions = {version["name"]: version for version in theirs["spec"]["versions"]}
    for version in ours["spec"]["versions"]:
        upstream = versions[version["name"]]
        assert upstream["served"]
        assert upstream["subresources"] == version["subresources"]
        path, schema = version["name"], "openAPIV3Schema"
        compare(path, version["schema"][schema], upstream["schema"][schema])


def compare(path: str, ours: Object, theirs: Object) -> None:
    """Each field of ours exists there, with the same type, default, values and required fields."""
    for key in ("type", "format", "enum", "default"):
        if key in ours:
            assert (path, key, theirs.get(key)) == (path, key, ours[key])
    assert set(theirs.get("required", [])) == set(ours.get("required", [])), path
    for name, field in ours.get("properties", {}).items():
        assert name in theirs["properties"], f"{path}.{name} is not there"
        compare(f"{path}.{name}", field, theirs["properties"][name])
    for key in ("items", "additionalProperties"):
        if key in ours:
            compare(f"{path}.{key}", ours[key], theirs[key])
