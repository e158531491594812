"""From the registry's Agent to kagent's: the mapped fields, and the reported unmapped ones."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotpeers.registry.entry import Agent, McpServer, Prompt
from hotpeers.registry.fault import Fault
from hotpeers.registry.manifest import Rendered, Template, ToolServer, Wish, kubernetes_name, render
from hotpeers.registry.reasons import RegistryReason

WISH = Wish(namespace="team")
PROMPT = Prompt.model_validate({"metadata": {"name": "p"}, "spec": {"content": "Do it.\nWell."}})
IMAGE = "example.com/a:1@sha256:" + "0" * 64


def template(prompt: Prompt | None = PROMPT, url: str = "", **spec: Any) -> Template:
    agent = Agent.model_validate({"metadata": {"name": "acme.helper", "tag": "v2"}, "spec": spec})
    remote = {"remote": {"type": "http", "url": url}} if url else {}
    server = McpServer.model_validate({"metadata": {"name": "tools"}, "spec": remote})
    return Template(agent, prompt, tuple((ref, server) for ref in agent.spec.mcpServers))


def every_mapping() -> list[Rendered]:
    one = template(url="http://t/mcp", description="x", mcpServers=[{"name": "tools"}])
    image = template(None, source={"image": IMAGE})
    return [render(one, WISH, [ToolServer("t", "http://t/mcp", ("b", "a"))]), render(image, WISH)]


def test_instructions_make_a_declarative_agent() -> None:
    made = every_mapping()[0]
    assert made.manifest["metadata"] == {
        "name": "acme-helper",
        "namespace": "team",
        "labels": {"hotpeers.dev/peer": "true"},
        "annotations": {"hotpeers.dev/template": "registry:acme.helper@v2"},
    }
    declarative = made.manifest["spec"]["declarative"]
    assert declarative["systemMessage"] == "Do it.\nWell."
    assert (declarative["runtime"], declarative["modelConfig"]) == (
        "python",
        "default-model-config",
    )
    assert declarative["tools"][0]["mcpServer"]["toolNames"] == ["a", "b"]
    assert made.unmapped == ()


def test_image_is_rendered_as_a_byo_agent() -> None:
    made = every_mapping()[1]
    assert made.manifest["spec"] == {"type": "BYO", "byo": {"deployment": {"image": IMAGE}}}
    loose = render(template(None, source={"image": "a/b:1"}), WISH)
    assert [one.field for one in loose.unmapped] == ["source.image"]


def test_the_same_input_gives_the_same_bytes_and_digest() -> None:
    for one, other in zip(every_mapping(), every_mapping(), strict=True):
        assert (one.yaml, one.digest) == (other.yaml, other.digest)
        assert yaml.safe_load(one.yaml) == one.manifest


@pytest.mark.parametrize(
    ("url", "servers", "tools", "taken", "why"),
    [
        ("http://t", [], {}, None, "no RemoteMCPServer"),
        ("http://t", [ToolServer("tools", "http://other", ("a",))], {}, None, "no RemoteMCPServer"),
        ("", [ToolServer("tools", "http://any", ("a",))], {}, ["a"], ""),
        ("http://t/", [ToolServer("x", "http://t", ())], {}, None, "not known yet"),
        ("http://t/", [ToolServer("x", "http://t", ())], {"tools": ["z"]}, ["z"], ""),
        ("http://t", [ToolServer("x", "http://t", ("a", "b"))], {"tools": ["b"]}, ["b"], ""),
        (
            "http://t",
            [ToolServer("x", "http://t", ("a",))],
            {"tools": ["q"]},
            None,
            "has no tool q",
        ),
    ],
)
def test_tools_are_named_one_by_one_or_left_out(
    url: str, servers: list[ToolServer], tools: dict[str, list[str]], taken: Any, why: str
) -> None:
    wish = Wish(namespace="team", tools=tools)
    made = render(template(url=url, mcpServers=[{"name": "tools"}]), wish, servers)
    found = made.manifest["spec"]["declarative"].get("tools")
    assert (found[0]["mcpServer"]["toolNames"] if found else None) == taken
    assert bool(made.unmapped) == bool(why)
    if why:
        assert why in made.unmapped[0].why


def test_unmapped_fields_are_reported() -> None:
    made = render(
        template(
            modelName="m",
            skills=[{"name": "s"}],
            plugins=[{"name": "p"}],
            compatibleHarnesses=[{"type": "codex"}],
            source={"image": IMAGE},
        ),
        WISH,
    )
    fields = {one.field for one in made.unmapped}
    assert fields == {"source.image", "modelName", "skills[0]", "plugins[0]", "compatibleHarnesses"}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"source": {"repository": {"url": "http://x"}}},
        {"source": {"image": "a", "protocol": "HTTP"}},
    ],
)
def test_template_that_kagent_cannot_run_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(Fault) as caught:
        render(template(None, **spec), WISH)
    assert caught.value.reason is RegistryReason.TEMPLATE_NOT_MAPPED


@pytest.mark.parametrize(
    ("name", "made"),
    [("a.b", "a-b"), ("1a", "agent-1a"), ("x" * 63, "x" * 63)],
)
def test_names_are_those_of_services(name: str, made: str) -> None:
    assert kubernetes_name(name) == made


def test_long_names_stay_distinct() -> None:
    one, other = kubernetes_name("x" * 100 + "1"), kubernetes_name("x" * 100 + "2")
    assert one != other
    assert len(one) == len(other) == 63


@pytest.mark.skipif(
    "KAGENT_CHECKOUT" not in os.environ, reason="KAGENT_CHECKOUT names no checkout of kagent"
)
def test_rendered_fields_exist_in_kagents_crd() -> None:
    folder = Path(os.environ["KAGENT_CHECKOUT"])
    crd = yaml.safe_load((folder / "go/api/config/crd/bases/kagent.dev_agents.yaml").read_text())
    (version,) = [one for one in crd["spec"]["versions"] if one["name"] == "v1alpha2"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for made in every_mapping():
        check(made.manifest["spec"], schema, "spec")


def check(value: Any, schema: dict[str, Any], path: str) -> None:
    kinds: dict[str, Any] = {"object": dict, "array": list, "string": str}
    assert isinstance(value, kinds[schema["type"]]), path
    assert value in schema.get("enum", [value]), path
    if isinstance(value, dict):
        for key, one in value.items():
            assert key in schema["properties"], f"{path}.{key}"
            check(one, schema["properties"][key], f"{path}.{key}")
        assert set(schema.get("required", [])) <= set(value), path
    if isinstance(value, list):
        assert len(value) <= schema.get("maxItems", len(value)), path
        for one in value:
            check(one, schema["items"], f"{path}[]")
