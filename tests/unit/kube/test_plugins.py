"""Credentials from a plugin of the kubeconfig, which is any program."""

import json
from pathlib import Path
from typing import Any

import pytest

from hotpeers.base.errors import ConnectionConfigError
from hotpeers.kube.connection import Access, connect

API = "client.authentication.k8s.io/v1"


def kubeconfig(folder: Path, script: str, **cluster: Any) -> Access:
    plugin = {"apiVersion": API, "command": "sh", "args": ["-c", script]}
    file = folder / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9", **cluster}}],
                "users": [{"name": "u", "user": {"exec": plugin}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    return Access(str(file))


async def test_words_of_a_failed_plugin_are_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = kubeconfig(tmp_path, "echo 'log in first' >&2; exit 3")
    with pytest.raises(ConnectionConfigError, match="log in first"):
        await connect(access)
    assert caplog.messages == []


async def test_warning_about_a_plugin_is_clean(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    status = {"clientCertificateData": "x"}
    answer = json.dumps({"apiVersion": API, "kind": "ExecCredential", "status": status})
    await connect(kubeconfig(tmp_path, f"echo '{answer}'"))
    assert caplog.messages == ["exec: missing clientKeyData field in plugin output"]


async def test_address_that_is_no_text_is_no_kubeconfig(tmp_path: Path) -> None:
    answer = json.dumps({"apiVersion": API, "kind": "ExecCredential", "status": {"token": "t"}})
    with pytest.raises(ConnectionConfigError, match="this is not a kubeconfig"):
        await connect(kubeconfig(tmp_path, f"echo '{answer}'", server=3))
