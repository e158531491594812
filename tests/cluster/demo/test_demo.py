"""The demonstration as a user runs it, against the real orchestrators."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HOTPEERS = str(Path(sys.executable).with_name("hotpeers"))
FIGURES = {"added_to_file", "added_to_model", "removed_to_file", "removed_to_model"}


def demo(*arguments, **env):
    return subprocess.run(
        [HOTPEERS, "demo", "--json", *arguments],
        env={**os.environ, **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def agent_python(runtime):
    return str(ROOT / ".venvs" / runtime / "bin" / "python")


@pytest.mark.parametrize("runtime", ["kagent", "adk"])
def test_every_step_holds(runtime):
    done = demo("--runtime", runtime, "--agent-python", agent_python(runtime))
    assert_every_step_held(done)


def test_every_step_holds_with_the_peers_in_a_cluster(cluster, crds):
    """The peers are objects of a real API server; nothing of them is left there."""
    done = demo(
        "--source",
        "kubernetes",
        "--agent-python",
        agent_python("kagent"),
        KUBECONFIG=str(cluster.kubeconfig),
    )
    assert_every_step_held(done)
    assert cluster.api.request("GET", "/apis/hotpeers.dev/v1alpha1/peers")["items"] == []


def test_cluster_without_the_peer_crd_is_reported(own_cluster):
    own_cluster.start()
    done = demo(
        "--source",
        "kubernetes",
        "--agent-python",
        agent_python("kagent"),
        KUBECONFIG=str(own_cluster.kubeconfig),
    )
    assert done.returncode == 2
    assert "kubectl apply -f k8s/crds" in done.stderr


def assert_every_step_held(done):
    assert done.returncode == 0, done.stderr[-6000:]
    report = json.loads(done.stdout)
    assert report["held"] is True
    assert [step["name"] for step in report["steps"] if step["held"]] == [
        "no-peer",
        "added",
        "added-in-turn",
        "removed-in-call",
        "removed-called",
        "broken-files",
        "thread-kept",
        "sidecar-killed",
        "figures",
    ]
    assert {figure["name"] for figure in report["figures"]} == FIGURES
    assert all(0 < figure["p50_ms"] <= figure["max_ms"] for figure in report["figures"])
    pids = {step["facts"]["orchestrator"] for step in report["steps"]}
    assert len(pids) == 1
    generations = [s["facts"]["generation"] for s in report["steps"] if "generation" in s["facts"]]
    assert generations == sorted(generations)


def test_demo_fails_when_the_shim_is_disabled():
    done = demo("--agent-python", agent_python("kagent"), HOTPEERS_DISABLE="1")
    assert done.returncode == 1, done.stderr[-6000:]
    report = json.loads(done.stdout)
    assert report["held"] is False
    assert report["figures"] == []
    held = {step["name"]: step["held"] for step in report["steps"]}
    assert held["no-peer"] is True
    assert held["added"] is False
    assert held["added-in-turn"] is None
    step = next(step for step in report["steps"] if step["name"] == "added")
    assert "demo__NS__weather offered" in step["expected"]
    assert "The logs stay in" in done.stderr


def test_python_without_the_runtime_is_reported():
    done = demo("--agent-python", sys.executable)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "lacks kagent-adk" in done.stderr
    assert "make setup" in done.stderr
    assert json.loads(done.stdout)["held"] is False


def test_a_real_model_needs_its_key():
    done = demo("--model", "some", "--agent-python", agent_python("kagent"), OPENAI_API_KEY="")
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr
