"""What docs/tutorial.md uses is there; `make walk` follows it on a node."""

import re
import tomllib

import yaml

from kit.docs import DOCS, ROOT
from kit.docs.walk import Command, commands

PAGE = (DOCS / "tutorial.md").read_text("utf-8")
TEAM = list(yaml.safe_load_all((ROOT / "k8s/tutorial/team.yaml").read_text("utf-8")))


def containers() -> list[dict[str, object]]:
    specs = [one["spec"]["template"]["spec"] for one in TEAM if one["kind"] == "Deployment"]
    return [one for spec in specs for one in [*spec.get("initContainers", ()), *spec["containers"]]]


def test_commands_are_read_with_their_output() -> None:
    page = "```console\n$ a \\\n    b\n$ c\nsaid\n```\n\n```sh\n$ no\n```\n"
    assert list(commands(page)) == [Command("a \\\n    b", ""), Command("c", "said")]
    assert len(list(commands(PAGE))) > 20


def test_files_of_its_commands_exist() -> None:
    named = re.findall(r"(?:-f |helm install hotpeers )(\S+)", PAGE)
    assert named == ["k8s/tutorial/team.yaml", "k8s/chart"]
    assert all((ROOT / name).exists() for name in named)


def test_images_are_those_that_it_builds_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    built = set(re.findall(r"--tag (\S+)", PAGE))
    assert built == {
        f"{name}:{version}" for name in ("hotpeers", "hotpeers-demo", "hotpeers-orchestrator")
    }
    assert {one["image"] for one in containers()} == built - {f"hotpeers:{version}"}
    targets = set(re.findall(r"--target (\S+)", PAGE))
    assert targets <= set(re.findall(r" AS (\S+)", (ROOT / "Dockerfile").read_text()))


def test_sub_agents_can_be_offered() -> None:
    ports = {
        one["metadata"]["name"]: one["spec"]["ports"][0]["name"]
        for one in TEAM
        if one["kind"] == "Service"
    }
    assert {name for name, port in ports.items() if port == "a2a"} == {"weather", "news"}
