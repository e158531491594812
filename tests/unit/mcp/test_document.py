"""Manifests that a model wrote: one plain object, or a refusal that names the place."""

import pytest

from hotpeers.mcp.document import read_object
from hotpeers.mcp.reasons import McpReason
from hotpeers.registry.fault import Fault

HEAD = "apiVersion: v1\nkind: Agent\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        "---\n" + HEAD,
        HEAD + "...\n",
        '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"}}',
    ],
)
def test_single_plain_object_is_accepted(text: str) -> None:
    assert read_object(text)["metadata"]["name"] == "a"


def test_dates_stay_text() -> None:
    assert read_object(HEAD + "spec: {at: 2026-01-01}\n")["spec"] == {"at": "2026-01-01"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no object"),
        ("[]", "no object"),
        ("x", "no object"),
        (HEAD + "---\n" + HEAD, "more than one document"),
        (HEAD + "spec: &x {a: 1}\n", "anchors"),
        (HEAD + "spec: *x\n", "aliases"),
        (HEAD + "spec: !!python/object:os.system {}\n", "tags"),
        (HEAD + "spec: !!str 7\n", "tags"),
        (HEAD + "spec: {<<: {a: 1}}\n", "merge keys"),
        (HEAD + "kind: Other\n", "'kind' is there twice"),
        (HEAD + "spec: {a: {b: 1, b: 2}}\n", "'b' is there twice"),
        ('{"apiVersion":"v1","kind":"A","kind":"B","metadata":{"name":"a"}}', "is there twice"),
        (HEAD + "spec: {1: a}\n", "is not text"),
        (HEAD + "spec: {yes: a}\n", "is not text"),
        (HEAD + "spec: {[a]: a}\n", "a single value"),
        (HEAD + "spec: " + "[" * 100 + "]" * 100, "nests deeper"),
        (HEAD + "spec: [" + "1," * 30_000 + "]", "more than 20000 values"),
        (HEAD + "#" * 140_000, "the limit is"),
        (HEAD + "spec: {a: \x07}\n", "control characters"),
        (HEAD + "spec: {", "line"),
        (HEAD.replace("metadata", "metadatum"), "metadata is missing"),
        (HEAD.replace("{name: a}", "{generateName: a}"), "generateName"),
        (HEAD.replace("{name: a}", "{name: 7}"), "metadata.name"),
        (HEAD.replace("{name: a}", "{name: a, namespace: 7}"), "namespace"),
        (HEAD.replace("Agent", "AgentList"), "list"),
        (HEAD + "items: []\n", "list"),
        (HEAD.replace("v1", "7"), "apiVersion"),
    ],
)
def test_other_documents_are_refused(text: str, part: str) -> None:
    with pytest.raises(Fault) as caught:
        read_object(text)
    assert caught.value.reason is McpReason.MANIFEST_REFUSED
    assert part in str(caught.value)
