"""The lazy import of the client: the same names, a fraction of the modules."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotpeers.kube import lazy

_LIST = """
import json, sys
import kubernetes_asyncio
from kubernetes_asyncio import client
found = {}
for name in (client, client.models, client.api):
    found[name.__name__] = sorted(x for x in vars(name) if not x.startswith("_"))
"""


def run(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


def test_every_name_is_that_of_the_plain_import() -> None:
    plain = run(_LIST + "print(json.dumps(found))")
    code = """
import json, sys
from hotpeers.kube.lazy import import_lazily
assert import_lazily()
import kubernetes_asyncio
plain = json.load(open(sys.argv[1]))
bad = [
    f"{package}.{name}"
    for package, names in plain.items()
    for name in names
    if getattr(sys.modules[package], name).__name__.rpartition(".")[2] != name
]
print(json.dumps(bad))
"""
    names = {
        package: [name for name in found if name[0].isupper()] for package, found in plain.items()
    }
    assert len(names["kubernetes_asyncio.client"]) > 700
    done = subprocess.run(
        [sys.executable, "-c", code.replace("open(sys.argv[1])", "sys.stdin")],
        input=json.dumps(names),
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(done.stdout) == []


def test_kube_client_import_loads_few_modules() -> None:
    code = """
import json, sys
import hotpeers.kube.client
ours = [name for name in sys.modules if name.startswith("kubernetes_asyncio")]
print(json.dumps([len(ours), "kubernetes_asyncio.client.models.v1_pod" in sys.modules]))
"""
    count, pods = run(code)
    assert count < 30
    assert not pods


def test_already_imported_client_is_not_changed() -> None:
    code = """
import json
import kubernetes_asyncio
from hotpeers.kube.lazy import import_lazily
print(json.dumps([import_lazily(), hasattr(kubernetes_asyncio.client, "V1Pod")]))
"""
    assert run(code) == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "print(1)",
        "from elsewhere import x",
        "x = f()",
        "from . import y",
        "if 1: pass",
    ],
)
def test_package_with_other_code_is_imported_normally(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "strange_client"
    package.mkdir()
    (package / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(lazy, "ROOT", "strange_client")
    monkeypatch.setattr(lazy, "PACKAGES", ("strange_client",))
    assert not lazy.import_lazily()
    assert "strange_client" not in sys.modules


def test_missing_package_is_left_to_fail_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "PACKAGES", ("no_such_client",))
    assert not lazy.import_lazily()
