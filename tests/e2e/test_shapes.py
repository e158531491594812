"""A pod that is not as kagent makes it, in a namespace that is strict about resources.

A proxy comes first. The agent's image sets a PYTHONPATH, without which the agent does not start; its
root is read-only. A LimitRange allows limits of twice the requests at the most.
"""

import json
from typing import Any

from e2e.crew import Crew, orchestrator
from e2e.kagent import RESTRICTED
from e2e.offers import wait_for_offer
from e2e.release import Release
from e2e.stage import Stage
from kit.apiserver.client import Object
from kit.node.images import CUSTOM, PEER
from kit.node.node import Node
from kit.node.python import PYTHON

_STRICT = {**RESTRICTED, "readOnlyRootFilesystem": True}
_WAIT = "import signal; signal.sigwait([signal.SIGTERM])"
_LOOK = (
    "import os, sys; from importlib.util import find_spec;"
    " print(find_spec('custom_agent') is not None, os.environ.get('PYTHONPATH'),"
    " any(name.startswith('hotpeers') for name in sys.modules))"
)


def amounts(cpu: int, memory: int) -> Object:
    """Limits of twice these requests, in millicores and MiB."""
    kinds = {"requests": 1, "limits": 2}
    return {
        kind: {"cpu": f"{by * cpu}m", "memory": f"{by * memory}Mi"} for kind, by in kinds.items()
    }


def limit_range(namespace: str) -> Object:
    ratio = {"type": "Container", "maxLimitRequestRatio": {"cpu": "2", "memory": "2"}}
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "strict", "namespace": namespace},
        "spec": {"limits": [ratio, {**ratio, "type": "Pod"}]},
    }


def crowd(deployment: Object) -> None:
    """Put a proxy in front, and give the agent another image, its limits and a read-only root."""
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    (agent,) = spec["containers"]
    agent.update(image=CUSTOM, securityContext=_STRICT, resources=amounts(400, 256))
    agent["volumeMounts"].append({"name": "tmp", "mountPath": "/tmp"})
    spec["volumes"].append({"name": "tmp", "emptyDir": {}})
    proxy = {
        "name": "istio-proxy",
        "image": PEER,
        "command": [PYTHON, "-c", _WAIT],
        "securityContext": _STRICT,
        "resources": amounts(10, 32),
    }
    spec["containers"].insert(0, proxy)


def test_agent_behind_a_proxy_keeps_its_path_and_is_injected(
    release: Release, node: Node, stage: Stage
) -> None:
    bounds = limit_range(stage.namespace)
    stage.api.create(bounds)
    agent = orchestrator(stage)
    created = stage.api.create(agent.manifest)
    *others, deployment = agent.objects(created["metadata"]["uid"])
    crowd(deployment)
    for one in (*others, deployment):
        stage.api.create(one)
    pod = stage.start_created(agent)
    assert list(pod.containers) == ["hotpeers", "hotpeers-pythonpath", "istio-proxy", "kagent"]
    assert [pod.restarts(name) for name in pod.containers] == [0, 0, 0, 0]
    assert json.loads(pod.annotations["hotpeers.dev/status"])["container"] == "kagent"
    look = node.runtime.run
    own = pod.containers["kagent"]["containerID"]
    bootstrap = "/opt/hotpeers/hotpeers_shim/bootstrap"
    found = look(own, "/.kagent/.venv/bin/python", "-c", _LOOK).split()
    assert found == ["True", f"{bootstrap}:/srv/code", "True"]
    proxy = pod.containers["istio-proxy"]["containerID"]
    assert look(proxy, PYTHON, "-c", _LOOK).split() == ["False", "None", "False"]
    # The sub-agent's pod, which is not ours, would not meet it.
    stage.api.delete(bounds)
    crew = Crew(stage, agent, agent, agent, {agent.name: pod})
    with crew.peer("weather", "It stays dry.") as weather:
        wait_for_offer(stage, stage.talk(agent), [weather])
