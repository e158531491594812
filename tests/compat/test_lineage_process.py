"""Real orchestrators that call each other: loops and chains that are too deep end by themselves."""

from itertools import pairwise

import pytest
from chained_agents import KagentOrchestrator, Orchestrator, ask, entry, wait_until_ready
from harness import A2A, KAGENT, lacks
from hot_agent import Servers
from loaded import ROOT
from rawkit import DONE, SUBMITTED, WAYS, artifact, text

from hotpeers_shim.lineage import HEADER, METADATA_KEY
from kit.waiting import until

VERSION = "0.3" if A2A < (1, 0) else "1.0"
ANSWER = [SUBMITTED, artifact("a", text("sunny")), DONE]
KINDS = [
    *(["plain"] if "to_a2a" not in lacks() else []),
    *(["kagent"] if KAGENT and "hot configuration" not in lacks() else []),
]


@pytest.fixture(autouse=True)
def runtime():
    """These programs are separate processes: their imports decide about the runtime."""


@pytest.fixture
def start(tmp_path):
    """Start orchestrators `team/<name>` of plain ADK, in this environment or another."""
    started = []

    def start_all(*names, version=VERSION, **options):
        agents = [Orchestrator(tmp_path, name, version, **options) for name in names]
        started.extend(agents)
        wait_until_ready(*agents)
        return agents

    yield start_all
    for one in started:
        one.stop()


@pytest.fixture
def kagent(tmp_path):
    folder = tmp_path / "kagent"
    folder.mkdir()
    servers = Servers()
    one = KagentOrchestrator(folder, servers, hot=False)
    try:
        one.configure(instruction="first")
        one.start()
        yield one
    finally:
        one.stop()
        servers.stop()


@pytest.fixture(params=KINDS)
def agent(request):
    """`team/boss`, and the text by which its model calls its peer."""
    if request.param == "kagent":
        return request.getfixturevalue("kagent"), "call team__NS__weather", "{}"
    (one,) = request.getfixturevalue("start")("boss")
    return one, "plain", "plain"


def chain_of(found):
    message = found["body"]["message"]
    return (message.get("metadata") or {}).get(METADATA_KEY)


CAME = {
    "nothing": ({}, []),
    "metadata": ({"metadata": {METADATA_KEY: ["team/a", "team/b"]}}, ["team/a", "team/b"]),
    "metadata of the request": ({"around": {METADATA_KEY: ["team/a"]}}, ["team/a"]),
    "one string": ({"metadata": {METADATA_KEY: "team/a,team/b"}}, ["team/a", "team/b"]),
    "header": ({"headers": {"X-HotPeers-Lineage": "team/a, team/b"}}, ["team/a", "team/b"]),
    "both": (
        {"metadata": {METADATA_KEY: ["team/a"]}, "headers": {HEADER: "team/b"}},
        ["team/a"],
    ),
    "malformed metadata": (
        {"metadata": {METADATA_KEY: {"x": ["team/a"]}}, "headers": {HEADER: "team/b"}},
        ["team/b"],
    ),
    "wrong types": ({"metadata": {METADATA_KEY: ["team/a", None, 3, True]}}, []),
    "control characters": ({"metadata": {METADATA_KEY: ["team/a\n\x1b[2J"]}}, []),
    "nested": ({"metadata": {METADATA_KEY: [[[[["team/a"]]]]]}}, []),
    "a number": ({"metadata": {METADATA_KEY: 1e300}}, []),
    "long": ({"metadata": {METADATA_KEY: ["x" * 100_000]}}, []),
    "malformed header": ({"headers": {HEADER: "team/a;b=\xe4"}}, []),
}


