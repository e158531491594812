"""The policy of stamps on a real API server: who may write the stamps of the guard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kit.apiserver.accounts import make_account, rule
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import AGENTS, install_crd
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.waiting import until

PLACE = "stamps"
# A name of its own: other tests install a release in the same cluster.
RELEASE = "protect-hotpeers"
NAME = f"{RELEASE}-stamps"
POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
STAMPS = {
    "hotpeers.dev/spawned-by": f"{PLACE}/lead",
    "hotpeers.dev/spawned-by-serviceaccount": f"{PLACE}/tenant",
    "hotpeers.dev/spawned-by-uid": "1-2-3",
    "hotpeers.dev/depth": "1",
    "hotpeers.dev/expires-at": "2030-01-01T00:00:00Z",
    "hotpeers.dev/policy": "other/workers",
    "hotpeers.dev/template-digest": "sha256:00",
}
RIGHTS = [rule("kagent.dev", "agents", "*")]


def agent(name: str = "mine", **metadata: Any) -> Object:
    spec = {"type": "Declarative", "declarative": {"systemMessage": "Help."}}
    return {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "Agent",
        "metadata": {"name": name, "namespace": PLACE, **metadata},
        "spec": {**spec, "description": "an agent"},
    }


class Steady:
    """True once a condition has held for two seconds."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition
        self._since = time.monotonic()

    def __call__(self) -> bool:
        if not self._condition():
            self._since = time.monotonic()
        return time.monotonic() - self._since > 2.0


@contextmanager
def in_force(cluster: Cluster, helm: Helm, *values: str) -> Iterator[None]:
    """The policy of the chart, as the API server knows it."""
    objects = [
        one
        for one in helm.render(*values, release=RELEASE)
        if one["kind"] in POLICIES and one["metadata"]["name"] == NAME
    ]
    assert len(objects) == len(POLICIES)
    for one in objects:
        cluster.api.apply(one)
    probe = agent("probe", labels={"hotpeers.dev/spawned": "true"})
    try:
        # An API server that has just loaded a policy may reload all of them, and briefly enforces
        # none.
        steady = Steady(lambda: bool(refusal(cluster.api, probe)))
        until("the policy to be in force", steady, 60.0)
        yield
    finally:
        for one in objects:
            cluster.api.delete(one)


@pytest.fixture(scope="module")
def place(shared_cluster: Cluster, helm: Helm) -> Iterator[Cluster]:
    """A cluster with kagent's Agents, a namespace, and the policy."""
    install_crd(shared_cluster.api, AGENTS)
    create_namespace(shared_cluster.api, PLACE)
    with in_force(shared_cluster, helm):
        yield shared_cluster
    remove_namespace(shared_cluster.api, PLACE)


@pytest.fixture
def admin(place: Cluster) -> Api:
    return place.api


@pytest.fixture
def tenant(place: Cluster) -> Iterator[Api]:
    """The account `tenant`, with all rights on Agents in its namespace and no others."""
    account = make_account(place, PLACE, "tenant", RIGHTS)
    yield (made := Api(account.access))
    made.close()


def refusal(api: Api, manifest: Object, verb: str = "POST", path: str = "") -> str:
    """Why a dry run is refused, "" where it is not."""
    path = path or api.path(manifest, named=False)
    media = "application/merge-patch+json" if verb == "PATCH" else "application/json"
    try:
        api.request(verb, f"{path}?dryRun=All", manifest, content_type=media)
    except ApiError as error:
        ours = (
            f"'{NAME}'" in error.message and "only the guard of hotpeers may write" in error.message
        )
        if not ours:
            raise
        return error.message
    return ""


@pytest.mark.parametrize("stamp", STAMPS)
def test_stamp_that_is_written_by_hand_is_refused(admin: Api, tenant: Api, stamp: str) -> None:
    """Forged agents counted for the policy of another tenant."""
    value = STAMPS[stamp].replace("tenant", "somebody")
    for api in (admin, tenant):
        assert refusal(api, agent(annotations={stamp: value}))
        assert refusal(api, agent(annotations={stamp: ""})), "an empty one is one"


