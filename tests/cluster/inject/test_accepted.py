"""What a real API server accepts, it accepts injected too, at each level of PodSecurity."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import jsonpatch
import pytest
from hypothesis import HealthCheck, given, settings

from hotpeers.inject.injector import make_patch
from kit.apiserver.client import ApiError
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.server import Cluster
from kit.pods.generated import pods
from kit.pods.pod_cases import INJECTION, Case, all_cases

LEVELS = ("restricted", "baseline", "privileged")
RUNTIMES = ("gvisor", "nvidia")
LABEL = "pod-security.kubernetes.io/enforce"
Pod = dict[str, Any]
Offer = Callable[[Pod, str], Pod]


@pytest.fixture(scope="module")
def offer(shared_cluster: Cluster) -> Iterator[Offer]:
    """Offer a pod to the API server; `ApiError` if it is refused."""
    api = shared_cluster.api
    for level in LEVELS:
        create_namespace(api, f"inject-{level}", {LABEL: level})

    for name in RUNTIMES:
        kind = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "any"}
        api.apply({**kind, "metadata": {"name": name}})

    def create(pod: Pod, level: str) -> Pod:
        path = f"/api/v1/namespaces/inject-{level}/pods?dryRun=All&fieldValidation=Strict"
        return api.request("POST", path, pod)

    yield create
    for level in LEVELS:
        remove_namespace(api, f"inject-{level}")


def is_accepted(offer: Offer, pod: Pod, level: str) -> bool:
    try:
        offer(pod, level)
    except ApiError as error:
        if error.status not in (403, 422):
            raise
        return False
    return True


def confined(pod: Pod) -> Pod:
    """The pod with what `restricted` asks for, where it does not say otherwise."""
    pod = copy.deepcopy(pod)
    context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod["spec"]["securityContext"] = {**context, **pod["spec"].get("securityContext", {})}
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for kind in ("initContainers", "containers"):
        for container in pod["spec"].get(kind, []):
            container["securityContext"] = {**context, **container.get("securityContext", {})}
    return pod


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_a_pod_that_is_accepted_is_accepted_injected(case: Case, offer: Offer) -> None:
    # A pod whose owner is not there would be refused by nobody; its uid is no uuid, though.
    plain = copy.deepcopy(case.pod)
    plain["metadata"].pop("ownerReferences", None)
    originals = {level: confined(plain) if level == "restricted" else plain for level in LEVELS}
    accepted = [level for level in LEVELS if is_accepted(offer, originals[level], level)]
    for level in accepted:
        verdict = make_patch(originals[level], "team", case.injection)
        patched = jsonpatch.apply_patch(originals[level], list(verdict.operations))
        found = offer(patched, level)
        assert found is not None
        for kind in ("containers", "initContainers"):
            # Nothing of it was dropped as unknown: no field of ours is missing.
            for ours, theirs in zip(
                patched["spec"].get(kind, []), found["spec"].get(kind, []), strict=True
            ):
                assert set(ours) <= set(theirs)
    assert "privileged" in accepted
    if case.name not in REFUSED:
        assert "restricted" in accepted


REFUSED = {"root", "host-network", "windows", "static-pod", "ordinary-sidecar-injected"}
REFUSED |= {"spawn-on-the-host-network", "spawn-injected", "kagent-go-host-network"}
REFUSED |= {
    f"shapes/{name}"
    for name in (
        *("as-root", "host-network-daemon", "kagent-with-skills", "windows-host-process"),
        *("istio-proxy-first", "linkerd-proxy-first"),
    )
}
"""Those that `restricted` refuses by themselves."""


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pod=pods())
def test_accepted_pod_stays_accepted_when_injected(pod: Pod, offer: Offer) -> None:
    if is_accepted(offer, pod, "restricted"):
        verdict = make_patch(pod, "team", INJECTION)
        offer(jsonpatch.apply_patch(pod, list(verdict.operations)), "restricted")
