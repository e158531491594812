"""Manifests: the fields that are read, and one clear line for each problem."""

import json
from uuid import UUID

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.model.manifest import read_manifests
from hotpeers.model.reasons import ModelReason
from hotpeers.model.snapshot import Candidate, Snapshot
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.resolve.resolver import Rules, resolve
from hotpeers_shim.contract import Nack, Skill
from kit.cards import new_card, old_card

PEER = """
apiVersion: hotpeers.dev/v1alpha1
kind: Peer
metadata:
  name: weather
  namespace: default
  labels: {tier: gold}
spec:
  url: http://weather:8080/a2a
  description: "Tells\\nthe weather"
  cardPath: /card.json
  timeout: 1m30s
"""
AGENT = """
apiVersion: kagent.dev/v1alpha2
kind: Agent
metadata:
  name: sql
  uid: 6f1c
  creationTimestamp: 2026-01-31T12:00:00Z
  annotations: {hotpeers.dev/url: "http://sql.team:8080"}
spec:
  type: Declarative
  description: Asks databases
  declarative:
    runtime: python
    a2aConfig:
      skills:
        - {id: query, name: Query, description: Runs it, tags: [db]}
        - {name: nameless}
"""
CARD_1 = new_card(
    "http://weather:9000/rpc",
    name="Weather Agent",
    version="1.0.0",
    supportedInterfaces=[
        {"url": "http://weather:9000/grpc", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
        {"url": "http://weather:9000/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
    ],
)
CARD_0 = old_card("http://weather:9000/rpc", name="Weather Agent", version="1.0.0")


def one(text: str, where: str = "a.yaml") -> Candidate:
    found = read_manifests(text.encode(), where)
    assert not found.problems
    (candidate,) = found.candidates
    return candidate


def test_peer_is_read() -> None:
    peer = one(PEER)
    assert (peer.kind, peer.namespace, peer.name, peer.tool) == (
        "Peer",
        "default",
        "weather",
        "default__NS__weather",
    )
    assert (peer.url, peer.card_path, peer.timeout) == (
        "http://weather:8080/a2a",
        "/card.json",
        90.0,
    )
    assert peer.description == "Tells the weather"
    assert peer.labels == {"tier": "gold"}
    assert peer.source == "a.yaml#Peer/default/weather"
    assert peer.created is None
    assert UUID(peer.uid) == UUID(one(PEER).uid) != UUID(one(PEER, "b.yaml").uid)


def test_agent_is_read() -> None:
    agent = one(AGENT)
    assert (agent.kind, agent.namespace, agent.name, agent.uid) == ("Agent", "", "sql", "6f1c")
    assert agent.url == "http://sql.team:8080"
    assert agent.skills == (
        Skill("query", "Query", "Runs it", ("db",)),
        Skill("nameless", "nameless"),
    )
    assert agent.created is None, "what a file says of its age is only text"


def test_agent_without_the_annotation_has_no_url() -> None:
    assert one(AGENT.replace("hotpeers.dev/url", "other")).url == ""


@pytest.mark.parametrize("card", [CARD_0, CARD_1], ids=["0.3", "1.x"])
def test_card_is_read(card: dict[str, object]) -> None:
    found = one(json.dumps(card), "weather.json")
    assert (found.kind, found.namespace, found.name) == ("Card", "", "weather-agent")
    assert (found.url, found.card_read) == ("http://weather:9000/rpc", True)
    assert found.skills == (Skill("forecast", "Forecast", "Tomorrow", ("sky",)),)


def test_documents_and_lists_are_taken_apart() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [CARD_0 | {"name": "B"}]}
    text = f"{PEER}\n---\n{AGENT}\n---\n# nothing\n---\n{json.dumps(listed)}\n"
    found = read_manifests(text.encode(), "all.yaml")
    assert not found.problems
    assert [candidate.name for candidate in found.candidates] == ["weather", "sql", "b"]


def test_objects_of_other_programs_are_ignored_and_named() -> None:
    text = f"apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\n---\n{PEER}"
    found = read_manifests(text.encode(), "a.yaml")
    assert [candidate.name for candidate in found.candidates] == ["weather"]
    assert found.ignored == (
        "a.yaml document 1: v1, kind Service is not a kind or version that hotpeers reads",
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "reason", "part"),
    [
        ("url: http://weather:8080/a2a", "ur: x", "spec.url", Nack.WRONG_SHAPE, "is missing"),
        ("http://weather:8080/a2a", "7", "spec.url", Nack.WRONG_SHAPE, "string is needed, not int"),
        ("http://weather:8080/a2a", "ftp://a", "spec.url", Nack.WRONG_SHAPE, "not an http(s) URL"),
        ("http://weather:8080/a2a", "http://u:secret@a", "spec.url", Nack.WRONG_SHAPE, "user name"),
        ("http://weather:8080/a2a", "http://a?b", "spec.url", Nack.WRONG_SHAPE, "query"),
        ("/card.json", "//evil/card", "spec.cardPath", Nack.WRONG_SHAPE, "not a path on"),
        ("/card.json", "http://evil/card", "spec.cardPath", Nack.WRONG_SHAPE, "not a path on"),
        ("1m30s", "soon", "spec.timeout", Nack.WRONG_SHAPE, '"30s"'),
        ("1m30s", "0", "spec.timeout", Nack.WRONG_SHAPE, "above 0"),
        ("1m30s", "25h", "spec.timeout", Nack.WRONG_SHAPE, "24h"),
        ("1m30s", "true", "spec.timeout", Nack.WRONG_SHAPE, "not a time"),
        ("name: weather", "name: Weather_1", "metadata.name", Nack.WRONG_SHAPE, "lower case"),
        ("name: weather", "name: 7", "metadata.name", Nack.WRONG_SHAPE, "string is needed"),
        ("namespace: default", "namespace: A", "metadata.namespace", Nack.WRONG_SHAPE, "name"),
        ("tier: gold", "tier: true", "metadata.labels.tier", Nack.WRONG_SHAPE, "not bool"),
        ("kind: Peer", "kind: Pear", "kind", ModelReason.UNKNOWN_KIND, "'Pear'"),
        ("kind: Peer", "kind: SpawnPolicy", "kind", ModelReason.UNKNOWN_KIND, "policy explain -f"),
        ("kind: Peer", "", "", ModelReason.UNKNOWN_KIND, "kind is missing"),
        ("v1alpha1", "v9", "apiVersion", Nack.UNSUPPORTED_VERSION, "hotpeers.dev/v1alpha1"),
        ("kind: Peer", "kind: [", "", ModelReason.NOT_YAML, "line"),
        ("metadata:", "\tmetadata:", "", ModelReason.NOT_YAML, "line"),
        ("default", "!!python/name:os.system", "", ModelReason.NOT_YAML, "python/name"),
        (
            "kind: Peer",
            "kind: Peer\nkind: Peer",
            "",
            ModelReason.DUPLICATE_KEY,
            "'kind' is there twice",
        ),
        ("cardPath", "url: http://b\n  cardPath", "", ModelReason.DUPLICATE_KEY, "first in line"),
    ],
)
def test_problem_names_field_reason_and_what_is_allowed(
    old: str, new: str, field: str, reason: Reason | Nack, part: str
) -> None:
    assert old in PEER
    found = read_manifests(PEER.replace(old, new, 1).encode(), "a.yaml")
    assert not found.candidates
    problem = found.problems[0]
    assert (problem.where, problem.field, problem.reason) == ("a.yaml", field, reason)
    assert part in problem.message
    assert "\n" not in str(problem)
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Nack.FILE_EMPTY),
        (b"\n \n", Nack.FILE_EMPTY),
        (b"\xff\xfe", Nack.NOT_UTF8),
        (b"#" * (1024 * 1024 + 1), Nack.FILE_TOO_LARGE),
        (b"- - " * 20_000, ModelReason.NOT_YAML),
        (b"[" * 100_000, ModelReason.NOT_YAML),
        (b"a: " + b"9" * 10_000, ModelReason.NOT_YAML),
        (b"\x00\x01", ModelReason.NOT_YAML),
        (b"just text", Nack.WRONG_SHAPE),
        (b"[1, 2]", Nack.WRONG_SHAPE),
        (b"kind: List\nitems: {}\n", Nack.WRONG_SHAPE),
        (b"kind: AgentList\napiVersion: kagent.dev/v1alpha2\n", Nack.WRONG_SHAPE),
        (b"name: x\nskills: 7\n", ModelReason.INTERFACE_MISSING),
        (b"name: x\nurl: 7\n", ModelReason.INTERFACE_MISSING),
        (b"name: x\nskills: []\n", ModelReason.INTERFACE_MISSING),
        (b"name: ' '\nurl: http://a:1\n", ModelReason.CARD_INVALID),
    ],
)
def test_malformed_file_has_its_reason(raw: bytes, reason: Reason | Nack) -> None:
    found = read_manifests(raw, "a.yaml")
    assert [problem.reason for problem in found.problems] == [reason]
    assert len(str(found.problems[0])) < 600


