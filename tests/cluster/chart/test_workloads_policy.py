"""The policy of workloads on a real API server: which Roles and Orchestrators the controller can write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hotpeers.base.names import NamespacedName
from hotpeers.controller.workloads.objects import (
    binding_of,
    orchestrator_of,
    read_existing,
    role_of,
)
from hotpeers.controller.workloads.pods import Owner, Workload
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.resources import orchestrator
from kit.apiserver.server import Cluster
from kit.chart.controller import NAMESPACE, await_denial, controller_account
from kit.chart.helm import Helm

pytestmark = pytest.mark.usefixtures("crds")
HOME = "workloads-home"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster, helm: Helm) -> Iterator[ServiceAccount]:
    """The controller's account, with the rights and under the policies of the chart."""
    with controller_account(shared_cluster, helm, namespaces=(HOME,)) as made:
        # A binding to a Role that does not exist is refused before any policy is asked.
        for name in ("hotpeers-status-lead", "hotpeers-status-other"):
            made.cluster.api.apply(role(name=name))
        for probe in (role(name="other"), binding(subjects=[])):
            await_denial(made, lambda theirs, probe=probe: denial(theirs, probe))
        yield made


def made_for(name: str = "lead") -> Object:
    owner = Owner("apps/v1", "Deployment", name, "d")
    made = orchestrator_of(Workload(NamespacedName(HOME, name), owner))
    made["metadata"]["uid"] = "u"
    return made


def role(name: str = "", kind: str = "Role", **rule: Any) -> Object:
    made = role_of(read_existing(made_for()))
    made["rules"][0].update(rule)
    made["kind"] = kind
    if name:
        made["metadata"]["name"] = name
    return made


def binding(**fields: Any) -> Object:
    return {**binding_of(read_existing(made_for()), ["lead", "other"]), **fields}


def denial(api: Api, manifest: Object) -> str:
    """Why a policy of ours refuses to create an object, which is never stored; "" if none does."""
    try:
        api.request("POST", f"{api.path(manifest, named=False)}?dryRun=All", manifest)
    except ApiError as error:
        if "hotpeers-workloads" not in error.message and "hotpeers-bindings" not in error.message:
            raise
        return error.message
    return ""


def test_role_and_binding_of_an_orchestrator_can_be_made(api: Api) -> None:
    assert not denial(api, role(name="hotpeers-status-new"))
    assert not denial(api, binding())
    unowned = made_for()
    del unowned["metadata"]["uid"]
    assert not denial(api, unowned)


@pytest.mark.parametrize(
    "made",
    [
        role(name="admin"),
        role(resourceNames=[]),
        role(resourceNames=["lead", "other"]),
        # The controller itself may list them.
        role(resources=["orchestrators"], verbs=["list"]),
        orchestrator(HOME, "of-hub"),
    ],
)
def test_other_roles_and_orchestrators_are_denied(made: Object, api: Api) -> None:
    assert "the controller of hotpeers may" in denial(api, made)


SUBJECT = {"kind": "ServiceAccount", "name": "lead", "namespace": HOME}


@pytest.mark.parametrize(
    "fields",
    [
        {"subjects": [{**SUBJECT, "namespace": NAMESPACE}]},
        {"subjects": [SUBJECT, {"kind": "Group", "name": "all", "apiGroup": RBAC}]},
        {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "hotpeers-peers"}},
        {"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "hotpeers-status-other"}},
    ],
)
def test_other_bindings_are_denied(fields: Object, api: Api) -> None:
    assert "hotpeers-status" in denial(api, binding(**fields))


@pytest.mark.parametrize(
    "rule", [{"apiGroups": [""], "resources": ["secrets"]}, {"verbs": ["update"]}]
)
def test_right_that_the_controller_lacks_cannot_be_granted_even_without_a_policy(
    rule: Object, api: Api
) -> None:
    with pytest.raises(ApiError, match="attempting to grant RBAC permissions"):
        denial(api, role(name="hotpeers-status-new", **rule))


def test_orchestrator_of_the_hub_cannot_be_deleted(account: ServiceAccount, api: Api) -> None:
    admin = account.cluster.api
    hub, ours = admin.create(orchestrator(HOME, "of-hub")), made_for()
    del ours["metadata"]["uid"]
    admin.create(ours)
    try:
        with pytest.raises(ApiError, match="hotpeers-workloads"):
            api.delete(hub)
        api.delete(ours)
    finally:
        admin.delete(hub)
