"""The guard's webhook configurations, and the accounts whose requests reach the guard.

No server listens at their URL: a request that is sent there is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hotpeers.controller.webhook_config.matching import read_asking
from hotpeers.spawnpolicy.governed import Account
from kit.apiserver.client import Api, ApiError, Object

_GROUP = "admissionregistration.k8s.io/v1"
PATHS = (
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
)


def manifests(name: str) -> tuple[Object, Object]:
    """Both configurations as the chart has them: without rules and conditions."""

    def one(kind: str, hook: str, **more: Any) -> Object:
        webhook = {
            "name": f"{hook}.guard.hotpeers.dev",
            "clientConfig": {"url": f"https://127.0.0.1:9/guard/{hook}"},
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "sideEffects": "NoneOnDryRun",
            "timeoutSeconds": 5,
            "admissionReviewVersions": ["v1"],
            **more,
        }
        metadata = {"name": name, "labels": {"app.kubernetes.io/name": "hotpeers"}}
        return {"apiVersion": _GROUP, "kind": kind, "metadata": metadata, "webhooks": [webhook]}

    return (
        one("MutatingWebhookConfiguration", "mutate", reinvocationPolicy="Never"),
        one("ValidatingWebhookConfiguration", "validate"),
    )


@contextmanager
def configurations(api: Api, name: str) -> Iterator[tuple[Object, Object]]:
    """Both, created, and gone in the end."""
    both = manifests(name)
    try:
        for one in both:
            api.create(one)
        yield both
    finally:
        for one in both:
            with suppress(ApiError):
                api.delete(one)


def annotated(configuration: Object) -> set[Account]:
    """The accounts that it says that it asks for."""
    return set(read_asking(configuration).accounts)


def listed(api: Api, name: str) -> set[Account] | None:
    """The accounts of both configurations; None where they are not the same."""
    first, second = (annotated(api.request("GET", f"{path}/{name}")) for path in PATHS)
    return first if first == second else None


def is_sent(api: Api, user: str, namespace: str) -> bool:
    """Whether requests of this user are sent to the guard."""
    headers = {"Impersonate-User": user, "Impersonate-Group": "system:masters"}
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"
    try:
        api.request("POST", path, {"metadata": {"name": "any"}}, headers=headers)
    except ApiError as error:
        if "failed calling webhook" not in error.message:
            raise
        return True
    return False


def user_of(account: Account) -> str:
    """The user name of a ServiceAccount."""
    return f"system:serviceaccount:{account[0]}:{account[1]}"


def sent(api: Api, accounts: Iterable[Account], namespace: str) -> set[Account]:
    """Those of the accounts whose requests are sent to the guard."""
    return {one for one in accounts if is_sent(api, user_of(one), namespace)}