@pytest.mark.core
def test_lineage_of_a_request_is_passed_on(agent, raw):
    """Each form in which it may come, to one process one after another: none is left over."""
    boss, order, key = agent
    raw.config()
    raw.script(key, ANSWER)
    boss.offer(entry("weather", raw.url, "0.3", interfaces=[raw.way(*WAYS[0])]))
    for what, (more, expected) in CAME.items():
        raw.reset()
        raw.script(key, ANSWER)
        assert "sunny" in ask(boss.url, boss.version, order, **more), what
        (found,) = raw.log(text=key)
        assert chain_of(found) == [*expected, "team/boss"], what
        assert found["headers"][HEADER] == ",".join([*expected, "team/boss"]), what
    assert boss.reported() == []


@pytest.mark.core
def test_each_message_of_a_conversation_has_its_own_lineage(agent, raw):
    boss, order, key = agent
    raw.reset()
    raw.script(key, ANSWER)
    boss.offer(entry("weather", raw.url, "0.3", interfaces=[raw.way(*WAYS[0])]))
    for chain in (["team/a"], ["team/b", "team/c"], []):
        metadata = {METADATA_KEY: chain} if chain else {"other": 1}
        ask(boss.url, boss.version, order, metadata=metadata, contextId="the-same")
        assert chain_of(raw.log(text=key)[-1]) == [*chain, "team/boss"]


@pytest.mark.core
@pytest.mark.needs("to_a2a")
def test_chain_is_refused_at_the_hop_that_is_too_deep(start, raw):
    raw.reset()
    raw.script("deep", ANSWER)
    agents = start("a1", "a2", "a3", "a4", HOTPEERS_MAX_DEPTH="3")
    for one, after in pairwise(agents):
        one.offer(after.entry())
    agents[3].offer(entry("weather", raw.url, "0.3", interfaces=[raw.way(*WAYS[0])]))
    said = agents[0].ask("deep")
    assert "Agent team__NS__weather was not called, and nothing was sent" in said
    assert "team/a1 -> team/a2 -> team/a3 -> team/a4 -> team/weather" in said
    assert "At most 3 agents in a row" in said
    assert raw.log(text="deep") == []
    until("the ack", lambda: agents[3].reported() == ["CallTooDeep"])
    assert [one.reported() for one in agents[:3]] == [[], [], []]
    # One agent less is not too deep.
    assert "sunny" in agents[1].ask("deep")
    (found,) = raw.log(text="deep")
    assert chain_of(found) == ["team/a2", "team/a3", "team/a4"]
    until("the ack", lambda: agents[3].reported() == [])


@pytest.mark.core
@pytest.mark.needs("to_a2a")
def test_loop_of_two_orchestrators_ends(start):
    one, other = start("one", "other")
    one.offer(other.entry())
    other.offer(one.entry())
    said = one.ask("round")
    assert "Agent team__NS__one was not called, and nothing was sent" in said, said
    assert "team/one -> team/other -> team/one" in said
    until("the ack", lambda: other.reported() == ["CallLoop"])


@pytest.mark.core
@pytest.mark.needs("to_a2a")
def test_loop_ends_although_the_peer_has_another_name(start):
    """A Service may have another name than its Deployment: its agent itself notices the loop."""
    one, other = start("one", "other")
    one.offer(other.entry())
    other.offer({**one.entry(), "name": "alias"})
    said = one.ask("round")
    assert "this agent was called in a loop: team/one -> team/other -> team/one" in said


@pytest.mark.needs("both generations")
def test_loop_of_kagent_and_plain_adk_of_the_other_generation_ends(kagent, start):
    """kagent-adk (a2a-sdk 0.3) calls google-adk 2 (a2a-sdk 1.x), which calls kagent-adk."""
    (other,) = start("other", version="1.0", python=str(ROOT / ".venvs/adk/bin/python"))
    # to_a2a of google-adk 2 serves A2A 1.0 and 0.3 at one address.
    kagent.offer(entry("other", other.url, "0.3"))
    other.offer(entry("boss", kagent.url, "0.3"))
    heard = kagent.ask("call team__NS__other")["heard"]
    assert "Agent team__NS__boss was not called, and nothing was sent" in heard, heard
    assert "team/boss -> team/other -> team/boss" in heard
    until("the ack", lambda: other.reported() == ["CallLoop"])
    assert kagent.reported() == []
