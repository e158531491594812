"""Agents that spawn agents: it ends at maxDepth, and there is no way around."""

import itertools

import pytest

from cluster.admission.attempts import AGENTS
from cluster.admission.outcome import APPLY, MERGE, PATCH, Attempt, By, attempt
from cluster.admission.scene import MANY, Scene, policy
from kit.apiserver.client import Api, Object
from kit.controller.guard_scene import until_governed
from kit.spawning import declarative, edited

DEPTH = 4


@pytest.fixture
def chain(guarded: Scene) -> list[tuple[str, Api]]:
    """Each spawned the next, until one could not; the first is the orchestrator."""
    root = guarded.govern(
        "chief", names=["level-*", "worker-*"], limits={**MANY, "maxDepth": DEPTH}
    )
    found = [("chief", root)]
    for level in itertools.count(1):
        name = f"level-{level}"
        outcome = attempt(found[-1][1], Attempt("POST", AGENTS, declarative(name)))
        if outcome.by is not By.NOBODY:
            assert "TooDeep" in outcome.message
            break
        assert outcome.found["metadata"]["annotations"]["hotpeers.dev/depth"] == str(level)
        # As kagent does: an account of the agent's name, for its pods.
        found.append((name, guarded.login(name)))
        until_governed(found[-1][1], "team")
        assert level <= DEPTH
    return found


def test_loop_of_spawners_ends(chain: list[tuple[str, Api]], guarded: Scene) -> None:
    assert len(chain) == DEPTH + 1
    # Another team's policy allows more, and also names the last agent as a subject.
    subjects = [{"kind": "Agent", "name": f"level-{DEPTH}"}, {"kind": "Agent", "name": "guest"}]
    wide = policy("wide", subjects=subjects, names=["level-*"], limits={**MANY, "maxDepth": 8})
    guarded.api.create(wide)
    last, before = chain[-1][1], chain[-2][0]
    own = f"{AGENTS}/level-{DEPTH}"
    stamp = "/metadata/annotations/hotpeers.dev~1"
    elsewhere = edited(declarative("level-9"), ("metadata.namespace", "sandbox"))
    detours = {
        "another name": Attempt("POST", AGENTS, declarative("level-99")),
        "dry": Attempt("POST", f"{AGENTS}?dryRun=All", declarative("level-9")),
        "applied": Attempt(
            "PATCH", f"{AGENTS}/level-9?fieldManager=x&force=true", declarative("level-9"), APPLY
        ),
        "elsewhere": Attempt("POST", AGENTS.replace("/team/", "/sandbox/"), elsewhere),
        "another policy": Attempt("POST", AGENTS, stamped(policy="team/wide")),
        "less depth": Attempt("POST", AGENTS, stamped(depth="1")),
        "another spawner": Attempt("POST", AGENTS, stamped(**{"spawned-by": "team/chief"})),
        "its own depth": Attempt(
            "PATCH", own, {"metadata": {"annotations": {"hotpeers.dev/depth": "0"}}}, MERGE
        ),
        "its own policy": Attempt(
            "PATCH", own, [{"op": "add", "path": f"{stamp}policy", "value": "team/wide"}], PATCH
        ),
        "no stamps of its own": Attempt(
            "PATCH", own, {"metadata": {"annotations": None, "labels": None}}, MERGE
        ),
        "itself, deleted": Attempt("DELETE", own),
        "its parent, deleted": Attempt("DELETE", f"{AGENTS}/{before}"),
        "its parent, again": Attempt("POST", AGENTS, declarative(before)),
        "the orchestrator, again": Attempt("POST", AGENTS, declarative("chief")),
        "a subject of another policy": Attempt("POST", AGENTS, declarative("guest")),
        "the policy": Attempt(
            "PATCH",
            "/apis/hotpeers.dev/v1alpha1/namespaces/team/spawnpolicies/chiefs",
            {"spec": {"limits": {"maxDepth": 8}}},
            MERGE,
        ),
        "a policy of its own": Attempt(
            "POST", "/apis/hotpeers.dev/v1alpha1/namespaces/team/spawnpolicies", wide
        ),
        "a token of the orchestrator": Attempt(
            "POST",
            "/api/v1/namespaces/team/serviceaccounts/chief/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        ),
        "an account of its own": Attempt(
            "POST",
            "/api/v1/namespaces/team/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "level-9"}},
        ),
    }
    outcomes = {name: attempt(last, one) for name, one in detours.items()}
    assert {name: one.by for name, one in outcomes.items()} == dict.fromkeys(detours, By.GUARD)
    for name in ("another name", "dry", "applied"):
        assert "TooDeep" in outcomes[name].message


def test_recreated_parent_gives_its_child_no_more_depth(guarded: Scene) -> None:
    """An agent in the middle of the chain is deleted and recreated: its children gain no depth."""
    root = guarded.govern("boss", names=["rung-*", "worker-*"], limits={**MANY, "maxDepth": 2})
    root.create(declarative("rung-1"))
    first = guarded.login("rung-1")
    until_governed(first, "team")
    first.create(declarative("rung-2"))
    second = guarded.login("rung-2")
    until_governed(second, "team")
    root.request("DELETE", f"{AGENTS}/rung-1")
    again = attempt(second, Attempt("POST", AGENTS, declarative("rung-1")))
    assert again.by is By.GUARD
    assert "TooDeep" in again.message
    # Its spawner may make it again, once its account is gone too, and it then stands where it stood.
    guarded.account("rung-1").delete()
    made = root.create(declarative("rung-1"))
    assert made["metadata"]["annotations"]["hotpeers.dev/depth"] == "1"
    first = guarded.login("rung-1")
    until_governed(first, "team")
    deeper = attempt(first, Attempt("POST", AGENTS, declarative("rung-3")))
    assert deeper.found["metadata"]["annotations"]["hotpeers.dev/depth"] == "2"
    # The recreated agent does not own the children of its predecessor.
    assert attempt(first, Attempt("DELETE", f"{AGENTS}/rung-2")).by is By.GUARD
    # Without an owner it would be deleted in a minute, in the middle of another test.
    guarded.api.delete(declarative("rung-2"))


def stamped(**stamps: str) -> Object:
    """A new agent that says how deep it is, and under which policy."""
    edits = [(f'metadata.annotations["hotpeers.dev/{key}"]', one) for key, one in stamps.items()]
    return dict(edited(declarative("level-9"), *edits))
