"""The server of the tests: that it goes away and comes back as tests of the product need it."""

import signal
from itertools import islice

import pytest
import yaml

from kit.apiserver.client import Api, ApiError
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import PEERS, install_crd, peer, remove_crd
from kit.apiserver.server import Cluster


def configmap(namespace: str, name: str) -> dict:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


def test_server_killed_and_started_again_has_its_port_and_its_data(
    cluster: Cluster, namespace: str
) -> None:
    cluster.api.create(configmap(namespace, "kept"))
    port = cluster.port
    cluster.stop(signal.SIGKILL)
    with pytest.raises(OSError, match="refused"):
        cluster.api.request("GET", "/readyz")
    cluster.start()
    assert cluster.port == port
    assert cluster.api.read(configmap(namespace, "kept"))["metadata"]["name"] == "kept"


def test_old_watch_is_gone_after_a_compaction_and_a_restart(
    cluster: Cluster, namespace: str
) -> None:
    old = cluster.api.list("v1", "ConfigMap", namespace)["metadata"]["resourceVersion"]
    cluster.api.create(configmap(namespace, "later"))
    cluster.compact()
    cluster.restart(signal.SIGKILL)
    (event,) = cluster.api.watch("v1", "ConfigMap", namespace, resourceVersion=old)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert event["object"]["reason"] == "Expired"


def test_next_page_is_gone_after_a_compaction_and_a_restart(
    cluster: Cluster, namespace: str
) -> None:
    cluster.api.create_all(configmap(namespace, f"m{number}") for number in range(4))
    page = cluster.api.list("v1", "ConfigMap", namespace, limit=2)
    cluster.api.create(configmap(namespace, "later"))
    cluster.compact()
    cluster.restart(signal.SIGKILL)
    rest = {"limit": 2, "continue": page["metadata"]["continue"]}
    with pytest.raises(ApiError) as refused:
        cluster.api.list("v1", "ConfigMap", namespace, **rest)
    assert refused.value.status == 410


def test_compacted_version_expires_at_once_without_the_watch_cache(own_cluster: Cluster) -> None:
    own_cluster.add_flags("--watch-cache=false")
    own_cluster.start()
    api = own_cluster.api
    install_crd(api, PEERS)
    for kind in (("v1", "ConfigMap"), ("hotpeers.dev/v1alpha1", "Peer")):
        old = api.list(*kind)["metadata"]["resourceVersion"]
        api.create(configmap("default", f"later-{kind[1].lower()}"))
        own_cluster.compact()
        (event,) = api.watch(*kind, resourceVersion=old)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_watch_yields_each_change(cluster: Cluster, namespace: str) -> None:
    since = cluster.api.list("v1", "ConfigMap", namespace)["metadata"]["resourceVersion"]
    made = configmap(namespace, "one")
    cluster.api.create(made)
    cluster.api.patch(made, {"data": {"a": "b"}})
    cluster.api.delete(made)
    events = cluster.api.watch("v1", "ConfigMap", namespace, resourceVersion=since)
    assert [event["type"] for event in islice(events, 3)] == ["ADDED", "MODIFIED", "DELETED"]


def test_namespace_is_removed_with_its_objects(cluster: Cluster, crds: list[str]) -> None:
    create_namespace(cluster.api, "passing")
    cluster.api.create(peer("passing", "one"))
    remove_namespace(cluster.api, "passing")
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "passing"}}
    with pytest.raises(ApiError) as refused:
        cluster.api.read(place)
    assert refused.value.status == 404
    items = cluster.api.list("hotpeers.dev/v1alpha1", "Peer")["items"]
    assert "passing" not in [item["metadata"]["namespace"] for item in items]


def test_crd_is_removed_with_its_objects_and_installed_again(
    cluster: Cluster, namespace: str
) -> None:
    install_crd(cluster.api, PEERS)
    cluster.api.create(peer(namespace, "one"))
    remove_crd(cluster.api, PEERS)
    with pytest.raises(ApiError) as refused:
        cluster.api.list("hotpeers.dev/v1alpha1", "Peer", namespace)
    assert refused.value.status == 404
    install_crd(cluster.api, PEERS)
    assert cluster.api.list("hotpeers.dev/v1alpha1", "Peer", namespace)["items"] == []


def test_kubeconfig_is_of_an_admin_and_complete(cluster: Cluster) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    (entry,) = config["clusters"]
    assert entry["cluster"]["server"] == cluster.url
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "SelfSubjectReview",
    }
    answer = cluster.api.request(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review
    )
    assert answer["status"]["userInfo"]["username"] == "admin"


def test_closed_cluster_leaves_no_folder_or_process(own_cluster: Cluster) -> None:
    own_cluster.start()
    assert isinstance(own_cluster.api, Api)
    folder, etcd, server = own_cluster.folder, own_cluster.etcd, own_cluster.server
    own_cluster.close()
    assert not folder.exists()
    assert (etcd.pid, server.pid) == (None, None)
