"""The settings of `hotpeers mcp`, and what other commands pay for it: nothing."""

import subprocess
import sys
from typing import Any

import pytest

from hotpeers.errors import SettingsError


def test_defaults(make_settings: Any) -> None:
    wanted = make_settings(peer_file="/run/p/peers.json", orchestrator="a/b")
    assert str(wanted.ack_dir) == "/run/p/acks"
    assert (wanted.token_file, wanted.registry_token_file) == (None, None)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"registry_url": ""}, "--registry-url"),
        ({"registry_url": "ftp://x"}, "--registry-url"),
        ({"registry_url": "http://user:secret@x"}, "--registry-url"),
        ({"registry_url": "http://x:99999"}, "--registry-url"),
        ({"listen": "none"}, "--listen"),
        ({"listen": ":8091"}, "--token-file"),
        ({"listen": "0.0.0.0:8091"}, "--token-file"),
        ({"namespace": "A B"}, "--namespace"),
        ({"orchestrator": "x"}, "--orchestrator"),
        ({"log_level": "loud"}, "--log-level"),
    ],
)
def test_bad_settings_name_the_flag(changed: dict[str, str], part: str, make_settings: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(**changed)
    assert part in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "[::1]:1", "localhost:1", "127.9.9.9:1"])
def test_this_host_needs_no_token(listen: str, make_settings: Any) -> None:
    assert make_settings(listen=listen).token_file is None


def test_no_other_command_loads_the_sdk() -> None:
    code = (
        "import sys, hotpeers.cli, hotpeers.runner, hotpeers.sidecar, hotpeers.source.kubernetes, "
        "hotpeers.controller.runner; "
        "print([m for m in ('mcp', 'starlette', 'uvicorn', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
