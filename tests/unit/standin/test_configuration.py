"""The stand-in of kagent's controller writes the bytes that kagent writes, and hashes them as kagent does.

The hashes below come from kagent's own translator, v0.10.0-rc3, run on the same objects. With
KAGENT_CHECKOUT naming a checkout of kagent, all of its golden files are compared, too.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.configuration import HASH, config_hash
from e2e.gojson import encode
from e2e.models import secret_hash
from e2e.site import Site, TranslationError
from e2e.translator import translate
from kit.apiserver.client import Object
from unit.standin.cases import CASES, Case

GOLDEN = "go/core/internal/controller/translator/agent/testdata"


def made(objects: list[Object], name: str, namespace: str) -> tuple[dict[str, str], str]:
    """The Secret's files and the hash that the stand-in makes of an Agent."""
    known = {(one["kind"], namespace, one["metadata"]["name"]): one for one in objects}
    agent: Object = json.loads(json.dumps(known["Agent", namespace, name]))
    agent["metadata"].setdefault("uid", "")
    translated = translate(agent, Site(objects=known))
    annotations = translated[-1]["spec"]["template"]["metadata"]["annotations"]
    return translated[0]["stringData"], annotations[HASH]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_configuration_has_the_hash_that_kagent_gives_it(case: Case) -> None:
    files, digest = made(case.objects, case.agent, "test")
    assert digest == case.hash, files


def test_secret_of_an_agent_is_written_before_its_deployment() -> None:
    case = CASES[0]
    known = {(one["kind"], "test", one["metadata"]["name"]): one for one in case.objects}
    agent = known["Agent", "test", case.agent]
    agent["metadata"]["uid"] = ""
    kinds = [one["kind"] for one in translate(agent, Site(objects=known))]
    assert kinds[0] == "Secret"
    assert kinds[-1] == "Deployment"


@pytest.mark.parametrize("key", ["config.json", "agent-card.json", "srt-settings.json"])
def test_hash_changes_with_each_file(key: str) -> None:
    files = {"config.json": "{}", "agent-card.json": "{}"}
    assert config_hash({**files, key: "{ }"}) != config_hash(files)


def test_hash_changes_with_secrets_and_skills() -> None:
    files = {"config.json": "{}", "agent-card.json": "{}"}
    assert config_hash(files, b"\x01") != config_hash(files)
    assert config_hash(files, skills="{}") != config_hash(files)


def test_secret_hash_without_secrets_is_the_hash_of_empty_bytes() -> None:
    assert secret_hash([]).startswith("e3b0c44298fc1c14")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": 2.0}, '{"b":1,"a":2}'),
        ("<&>", '"\\u003c\\u0026\\u003e"'),
        ("é\u2028\x7f\x01", '"é\\u2028\x7f\\u0001"'),
        (0.25, "0.25"),
    ],
)
def test_json_is_written_as_go_writes_it(value: Any, written: str) -> None:
    assert encode(value) == written


@pytest.mark.parametrize("server", [{"kind": "MCPServer"}, {"kind": "Service"}, {}])
def test_tool_that_is_not_translated_is_an_error(server: Object) -> None:
    tools = [{"type": "McpServer", "mcpServer": {"name": "words", **server}}]
    case = CASES[0]
    objects = json.loads(json.dumps(case.objects))
    objects[-1]["spec"]["declarative"]["tools"] = tools
    with pytest.raises(TranslationError):
        made(objects, case.agent, "test")


def golden_files() -> list[Path]:
    if "KAGENT_CHECKOUT" not in os.environ:
        return []
    return sorted((Path(os.environ["KAGENT_CHECKOUT"]) / GOLDEN / "inputs").glob("*.yaml"))


@pytest.mark.skipif("KAGENT_CHECKOUT" not in os.environ, reason="KAGENT_CHECKOUT names none")
@pytest.mark.parametrize("file", golden_files(), ids=lambda file: file.stem)
def test_golden_file_of_kagent_is_translated_the_same_or_refused(file: Path) -> None:
    given = yaml.safe_load(file.read_text())
    output = json.loads((file.parents[1] / "outputs" / f"{file.stem}.json").read_text())
    one = {each.get("kind", "ConfigMap"): each for each in output["manifest"]}
    files, hashed = one["Secret"]["stringData"], one["Deployment"]["spec"]["template"]["metadata"]
    skills = one.get("ConfigMap", {}).get("data", {}).get("config.json", "")
    assert config_hash(files, skills=skills) == hashed["annotations"][HASH]
    if given.keys() - {"operation", "targetObject", "namespace", "objects"}:
        pytest.skip("the controller has settings of its own there")
    try:
        got = made(given["objects"], given["targetObject"], given["namespace"])
    except TranslationError:
        return
    assert got == (files, hashed["annotations"][HASH])
