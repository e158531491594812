"""`hotpeers status` and `hotpeers history` with a real API server and a real kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from hotpeers.cli.main import cli
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.fixtures import programs
from kit.apiserver.kubeconfig import NOWHERE, write_kubeconfig
from kit.apiserver.resources import ORCHESTRATORS, install_crd, remove_crd
from kit.apiserver.server import Cluster
from kit.kubectl import ensure_kubectl
from kit.orchestrators import Object, change, orchestrator, refusal, status
from kit.waiting import until

SECONDS = 60.0
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture
def kubeconfig(cluster: Cluster, namespace: str, tmp_path: Path) -> Path:
    return cluster.access.write_kubeconfig(tmp_path / "kubeconfig", namespace)


@pytest.fixture
def fleet(cluster: Cluster, namespace: str) -> Callable[[str, Object], Object]:
    """Creates or changes an Orchestrator with this status."""
    made: list[Object] = []

    def report(name: str, reported: Object) -> Object:
        one = orchestrator(name, namespace)
        if name not in {other["metadata"]["name"] for other in made}:
            del one["metadata"]["creationTimestamp"]
            cluster.api.create(one)
            made.append(one)
        cluster.api.patch(one, {"status": reported}, "status")
        return one

    return report


def fresh(**more: object) -> Object:
    return status(now=datetime.now(UTC), **more)


def invoke(kubeconfig: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--kubeconfig", str(kubeconfig)])


def test_status_shows_counts_then_problems_first(
    kubeconfig: Path, namespace: str, fleet: Callable[[str, Object], Object]
) -> None:
    fleet("a-good-one", fresh())
    empty = invoke(kubeconfig, "status", "a-good-one")
    assert (empty.exit_code, empty.stderr) == (0, "")
    fleet("b-silent", {})
    fleet("c-refusing", fresh(**refusal()))
    done = invoke(kubeconfig, "status")
    assert done.exit_code == 1
    head, blank, titles, *rows = done.stdout.splitlines()
    assert head == f"3 orchestrators in namespace {namespace}: 1 with problems, 1 unknown, 1 ok"
    assert blank == ""
    assert titles.split()[:3] == ["NAME", "STATE", "PEERS"]
    assert [row.split()[0] for row in rows] == ["c-refusing", "b-silent", "a-good-one"]
    assert "CardUnavailable team/broken: connection refused" in rows[0]
    everywhere = invoke(kubeconfig, "status", "-A", "-o", "json")
    found = json.loads(everywhere.stdout)["orchestrators"]
    states = {one["name"]: one["state"] for one in found if one["namespace"] == namespace}
    assert states == {"a-good-one": "ok", "b-silent": "unknown", "c-refusing": "problem"}
    written = invoke(kubeconfig, "status", "-n", namespace, "-o", "yaml")
    assert written.stderr == ""
    as_yaml = yaml.safe_load(written.stdout)
    assert as_yaml["summary"] == {"orchestrators": 3, "problem": 1, "unknown": 1, "ok": 1}
    detail = invoke(kubeconfig, "status", f"{namespace}/c-refusing").stdout
    for part in ("Problems (1)", "What to do", "Peers (1)", "Pods (1)", "Deployment/c-refusing"):
        assert part in detail


def test_history_has_the_changes_of_all_orchestrators(
    kubeconfig: Path, namespace: str, fleet: Callable[[str, Object], Object]
) -> None:
    now = datetime.now(UTC)
    for name, ago in (("a", 600), ("b", 60)):
        fleet(name, fresh(changes=[change(ago=ago, now=now, liveSeconds=0.4)]))
    lines = invoke(kubeconfig, "history").stdout.splitlines()
    assert [line.split()[1] for line in lines] == [
        "ORCHESTRATOR",
        f"{namespace}/a",
        f"{namespace}/b",
    ]
    recent = json.loads(invoke(kubeconfig, "history", "--since", "5m", "-o", "json").stdout)
    assert [one["name"] for one in recent["changes"]] == ["b"]


def test_empty_namespace_is_all_well_and_says_what_to_do(kubeconfig: Path, namespace: str) -> None:
    done = invoke(kubeconfig, "status")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"0 orchestrators in namespace {namespace}\n-A shows all")
    assert invoke(kubeconfig, "history").exit_code == 0


def error(done: Result) -> str:
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("command", [("status",), ("history",), ("status", "--watch")])
def test_errors_of_the_cluster_say_what_to_do(
    cluster: Cluster,
    namespace: str,
    kubeconfig: Path,
    service_account: Callable[..., ServiceAccount],
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    missing = error(invoke(kubeconfig, *command, "nobody"))
    assert f"there is no Orchestrator 'nobody' in namespace {namespace}" in missing
    account = service_account(namespace, "reader", [rule("", "services", "list")])
    path = account.access.write_kubeconfig(tmp_path / "account", namespace)
    assert "ask for the right to list and watch" in error(invoke(path, *command))
    assert "choose a namespace with -n" in error(invoke(path, *command, "-A"))
    away = write_kubeconfig(tmp_path / "away", NOWHERE)
    assert "the API server does not answer" in error(invoke(away, *command))
    user = {"token": "wrong"}
    fields = {"insecure-skip-tls-verify": True}
    wrong = write_kubeconfig(tmp_path / "wrong", cluster.access.url, user=user)
    config = json.loads(wrong.read_text())
    config["clusters"][0]["cluster"] |= fields
    wrong.write_text(json.dumps(config))
    assert "rejects the credentials" in error(invoke(wrong, *command))


@pytest.mark.parametrize("command", [("status", "-A"), ("history",), ("status", "--watch")])
def test_missing_definition_is_named(
    cluster: Cluster, kubeconfig: Path, command: tuple[str, ...]
) -> None:
    remove_crd(cluster.api, ORCHESTRATORS)
    try:
        said = error(invoke(kubeconfig, *command))
    finally:
        install_crd(cluster.api, ORCHESTRATORS)
    assert "this cluster has no orchestrators.hotpeers.dev: install hotpeers" in said


@pytest.fixture(scope="module")
def kubectl(pytestconfig: pytest.Config) -> Path:
    """The folder of a kubectl."""
    return programs(pytestconfig, "kubectl", ensure_kubectl)


def test_kubectl_runs_and_completes_the_plugin(
    kubectl: Path,
    kubeconfig: Path,
    namespace: str,
    fleet: Callable[[str, Object], Object],
) -> None:
    fleet("a", fresh())
    environment = {"PATH": f"{kubectl}:{BIN}:/usr/bin:/bin", "KUBECONFIG": str(kubeconfig)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={**environment, "HOME": os.environ.get("HOME", "/")},
        )

    done = run("hotpeers", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"1 orchestrator in namespace {namespace}: 1 ok\n")
    assert "kubectl-hotpeers" in run("plugin", "list").stdout
    assert run("hotpeers", "status", "--help").stdout.startswith("Usage: kubectl hotpeers status ")
    wrong = run("hotpeers", "status", "--nope")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[0] == (
        "error: no such option '--nope'; see 'kubectl hotpeers status --help'"
    )
    assert "status" in run("__complete", "hotpeers", "st").stdout.split()
    assert run("__complete", "hotpeers", "status", "-o", "y").stdout.split()[0] == "yaml"


def test_watch_follows_the_cluster(
    cluster: Cluster,
    kubeconfig: Path,
    namespace: str,
    fleet: Callable[[str, Object], Object],
    tmp_path: Path,
) -> None:
    one = fleet("a", fresh())
    file = tmp_path / "out"
    command = [sys.executable, "-m", "hotpeers", "status", "-w", "--kubeconfig", str(kubeconfig)]
    with file.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        until("the counts", lambda: f"namespace {namespace}: 1 ok" in file.read_text(), SECONDS)
        fleet("a", fresh(**refusal()))
        line = f"{namespace}/a: problem: CardUnavailable team/broken"
        until("the problem", lambda: line in file.read_text(), SECONDS)
        fleet("b", fresh())
        until("the new one", lambda: f"{namespace}/b: added: " in file.read_text(), SECONDS)
        cluster.api.delete({**one, "metadata": {**one["metadata"], "name": "b"}})
        until("its end", lambda: f"{namespace}/b: removed" in file.read_text(), SECONDS)
    finally:
        process.terminate()
        code = process.wait(SECONDS)
    assert code == 0
    assert "Traceback" not in file.read_text()
