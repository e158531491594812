"""The product as users get it: a release of its chart, installed by helm."""

from __future__ import annotations

import json
from typing import Any

from e2e.crew import INJECT
from e2e.idle import idle_pod, is_injected
from e2e.pods import Pod, describe, list_pods
from e2e.registry import REGISTRY_URL
from e2e.stage import RESTRICTED
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace
from kit.chart.helm import Helm
from kit.node.images import HOTPEERS
from kit.waiting import until

NAMESPACE = "hotpeers-system"
_NAME = "hotpeers"
_SELECTOR = {"app.kubernetes.io/name": "hotpeers", "app.kubernetes.io/component": "controller"}
_SECONDS = 90.0
_OF_EVERY_NAMESPACE = {"default", "kube-root-ca.crt"}
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "hotpeers-controller", "namespace": NAMESPACE},
}
WEBHOOK: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "hotpeers-injector"},
}


class Release:
    """One release; its namespace enforces PodSecurity `restricted` too."""

    def __init__(self, api: Api, helm: Helm) -> None:
        self.api = api
        self._helm = helm
        repository, _, tag = HOTPEERS.rpartition(":")
        wanted: Object = {
            "image.repository": repository,
            "image.tag": tag,
            "registry.url": REGISTRY_URL,
        }
        wanted["hub.enabled"] = wanted["console.enabled"] = True
        self._values = [f"{name}={json.dumps(value)}" for name, value in wanted.items()]
        self.is_installed = False

    def prepare(self) -> None:
        """Create the namespace, as an operator does before the installation."""
        try:
            create_namespace(self.api, NAMESPACE, RESTRICTED)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def install(self) -> None:
        """Install it, if it is not there; wait until it works."""
        if not self.is_installed:
            self._helm.install(_NAME, NAMESPACE, *self._values)
            self.is_installed = True
        self.wait()

    def upgrade(self, **annotations: str) -> None:
        """Upgrade to the same with other pod annotations, which replaces every controller."""
        self.upgrade_with(f"podAnnotations={json.dumps(annotations)}")

    def upgrade_with(self, *values: str) -> None:
        """Upgrade to the same with further values, in the place of earlier further ones."""
        self._helm.upgrade(_NAME, NAMESPACE, *self._values, *values)

    def uninstall(self) -> None:
        """Uninstall it, and wait until its pods have gone."""
        self._helm.uninstall(_NAME, NAMESPACE)
        self.is_installed = False
        until("the controllers to have gone", lambda: not self.pods(), _SECONDS)

    def scale(self, replicas: int) -> None:
        """Run that many controllers, and wait until it is so."""
        self.api.patch(DEPLOYMENT, {"spec": {"replicas": replicas}})
        if replicas:
            self.wait()
        else:
            until("the controllers to have gone", lambda: not self.pods(), _SECONDS)

    def wait(self) -> None:
        """Wait until every controller is ready and new, and the webhook trusted."""
        try:
            until("the controllers to be ready", self._is_ready, _SECONDS)
        except Exception as error:
            raise AssertionError(f"{error}\n{describe(self.api, NAMESPACE)}") from error

    kept: frozenset[str] = frozenset(
        {
            f"namespaces {NAMESPACE}",
            "customresourcedefinitions orchestrators.hotpeers.dev",
            "customresourcedefinitions peers.hotpeers.dev",
            "customresourcedefinitions spawnpolicies.hotpeers.dev",
            "apiservices v1alpha1.hotpeers.dev",
        }
    )
    """What an uninstalled release leaves: the namespace is not its own, Peers are the users'."""

    def traces(self) -> frozenset[str]:
        """Every object that is ours by its name, its namespace or its label."""
        versions = ["v1"]
        for group in self.api.request("GET", "/apis")["groups"]:
            versions.append(group["preferredVersion"]["groupVersion"])
        found = set()
        for version in versions:
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            for resource in self.api.request("GET", root)["resources"]:
                if "list" not in resource["verbs"] or resource["name"] == "events":
                    continue
                for one in self.api.request("GET", f"{root}/{resource['name']}")["items"]:
                    if _is_ours(one["metadata"]):
                        found.add(f"{resource['name']} {one['metadata']['name']}")
        return frozenset(found)

    def forget_orchestrators(self) -> None:
        """Delete the Orchestrators of injected workloads, by the command of docs/install.md."""
        everywhere = "/apis/hotpeers.dev/v1alpha1/orchestrators"
        label = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dhotpeers"
        for one in self.api.request("GET", f"{everywhere}?{label}")["items"]:
            self.api.delete({**one, "apiVersion": "hotpeers.dev/v1alpha1", "kind": "Orchestrator"})

    def wait_until_gone(self) -> None:
        """Wait until the garbage collector has removed what an uninstalled release owned."""

        def gone() -> bool:
            left = self.traces() - self.kept
            assert self.kept <= self.traces()
            return not left

        try:
            until("the release to be gone", gone, _SECONDS)
        except Exception as error:
            raise AssertionError(f"{error}: {sorted(self.traces() - self.kept)}") from error

    def pods(self) -> list[Pod]:
        """The controllers, those that are ending included."""
        return list_pods(self.api, NAMESPACE, _SELECTOR)

    def _is_ready(self) -> bool:
        deployment = self.api.read(DEPLOYMENT)
        status: dict[str, Any] = deployment.get("status", {})
        wanted = deployment["spec"]["replicas"]
        seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        counts = [status.get(f"{one}Replicas", 0) for one in ("updated", "available")]
        webhooks = self.api.read(WEBHOOK)["webhooks"]
        trusted = all(one["clientConfig"].get("caBundle") for one in webhooks)
        settled = status.get("replicas") == wanted
        return seen and trusted and settled and counts == [wanted, wanted] and self._answers()

    def _answers(self) -> bool:
        """Whether the API server reaches the webhook: the Service's rules follow readiness."""
        pod = idle_pod("default", "probe", INJECT)
        path = f"{self.api.path(pod, named=False)}?dryRun=All"
        return is_injected(self.api.request("POST", path, pod))


def _is_ours(metadata: Object) -> bool:
    if metadata["name"] in _OF_EVERY_NAMESPACE:
        return False
    managed = (metadata.get("labels") or {}).get("app.kubernetes.io/managed-by", "")
    inside = metadata.get("namespace") == NAMESPACE
    return "hotpeers" in metadata["name"] or managed == "hotpeers" or inside
