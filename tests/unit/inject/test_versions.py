"""An image of this version starts in pods that a controller of the previous version injected.

`previous/` has the containers that it put into the pods of tests/kit/pods/cases: their command, flags, hooks
and variables. A canary, a rollback of the controller, and a pod that is created during an upgrade bring
both versions together.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hotpeers.base import log
from hotpeers.cli.main import cli

CONTAINERS = json.loads((Path(__file__).parent / "previous" / "containers-0.1.0.json").read_text())
SERVING = [one for one in CONTAINERS if one["args"] and one["args"][0] in ("run", "mcp")]


def title(container: dict[str, Any]) -> str:
    return f"{container['case']}-{container['container']}"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the programs that would run: their settings are read, and nothing is started."""
    names: list[str] = []

    def run(work: Coroutine[Any, Any, None]) -> None:
        names.append(work.__qualname__)
        work.close()

    monkeypatch.setattr(asyncio, "run", run)
    monkeypatch.setattr(log, "set_up_logging", lambda *_: None)
    return names


def start(arguments: list[str], variables: dict[str, str]) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments, env=variables)
    return done.exit_code, done.output


@pytest.mark.parametrize("container", SERVING, ids=title)
def test_settings_of_the_previous_version_are_understood(
    container: dict[str, Any], begun: list[str]
) -> None:
    variables = {name: value.removeprefix("from:") for name, value in container["env"].items()}
    assert start(container["args"], variables) == (0, "")
    assert len(begun) == 1


def test_setting_that_is_not_understood_would_be_noticed(begun: list[str]) -> None:
    code, output = start(["run", "--source", "kubernetes"], {"HOTPEERS_DRAIN_SECONDS": "soon"})
    assert code != 0
    assert "HOTPEERS_DRAIN_SECONDS" in output
    assert begun == []


def test_variable_of_a_newer_version_is_ignored(begun: list[str]) -> None:
    variables = {"HOTPEERS_SOMETHING_NEW": "1", "HOTPEERS_PEER_FILE": "/run/peers.json"}
    assert start(["run", "--source", "kubernetes"], variables) == (0, "")
    assert len(begun) == 1


def test_modules_that_pods_name_exist() -> None:
    words = [
        words
        for one in CONTAINERS
        for words in (*one["hooks"], one["command"] or [])
        if words[:2] == ["python", "-m"]
    ]
    modules = {command[2] for command in words}
    assert {"hotpeers.hook", "hotpeers.supervisor"} <= modules
    for name in modules:
        assert importlib.util.find_spec(name) is not None, name


def test_every_kind_of_container_is_kept() -> None:
    names = {one["container"] for one in CONTAINERS}
    assert {"hotpeers", "hotpeers-spawn", "hotpeers-shim"} <= names
    assert len(SERVING) > 10
