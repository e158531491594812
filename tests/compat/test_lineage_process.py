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


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Gives the first agents of a chain, `team/a1` and so on. They are started when they are needed."""
    folder = tmp_path_factory.mktemp("chain")
    agents = []

    def start(count):
        for n in range(len(agents) + 1, count + 1):
            agents.append(Orchestrator(folder, f"a{n}", VERSION, HOTPEERS_MAX_DEPTH="3"))
        wait_until_ready(*agents)
        return emptied(*agents[:count])

    try:
        yield start
    finally:
        for one in agents:
            one.stop()


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    servers = Servers()
    one = KagentOrchestrator(tmp_path_factory.mktemp("kagent"), servers, hot=False)
    try:
        one.configure(instruction="first")
        one.start()
        yield one
    finally:
        one.stop()
        servers.stop()


def emptied(*agents):
    """They have no peers, and report no failed calls."""
    for one in agents:
        one.offer()
    for one in agents:
        until(f"{one.name} to forget its failures", lambda one=one: one.reported() == [])
    return agents


@pytest.fixture
def chain(first):
    """`team/a1` to `team/a3` of plain ADK, of which at most three in a row may call others."""
    return first(3)


@pytest.fixture
def kagent(static):
    """`team/boss`, an agent of kagent."""
    return emptied(static)[0]


@pytest.fixture
def other(tmp_path):
    """`team/other` of plain ADK in its own environment."""
    one = Orchestrator(tmp_path, "other", "1.0", str(ROOT / ".venvs/adk/bin/python"))
    try:
        wait_until_ready(one)
        yield one
    finally:
        one.stop()


@pytest.fixture(params=KINDS)
def agent(request):
    """An agent, and the text by which its model calls its peer."""
    if request.param == "kagent":
        return request.getfixturevalue("kagent"), "call team__NS__weather", "{}"
    return request.getfixturevalue("first")(1)[0], "plain", "plain"


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
        names = [*expected, f"team/{boss.name}"]
        assert chain_of(found) == names, what
        assert found["headers"][HEADER] == ",".join(names), what
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
        assert chain_of(raw.log(text=key)[-1]) == [*chain, f"team/{boss.name}"]


@pytest.mark.needs("to_a2a")
def test_chain_is_refused_at_the_hop_that_is_too_deep(chain, raw):
    raw.reset()
    raw.script("deep", ANSWER)
    for one, after in pairwise(chain):
        one.offer(after.entry())
    begins, _, last = chain
    last.offer(entry("weather", raw.url, "0.3", interfaces=[raw.way(*WAYS[0])]))
    said = begins.ask("deep", metadata={METADATA_KEY: ["team/a0"]})
    assert "Agent team__NS__weather was not called, and nothing was sent" in said
    assert "team/a0 -> team/a1 -> team/a2 -> team/a3 -> team/weather" in said
    assert "At most 3 agents in a row" in said
    assert raw.log(text="deep") == []
    until("the ack", lambda: last.reported() == ["CallTooDeep"])
    assert [one.reported() for one in chain[:2]] == [[], []]
    # One agent less is not too deep.
    assert "sunny" in begins.ask("deep")
    (found,) = raw.log(text="deep")
    assert chain_of(found) == ["team/a1", "team/a2", "team/a3"]
    until("the ack", lambda: last.reported() == [])


@pytest.mark.needs("to_a2a")
def test_loop_of_two_orchestrators_ends(chain):
    one, other, *_ = chain
    one.offer(other.entry())
    other.offer(one.entry())
    said = one.ask("round")
    assert "Agent team__NS__a1 was not called, and nothing was sent" in said, said
    assert "team/a1 -> team/a2 -> team/a1" in said
    until("the ack", lambda: other.reported() == ["CallLoop"])


@pytest.mark.needs("to_a2a")
def test_loop_ends_although_the_peer_has_another_name(chain):
    """A Service may have another name than its Deployment: its agent itself notices the loop."""
    one, other, *_ = chain
    one.offer(other.entry())
    other.offer({**one.entry(), "name": "alias"})
    said = one.ask("round")
    assert "this agent was called in a loop: team/a1 -> team/a2 -> team/a1" in said


@pytest.mark.needs("both generations")
def test_loop_of_kagent_and_plain_adk_of_the_other_generation_ends(kagent, other):
    """kagent-adk (a2a-sdk 0.3) calls google-adk 2 (a2a-sdk 1.x), which calls kagent-adk."""
    # to_a2a of google-adk 2 serves A2A 1.0 and 0.3 at one address.
    kagent.offer(entry("other", other.url, "0.3"))
    other.offer(entry("boss", kagent.url, "0.3"))
    heard = kagent.ask("call team__NS__other")["heard"]
    assert "Agent team__NS__boss was not called, and nothing was sent" in heard, heard
    assert "team/boss -> team/other -> team/boss" in heard
    until("the ack", lambda: other.reported() == ["CallLoop"])
    assert kagent.reported() == []