def test_malformed_json_has_its_place() -> None:
    found = read_manifests(b'{"kind": "Peer",}', "a.json")
    assert found.problems[0].reason is Nack.NOT_JSON
    assert "line 1 column" in found.problems[0].message
    assert read_manifests(b"[" * 100_000, "a.json").problems[0].reason is Nack.NOT_JSON


@pytest.mark.parametrize(
    "bomb",
    [
        "a0: &a0 [x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)),
        "a0: &a0 {k: v, l: v, m: v}\n"
        + "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)),
    ],
    ids=["aliases", "merge keys"],
)
def test_yaml_that_multiplies_is_refused(bomb: str) -> None:
    assert read_manifests(bomb.encode(), "a.yaml").problems[0].reason is ModelReason.NOT_YAML


def test_bad_document_is_reported_with_its_number_and_all_fields() -> None:
    bad = PEER.replace("name: weather", "name: A").replace("1m30s", "x")
    found = read_manifests(f"{PEER}\n---\n{bad}".encode(), "a.yaml")
    assert [(problem.document, problem.field) for problem in found.problems] == [
        (2, "metadata.name"),
        (2, "spec.timeout"),
    ]


def test_hostile_text_is_cleaned() -> None:
    card = CARD_0 | {"description": "a\u202eb\x1b[2Jc\n" + "d" * 9000, "name": "W\u0000"}
    found = one(json.dumps(card), "a.json")
    assert found.description.startswith("abc ddd")
    assert len(found.description) == 4096
    assert found.name == "w"


