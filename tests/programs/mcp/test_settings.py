"""The settings of `hotpeers mcp`, and that other commands do not load it."""

import subprocess
import sys
from typing import Any

import pytest

from hotpeers.base.errors import SettingsError


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
def test_loopback_listener_needs_no_token(listen: str, make_settings: Any) -> None:
    assert make_settings(listen=listen).token_file is None


def test_no_other_command_loads_the_sdk() -> None:
    code = (
        "import sys, hotpeers.cli.main, hotpeers.sidecar.runner, hotpeers.sidecar.sidecar, "
        "hotpeers.sidecar.sources.kubernetes, "
        "hotpeers.controller.runner; "
        "print([m for m in ('mcp', 'starlette', 'uvicorn', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_failed_start_prints_one_line() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hotpeers", "mcp", "--registry-url", "http://127.0.0.1:9"),
            *("--kubeconfig", "/nowhere/kubeconfig"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: --kubeconfig (KUBECONFIG)")
    assert "Traceback" not in done.stderr


def test_server_serves_until_it_gets_a_signal(kubeconfig_of_nothing: str) -> None:
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "hotpeers", "mcp", "--registry-url", "http://127.0.0.1:9"),
            *("--kubeconfig", kubeconfig_of_nothing, "--listen", "127.0.0.1:0"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("tools at http://127.0.0.1:" in line for line in process.stderr)
        process.terminate()
        said = process.communicate(timeout=20)[1]
        assert process.returncode == 0
    assert "asked to" in said
