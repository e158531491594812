"""The bridge in the configuration of a kagent agent."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hotpeers.mcp.agent_config import (
    PEER_TOOLS,
    SPAWN_TOOLS,
    AgentConfig,
    Server,
    merge,
)

BRIDGE = Server("http://127.0.0.1:8091/mcp", PEER_TOOLS, 45.0, ("x-user-id",))
SPAWNER = Server("http://127.0.0.1:8092/mcp", SPAWN_TOOLS, 960.0)
ENTRY = {
    "params": {"url": BRIDGE.url, "headers": {}, "timeout": 45.0},
    "tools": list(PEER_TOOLS),
    "allowed_headers": ["x-user-id"],
}


@pytest.mark.parametrize("tools", [None, [], [{"params": {"url": "http://a/mcp"}, "tools": ["b"]}]])
def test_bridge_is_listed_after_the_existing_tools(tools: Any) -> None:
    config = {"model": {"type": "openai"}, "http_tools": tools, "later": {"kept": [1, None]}}
    before = copy.deepcopy(config)
    merged = merge(config, [BRIDGE])
    assert config == before
    assert merged == {**config, "http_tools": [*(tools or []), ENTRY]}


def test_a_configuration_without_tools_gets_them() -> None:
    assert merge({"model": {}}, [BRIDGE, SPAWNER])["http_tools"][0] == ENTRY
    assert merge({"model": {}}, [BRIDGE, SPAWNER])["http_tools"][1]["tools"] == list(SPAWN_TOOLS)


def test_merging_is_idempotent() -> None:
    once = merge({"model": {}}, [BRIDGE, SPAWNER])
    assert merge(once, [BRIDGE, SPAWNER]) == once


@pytest.mark.parametrize(
    "taken",
    [
        {"http_tools": [{"params": {"url": "http://a"}, "tools": ["list_agents"]}]},
        {"sse_tools": [{"params": {"url": "http://a"}, "tools": ["list_agents"]}]},
        {"remote_agents": [{"name": "list_agents", "url": "http://a"}]},
    ],
)
def test_a_tool_of_the_agent_keeps_its_name(taken: dict[str, Any]) -> None:
    assert merge(taken, [BRIDGE])["http_tools"][-1]["tools"] == ["ask_agent", "get_answer"]


def test_entries_of_another_shape_are_kept() -> None:
    odd = {"http_tools": ["text", {"params": None}, {}], "sse_tools": None, "remote_agents": [3]}
    assert merge(odd, [BRIDGE])["http_tools"] == ["text", {"params": None}, {}, ENTRY]


@pytest.mark.parametrize("config", [None, [], "text", {"http_tools": {"a": 1}}])
def test_malformed_configuration_is_refused(config: Any) -> None:
    with pytest.raises(ValueError, match=r"config\.json"):
        merge(config, [BRIDGE])


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    target.mkdir()
    return source, target


def put(folder: Path, version: str, **files: str) -> None:
    """Write files as kubelet does: into a folder of their own, behind a link that is renamed."""
    data = folder / f"..{version}"
    data.mkdir()
    for name, text in files.items():
        (data / name.replace("_", ".").replace("..", "_")).write_text(text)
        link = folder / name.replace("_", ".").replace("..", "_")
        if not link.is_symlink():
            link.symlink_to(Path("..data") / link.name)
    new = folder / "..data_tmp"
    new.symlink_to(data.name)
    new.replace(folder / "..data")


def config_in(folder: Path) -> Any:
    return json.loads((folder / "config.json").read_text())


def test_all_files_are_copied_and_follow_the_secret(folders: tuple[Path, Path]) -> None:
    source, target = folders
    put(source, "1", config_json='{"model": 1}', card_json='{"name": "a"}')
    follower = AgentConfig(source, target, [BRIDGE])
    follower.update()
    assert config_in(target) == {"model": 1, "http_tools": [ENTRY]}
    assert (target / "card.json").read_text() == '{"name": "a"}'
    assert {one.name for one in target.iterdir()} == {"config.json", "card.json"}
    put(source, "2", config_json='{"model": 2}', card_json='{"name": "b"}')
    follower.update()
    assert config_in(target)["model"] == 2
    assert (target / "card.json").read_text() == '{"name": "b"}'


def test_malformed_file_reaches_the_agent_unchanged(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    source, target = folders
    put(source, "1", config_json="{broken")
    AgentConfig(source, target, [BRIDGE]).update()
    assert (target / "config.json").read_text() == "{broken"
    assert "without the bridge" in caplog.text


def test_deleted_secret_keeps_the_last_good_files(folders: tuple[Path, Path]) -> None:
    source, target = folders
    put(source, "1", config_json='{"model": 1}')
    follower = AgentConfig(source, target, [BRIDGE])
    follower.update()
    for one in source.iterdir():
        one.rename(one.with_name(f"gone-{one.name}")) if not one.name.startswith("..") else None
    (source / "..data").unlink()
    follower.update()
    assert config_in(target)["model"] == 1


def test_unchanged_files_are_not_written_again(folders: tuple[Path, Path]) -> None:
    source, target = folders
    put(source, "1", config_json='{"model": 1}')
    follower = AgentConfig(source, target, [BRIDGE])
    follower.update()
    before = (target / "config.json").stat().st_ino
    follower.update()
    assert (target / "config.json").stat().st_ino == before