def test_card_whose_name_has_no_latin_letter_is_a_peer() -> None:
    weather, news = (
        one(json.dumps(CARD_0 | {"name": name, "description": "d"}), "a.json")
        for name in ("\u5929\u6c17", "\u041d\u043e\u0432\u043e\u0441\u0442\u0438 2")
    )
    assert weather.name.startswith("agent-")
    assert news.name.startswith("2-")
    assert weather.name != news.name
    assert weather.description == "\u5929\u6c17: d"
    assert weather.tool.isidentifier()
    again = one(json.dumps(CARD_0 | {"name": "\u5929\u6c17", "description": "e"}), "b.json")
    assert again.tool == weather.tool
    assert weather.interfaces[0].url == weather.url


def test_card_that_lists_grpc_first_is_at_its_http_address() -> None:
    listed = [
        {"url": "weather:50051", "protocolBinding": "GRPC"},
        {"url": "http://weather:8080/rpc", "protocolBinding": "JSONRPC"},
    ]
    found = one(json.dumps({"name": "W", "supportedInterfaces": listed}), "a.json")
    assert found.url == "http://weather:8080/rpc"
    assert [i.url for i in found.interfaces] == ["http://weather:8080/rpc", "http://weather:50051"]
    found = one(json.dumps({"name": "W", "supportedInterfaces": listed[:1]}), "a.json")
    assert [i.url for i in found.interfaces] == [found.url] == ["http://weather:50051"]


@pytest.mark.parametrize(
    "name", ["\U0001f326\ufe0f", "\u2605\u2605", "---", "\U0001f916\U0001f3fd"]
)
def test_card_that_is_named_by_symbols_is_a_peer(name: str) -> None:
    found = one(json.dumps(CARD_0 | {"name": name, "description": "d"}), "a.json")
    other = one(json.dumps(CARD_0 | {"name": f"{name}{name}", "description": "d"}), "a.json")
    assert found.name.startswith("agent-")
    assert found.tool.isidentifier()
    assert found.tool != other.tool
    assert found.description == f"{name}: d"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Weather Agent", "weather-agent"),
        ("caf\u00e9", "cafe"),
        ("\u5929\u6c17 Agent", "agent"),
        ("\U0001f326\ufe0f 2", "2"),
        ("007", "007"),
        ("\u0417\u0430\u043f\u0440\u043e\u0441 SQL", "sql"),
    ],
)
def test_name_with_ascii_characters_keeps_its_slug(name: str, slug: str) -> None:
    assert one(json.dumps(CARD_0 | {"name": name, "description": "d"}), "a.json").name == slug


def test_colliding_tool_name_is_refused_and_reported() -> None:
    cards = [
        one(json.dumps(CARD_0 | {"name": f"{name} Agent"}), f"{file}.json")
        for file, name in (("a", "\u5929\u6c17"), ("b", "\u65b0\u805e"))
    ]
    found = resolve(Snapshot(tuple(cards)), {}, Rules(), ())
    assert [peer.source for peer in found.peers] == [cards[0].source]
    assert [refused.reason for refused in found.refused] == [SidecarReason.NAME_COLLISION]