@pytest.mark.parametrize("value", ["true", "false", "x"])
def test_label_that_is_written_by_hand_is_refused(admin: Api, tenant: Api, value: str) -> None:
    """A label governed the account of a bystander."""
    for api in (admin, tenant):
        assert refusal(api, agent(labels={"hotpeers.dev/spawned": value}))


def test_other_labels_and_annotations_are_admitted(admin: Api, tenant: Api) -> None:
    """People go on labelling peers by hand."""
    free = agent(
        labels={"hotpeers.dev/peer": "true", "team": "a"},
        annotations={
            "hotpeers.dev/ttl": "1h",
            "hotpeers.dev/template": "agent:x",
            "hotpeers.dev/inject": "true",
            "hotpeers.dev/policy-of-mine": "x",
        },
    )
    for api in (admin, tenant):
        assert not refusal(api, agent())
        assert not refusal(api, free)


def test_account_can_stamp_only_agents_that_it_creates(admin: Api, tenant: Api) -> None:
    """The guard stamps as the account itself. Stamps of an ungoverned account are never trusted."""
    own = agent(annotations=STAMPS, labels={"hotpeers.dev/spawned": "true"})
    assert not refusal(tenant, own)
    assert refusal(admin, own)
    long = {**STAMPS, "hotpeers.dev/expires-at": "x" * 513}
    assert refusal(tenant, agent(annotations=long)), "each replica keeps it"
    for account in (f"{PLACE}/other", f"{PLACE}:tenant", f"{PLACE}/tenant/x", "tenant", ""):
        forged = {**STAMPS, "hotpeers.dev/spawned-by-serviceaccount": account}
        assert refusal(tenant, agent(annotations=forged)), account


def test_stamps_never_change(admin: Api, tenant: Api, place: Cluster) -> None:
    labels = {"hotpeers.dev/spawned": "true"}
    made = tenant.create(agent("spawned", annotations=STAMPS, labels=labels))
    path = tenant.path(made)
    for api in (admin, tenant):
        for stamp in STAMPS:
            for value in (None, "other", f"{PLACE}/tenant2"):
                edit = {"metadata": {"annotations": {stamp: value}}}
                assert refusal(api, edit, "PATCH", path), (stamp, value)
        assert refusal(api, {"metadata": {"labels": {"hotpeers.dev/spawned": None}}}, "PATCH", path)
        whole = {**api.request("GET", path)}
        whole["metadata"] = {**whole["metadata"], "annotations": {}}
        assert refusal(api, whole, "PUT", path)
        for edit in (
            {"metadata": {"labels": {"team": "b"}, "annotations": {"note": "c"}}},
            {"spec": {"description": "another"}},
            {"metadata": {"finalizers": ["x.dev/y"]}},
        ):
            assert not refusal(api, edit, "PATCH", path)
    admin.delete(made)


def test_stamps_are_not_added_later(admin: Api, tenant: Api) -> None:
    made = tenant.create(agent("plain"))
    path = tenant.path(made)
    for api in (admin, tenant):
        edit = {"metadata": {"annotations": STAMPS, "labels": {"hotpeers.dev/spawned": "true"}}}
        assert refusal(api, edit, "PATCH", path)
    admin.delete(made)


def test_writers_that_the_operator_lists_may_write_them(
    shared_cluster: Cluster, place: Cluster, helm: Helm
) -> None:
    del place
    writer = "system:serviceaccount:velero:velero"
    with in_force(shared_cluster, helm, f'guard.stampWriters=["{writer}"]'):
        path = f"/apis/kagent.dev/v1alpha2/namespaces/{PLACE}/agents?dryRun=All"
        headers = {"Impersonate-User": writer, "Impersonate-Group": "system:masters"}
        restored = agent(annotations=STAMPS)
        until(
            "the exemption",
            lambda: not shared_cluster.api.refusal("POST", path, restored, headers=headers),
            60.0,
        )
    for one in helm.render(release=RELEASE):
        if one["kind"] in POLICIES and one["metadata"]["name"] == NAME:
            shared_cluster.api.apply(one)
