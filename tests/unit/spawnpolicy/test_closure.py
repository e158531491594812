"""For any request, an admitted agent is inside the policy's independently computed closure."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import hostile, legitimate
from kit.closure import outside
from kit.spawning import (
    DIGEST,
    IMAGE,
    LEAD,
    VALIDATING,
    byo,
    create,
    declarative,
    edited,
    spawned,
    update,
)

GOOD = list(legitimate.cases().values())
BAD = list(hostile.cases().values())
WORDS = st.sampled_from(
    [
        *(
            "python",
            "go",
            "small",
            "admin",
            "Declarative",
            "BYO",
            "Agent",
            "McpServer",
            "web",
            "files",
        ),
        *(
            "all",
            "asked",
            "service",
            "MCPServer",
            "RemoteMCPServer",
            "Service",
            "search",
            "write",
            "*",
        ),
        *(
            "team",
            "sandbox",
            "tools",
            "court",
            "judge",
            "checker",
            "aide-x",
            "lead",
            "true",
            "1h",
            "9h",
        ),
        *(
            IMAGE,
            "registry.example.com/team/tagged:1.0",
            DIGEST,
            "1",
            "500m",
            "2Gi",
            "x",
            "",
            "SEED",
        ),
    ]
)
SCALARS = st.one_of(WORDS, st.booleans(), st.integers(-5, 10**6), st.none(), st.text(max_size=8))
KEYS = st.sampled_from(
    sorted(
        {
            part.removesuffix("[]")
            for line in (Path(__file__).parent / "kagent_fields.txt").read_text().splitlines()
            if not line.startswith("#")
            for part in line.split(".")
        }
        | {
            "team",
            "cpu",
            "memory",
            "hotpeers.dev/depth",
            "hotpeers.dev/ttl",
            "hotpeers.dev/peer",
            "finalizers",
        }
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """An agent that would be admitted, with a few places changed, grown or crossed with another."""
    manifest = edited(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        place = _place(draw, manifest)
        what = draw(st.integers(0, 3))
        if isinstance(place, list):
            place.append(draw(ANYTHING))
        elif what == 0 and place:
            del place[draw(st.sampled_from(list(place)))]
        elif what == 1 and place:
            place[draw(st.sampled_from(list(place)))] = draw(ANYTHING)
        elif what == 2:
            place[draw(KEYS)] = draw(ANYTHING)
        else:
            donor = edited(draw(st.sampled_from(BAD)))
            manifest |= {key: donor[key] for key in list(donor)[:2]}
    return manifest


def _place(draw: st.DrawFn, manifest: Any) -> Any:
    """Somewhere inside: an object, or a list."""
    place = manifest
    while place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or not draw(st.integers(0, 3)):
            break
        place = place[key]
    return place


SLOW = settings(
    max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@SLOW
@given(changed())
def test_created_agent_is_inside_the_closure(manifest: Any) -> None:
    decision = create(manifest)
    if decision.allowed:
        assert not outside(decision.object or manifest)
        assert create(decision.object, phase=VALIDATING).allowed


@SLOW
@given(changed())
def test_updated_agent_is_inside_the_closure(manifest: Any) -> None:
    metadata = manifest.get("metadata")
    base = byo("worker-a") if "byo" in str(manifest.get("spec"))[:30] else declarative()
    old = spawned(base)
    if isinstance(metadata, dict):
        metadata["name"] = "worker-a"
    decision = update(manifest, old, name="worker-a", namespace="team")
    if decision.allowed:
        stored = dict(decision.object or manifest)
        stored.pop("status", None)
        assert not outside(stored)
        assert stored["metadata"]["annotations"]["hotpeers.dev/depth"] == "1"


@SLOW
@given(
    ANYTHING | changed(), ANYTHING | changed(), st.sampled_from(["CREATE", "UPDATE", "DELETE", "X"])
)
def test_nothing_makes_it_fail(manifest: Any, old: Any, operation: str) -> None:
    decision = create(manifest, operation=operation, old_object=old, subject=LEAD)
    assert decision.allowed or decision.denials
    if operation in ("UPDATE", "DELETE"):
        assert not decision.allowed


def test_closure_excludes_an_agent_beyond_the_policy() -> None:
    refused = sum(bool(outside(create(one).object)) for one in GOOD)
    assert refused == 0
    wrong = edited(
        create(declarative()).object, ("spec.declarative.deployment.serviceAccountName", "x")
    )
    assert outside(wrong)
