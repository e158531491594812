"""Unknown fields: an error in our kind; in foreign kinds, a warning if misspelt."""

import json
from typing import Any

import pytest

from hotpeers.model.manifest import Manifests, read_manifests
from hotpeers.model.reasons import ModelReason

PEER = {
    "apiVersion": "hotpeers.dev/v1alpha1",
    "kind": "Peer",
    "metadata": {"name": "w"},
    "spec": {"url": "http://w"},
}
SKILL = {"id": "s", "name": "S", "description": "d", "tags": ["t"]}
AGENT = {
    "apiVersion": "kagent.dev/v1alpha2",
    "kind": "Agent",
    "metadata": {"name": "w"},
    "spec": {
        "type": "Declarative",
        "description": "d",
        "skills": {"refs": []},
        "declarative": {"modelConfig": "m", "a2aConfig": {"skills": [SKILL]}},
    },
}
CARD = {"name": "w", "description": "d", "url": "http://w", "version": "1", "skills": [SKILL]}


def read(data: Any) -> Manifests:
    return read_manifests(json.dumps(data).encode(), "a.json")


def renamed(data: Any, path: str, new: str) -> Any:
    """The data with the last field of a path under another name."""
    head, _, rest = path.partition(".")
    if isinstance(data, list):
        return [renamed(data[0], rest, new)] if rest else data
    if not rest:
        return {new if key == head else key: value for key, value in data.items()}
    return {**data, head: renamed(data[head], rest, new)}


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        (("spec", "descripton"), "d", "did you mean 'description'?"),
        (("spec", "timout"), 5, "did you mean 'timeout'?"),
        (("spec", "URL"), "http://w", "did you mean 'url'?"),
        (("spec", "card_path"), "/c", "did you mean 'cardPath'?"),
        (("spec", "pinAdress"), True, "did you mean 'pinAddress'?"),
        (("spec", "owner"), "me", "it has cardPath, description, pinAddress, timeout, url"),
        (("metadata", "lables"), {}, "did you mean 'labels'?"),
        (("", "specs"), {}, "did you mean 'spec'?"),
    ],
)
def test_unknown_field_of_a_peer_is_a_problem(
    field: tuple[str, str], value: object, meant: str
) -> None:
    part, name = field
    data = {**PEER, name: value} if not part else {**PEER, part: {**PEER[part], name: value}}
    found = read(data)
    (problem,) = found.problems
    assert (found.candidates, problem.reason) == ((), ModelReason.UNKNOWN_FIELD)
    assert problem.field == ".".join(filter(None, field))
    assert meant in problem.message


def test_fields_added_by_the_api_server_are_known() -> None:
    metadata = {
        "name": "w",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "7",
        "generation": 2,
        "creationTimestamp": "2026-01-31T12:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {"anything": "at all"},
        "labels": {"any": "thing"},
    }
    found = read({**PEER, "metadata": metadata, "status": {}})
    assert (len(found.candidates), found.problems, found.warnings) == (1, (), ())


@pytest.mark.parametrize("data", [AGENT, CARD], ids=["agent", "card"])
def test_unknown_fields_of_foreign_kinds_are_ignored(data: dict[str, Any]) -> None:
    found = read(
        {**data, "x-extension": 1, "signatures": [], "iconUrl": "i", "protocolVersions": []}
    )
    assert (len(found.candidates), found.problems, found.warnings) == (1, (), ())


@pytest.mark.parametrize(
    ("data", "path", "new", "meant"),
    [
        (AGENT, "spec.description", "descripton", "description"),
        (AGENT, "spec.declarative", "declaritive", "declarative"),
        (AGENT, "spec.declarative.a2aConfig", "a2aConfg", "a2aConfig"),
        (AGENT, "spec.declarative.a2aConfig.skills", "skils", "skills"),
        (AGENT, "spec.declarative.a2aConfig.skills.0.tags", "tag", "tags"),
        (CARD, "description", "Description", "description"),
        (CARD, "skills", "skill", "skills"),
        (CARD, "skills.0.description", "descripton", "description"),
    ],
)
def test_misspelt_field_of_others_is_a_warning(data: Any, path: str, new: str, meant: str) -> None:
    found = read(renamed(data, path, new))
    (warning,) = found.warnings
    assert (len(found.candidates), found.problems, warning.reason) == (
        1,
        (),
        ModelReason.UNKNOWN_FIELD,
    )
    assert warning.message == f"is not read; did you mean {meant!r}?"
    assert warning.field.endswith(new)


def test_similar_field_beside_the_right_one_is_not_reported() -> None:
    assert not read({**CARD, "urls": [], "Description": "d"}).warnings


def test_hostile_field_names_are_cleaned_and_cut() -> None:
    data = {**PEER, "spec": {**PEER["spec"], "\u202ex\n" + "y" * 9000: 1}}
    (problem,) = read(data).problems
    assert len(problem.field) < 100
    assert "\n" not in str(problem)
    assert "\u202e" not in str(problem)


def test_only_the_first_of_many_problems_are_reported() -> None:
    listed = {"kind": "List", "items": [{**PEER, "kinds": 1}] * 500}
    problems = read(listed).problems
    assert len(problems) == 51
    assert "and more" in problems[-1].message
