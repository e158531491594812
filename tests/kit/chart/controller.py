"""The chart's rights and policies on a cluster, with no controller running under them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kit.apiserver.accounts import ServiceAccount, make_account
from kit.apiserver.client import Api
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.waiting import until

NAMESPACE = "hotpeers-system"
_KINDS = (
    *("ServiceAccount", "Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)


@contextmanager
def controller_account(
    cluster: Cluster, helm: Helm, *sets: str, namespaces: tuple[str, ...]
) -> Iterator[ServiceAccount]:
    """The account of the chart's controller, as someone who has broken into it would use it.

    `namespaces` are created beside the controller's own, and removed at the end. The policies may
    not be in force yet: see `await_denial`.
    """
    api = cluster.api
    for name in (NAMESPACE, *namespaces):
        create_namespace(api, name)
    rendered = helm.render(*sets, namespace=NAMESPACE)
    objects = [one for one in rendered if one["kind"] in _KINDS]
    for one in objects:
        api.apply(one)
    yield make_account(cluster, NAMESPACE, "hotpeers-controller")
    for one in objects:
        api.delete(one)
    for name in (NAMESPACE, *namespaces):
        remove_namespace(api, name)


def await_denial(account: ServiceAccount, denied: Callable[[Api], object]) -> None:
    """Wait until the API server enforces the policy that denies what `denied` attempts."""
    theirs = Api(account.access)
    until("the policy to be in force", lambda: bool(denied(theirs)), 60.0)
    theirs.close()
