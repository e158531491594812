"""Which container of a pod is taken for the agent's."""

from typing import Any

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.inject.agent_container import find_target
from hotpeers.inject.annotations import Wishes
from hotpeers.inject.companions import is_companion
from hotpeers.inject.outcome import Skip
from hotpeers.inject.reasons import InjectReason

DEFAULT = "kubectl.kubernetes.io/default-container"


def find(*names: str, default: str = "", wanted: str = "", **images: str) -> str | Reason:
    """The name of the container that is found among those of these names."""
    containers = [{"name": name, "image": images.get(name, "any/program:1")} for name in names]
    annotations = {DEFAULT: default} if default else {}
    pod = {"metadata": {"annotations": annotations}, "spec": {"containers": containers}}
    found = find_target(pod, Wishes(container=wanted))
    return found.reason if isinstance(found, Skip) else str(containers[found]["name"])


@pytest.mark.parametrize(
    ("names", "default", "wanted", "found"),
    [
        ("app", "", "", "app"),
        ("istio-proxy app", "", "", "app"),
        ("istio-proxy app", "app", "", "app"),
        ("istio-proxy app", "istio-proxy", "", "app"),
        ("app helper", "", "", InjectReason.CONTAINER_UNCLEAR),
        ("app helper", "helper", "", "helper"),
        ("app helper", "gone", "", InjectReason.CONTAINER_UNCLEAR),
        ("app helper", "", "helper", "helper"),
        ("app helper", "app", "helper", "helper"),
        ("istio-proxy app helper", "istio-proxy", "", InjectReason.CONTAINER_UNCLEAR),
        ("helper kagent", "", "", "kagent"),
        ("helper kagent", "helper", "", "kagent"),
        ("helper kagent", "", "helper", "helper"),
        ("app", "", "gone", InjectReason.CONTAINER_NOT_FOUND),
        ("istio-proxy", "", "", InjectReason.CONTAINER_UNCLEAR),
        ("istio-proxy", "istio-proxy", "", InjectReason.CONTAINER_UNCLEAR),
        ("istio-proxy", "", "istio-proxy", "istio-proxy"),
        ("istio-proxy vault-agent", "", "", InjectReason.CONTAINER_UNCLEAR),
    ],
)
def test_container(names: str, default: str, wanted: str, found: str | Reason) -> None:
    assert find(*names.split(), default=default, wanted=wanted) == found


def test_container_that_cannot_be_python_is_no_candidate() -> None:
    node = {"name": "web", "image": "web", "command": ["node", "server.js"]}
    agent = {"name": "app", "image": "app"}
    pod: dict[str, Any] = {"metadata": {}, "spec": {"containers": [node, agent]}}
    assert find_target(pod, Wishes()) == 1
    # If no container can be Python, the first one is taken, so that the skip names that reason.
    pod["spec"]["containers"] = [node, {**node, "name": "other"}]
    assert find_target(pod, Wishes()) == 0


def test_injected_container_is_found_after_its_sidecar_was_removed() -> None:
    mounts = [{"name": "hotpeers-peers", "mountPath": "/var/run/hotpeers/peers"}]
    containers = [{"name": name, "volumeMounts": mounts} for name in ("hotpeers-spawn", "app")]
    containers[0]["env"] = [{"name": "HOTPEERS_LISTEN", "value": "127.0.0.1:8091"}]
    assert find_target({"metadata": {}, "spec": {"containers": containers}}, Wishes()) == 1


def test_an_injected_agent_with_the_name_of_the_tools_stays_the_agent() -> None:
    mounts = [{"name": "hotpeers-peers", "mountPath": "/var/run/hotpeers/peers"}]
    containers = [{"name": "hotpeers-spawn", "volumeMounts": mounts}]
    assert find_target({"metadata": {}, "spec": {"containers": containers}}, Wishes()) == 0


def test_reason_lists_the_containers_and_the_annotation() -> None:
    containers = [{"name": "app", "image": "a"}, {"name": "helper", "image": "b"}]
    found = find_target({"metadata": {}, "spec": {"containers": containers}}, Wishes())
    assert str(found).endswith("agent's (app, helper; name it in hotpeers.dev/container).")


@pytest.mark.parametrize(
    ("image", "companion"),
    [
        ("docker.io/istio/proxyv2:1.28.0", True),
        ("registry.corp:5000/mirror/istio/proxyv2@sha256:0", True),
        ("cr.l5d.io/linkerd/proxy:edge", True),
        ("gcr.io/datadoghq/agent:7", True),
        ("acme/agent:7", False),
        ("hashicorp/vault:1.21", True),
        ("acme/vault:1", False),
        ("redis:8-alpine", True),
        ("docker.io/library/redis@sha256:0", True),
        ("acme/agents/redis:1", False),
        ("registry:5000/redis", False),
        ("quay.io/argoproj/argoexec:v3.7", True),
        ("acme/envoy-agent:1", False),
        ("", False),
    ],
)
def test_companion_is_known_by_its_image(image: str, companion: bool) -> None:
    assert is_companion({"name": "any", "image": image}) is companion
