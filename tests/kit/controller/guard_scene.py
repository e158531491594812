"""A real `hotpeers controller` that guards a real API server, and subjects with every right there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit.apiserver.accounts import ServiceAccount, make_account, rule
from kit.apiserver.client import Api, Object
from kit.apiserver.resources import account_manifest
from kit.apiserver.server import Cluster
from kit.spawning import SPEC, declarative, document
from kit.waiting import until
from kit.webhook import Controller

TAKEN = "worker-taken"
KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
EVERYTHING = [rule("*", "*", "*")]


@contextmanager
def asked(cluster: Cluster, controller: Controller) -> Iterator[None]:
    """While it lasts there are the configurations of the chart, which lead to this controller."""
    applied = [controller.configuration("hotpeers-guard", kind) for kind in KINDS]
    for one in applied:
        cluster.api.apply(one)
    try:
        yield
    finally:
        for one in applied:
            cluster.api.delete(one)


def until_asked(api: Api, namespace: str) -> None:
    """Wait until both webhooks are asked about whoever this is.

    The mutating one alone lets a name pass that is taken; it refuses a ConfigMap.
    """
    agents = f"/apis/kagent.dev/v1alpha2/namespaces/{namespace}/agents"
    probes: dict[str, tuple[str, Object]] = {
        "mutate": (
            f"/api/v1/namespaces/{namespace}/configmaps",
            {"metadata": {"name": "probe"}},
        ),
        "validate": (agents, declarative(TAKEN, namespace)),
    }
    for phase, (path, body) in probes.items():

        def is_asked(phase: str = phase, path: str = path, body: Object = body) -> bool:
            return f"{phase}.guard.hotpeers.dev" in api.refusal("POST", f"{path}?dryRun=All", body)

        until(f"{phase} to be asked", is_asked, 60)


def until_governed(api: Api, namespace: str) -> None:
    """Wait until the mutating webhook is asked about whoever this is.

    Of an account that was governed a moment ago the API server learns by watching configurations.
    """
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"

    def is_asked() -> bool:
        refusal = api.refusal("POST", path, {"metadata": {"name": "probe"}})
        return "mutate.guard.hotpeers.dev" in refusal

    until("the account to be governed", is_asked, 60)


def take(api: Api, namespace: str) -> None:
    """Take the name by which `until_asked` knows the validating webhook."""
    api.create(account_manifest(namespace, TAKEN))


def subject(cluster: Cluster, namespace: str, name: str = "lead") -> ServiceAccount:
    """A ServiceAccount that RBAC allows everything."""
    return make_account(cluster, namespace, name, cluster_rules=EVERYTHING)


def orchestrator(namespace: str, name: str = "lead") -> Object:
    """The agent that runs as the account of its name."""
    return declarative(name, namespace)


def spawn_policy(namespace: str, name: str = "workers", **spec: Any) -> Object:
    """The shared policy, for this namespace; a field that is None is left out."""
    whole = {**SPEC, "targetNamespaces": [namespace], **spec}
    return document({k: v for k, v in whole.items() if v is not None}, name, namespace)


def log_lines(controller: Controller) -> list[Object]:
    """The audit log so far."""
    lines = Path(controller.log).read_text().splitlines()
    found = [json.loads(one) for one in lines if one.startswith("{")]
    return [one for one in found if one.get("logger") == "hotpeers.audit"]
