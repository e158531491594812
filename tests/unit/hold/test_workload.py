import json
from typing import Any

import jsonpatch

from hotpeers.hold.release import release_patch
from hotpeers.hold.state import Hold, is_marked, template_hash
from hotpeers.hold.workload import Pod, asking_patch, newest_replica_set, pods_of, read_deployment
from unit.hold.deployments import A, B, deployment


def running(**status: Any) -> dict[str, Any]:
    made = deployment(A, held=(B, A))
    made["metadata"]["generation"] = 3
    made["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2"
    counts = {"observedGeneration": 3, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    made["status"] = {**counts, **status}
    return made


def test_rollout_is_seen() -> None:
    assert not read_deployment(running()).rolling
    assert not read_deployment(running(availableReplicas=0)).rolling
    assert read_deployment(running(observedGeneration=2)).rolling
    assert read_deployment(running(replicas=2)).rolling
    assert read_deployment(running(updatedReplicas=0)).rolling
    stuck = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    assert read_deployment(running(conditions=stuck)).stuck


def owned(kind: str, by: str, /, **metadata: Any) -> dict[str, Any]:
    owner = {"kind": kind, "uid": by, "controller": True}
    return {"metadata": {"ownerReferences": [owner], **metadata}}


def test_only_the_newest_replica_set_of_its_own_counts() -> None:
    one = read_deployment(running())

    def replica_set(owner: str, revision: str, config: str) -> dict[str, Any]:
        made = owned(
            "Deployment",
            owner,
            uid="rs",
            annotations={"deployment.kubernetes.io/revision": revision},
        )
        template = {"metadata": {"annotations": {"kagent.dev/config-hash": config}}}
        return {**made, "spec": {"template": template}}

    good = replica_set("u-1", "2", A)
    others = [replica_set("u-2", "2", A), replica_set("u-1", "1", A), replica_set("u-1", "2", B)]
    assert newest_replica_set({"items": [*others, good]}, one) == good
    assert newest_replica_set({"items": others}, one) is None
    assert newest_replica_set({}, one) is None


def test_only_pods_of_that_replica_set_are_asked() -> None:
    mine, foreign = {"metadata": {"uid": "rs"}}, owned("ReplicaSet", "other", name="foreign")
    going = owned("ReplicaSet", "rs", name="going", deletionTimestamp="2026-01-01T00:00:00Z")
    done = {**owned("ReplicaSet", "rs", name="done"), "status": {"phase": "Failed"}}
    sidecar = {"name": "hotpeers", "ports": [{"containerPort": 8090}]}
    good = {
        **owned("ReplicaSet", "rs", name="good", uid="p"),
        "spec": {"initContainers": [sidecar]},
        "status": {"podIP": "10.1.2.3", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    on_host = {**good, "spec": {"hostNetwork": True, "containers": [sidecar]}}
    found = pods_of({"items": [foreign, going, done, good, on_host, None, 3]}, mine)
    assert [(one.name, one.port, one.ready) for one in found] == [
        ("good", 8090, True),
        ("good", 0, True),
    ]


def test_request_names_the_pod_by_uid() -> None:
    bare = {"metadata": {"uid": "p"}}
    hold = Hold(B, A, since=1_795_000_000.0)
    patch = asking_patch(Pod("x", "p", has_annotations=False), hold, "ab", 3)
    found = jsonpatch.apply_patch(bare, patch)
    held = json.loads(found["metadata"]["annotations"]["hotpeers.dev/held-config"])
    since = "2026-11-18T11:06:40Z"
    assert held == {"hash": B, "secrets": "ab", "try": 3, "since": since}
    other = {"metadata": {"uid": "q", "annotations": {"a": "b"}}}
    try:
        jsonpatch.apply_patch(other, asking_patch(Pod("x", "p"), hold, "ab", 3))
    except jsonpatch.JsonPatchTestFailed:
        return
    raise AssertionError("it was asked")


def test_release_writes_the_hash_and_takes_every_mark() -> None:
    held = running()
    one = read_deployment(held)
    stored = jsonpatch.apply_patch(held, release_patch(one.uid, one.hold, one.marks))
    assert (template_hash(stored), is_marked(stored)) == (B, False)
    assert stored["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "2"}
    stored = jsonpatch.apply_patch(held, release_patch(one.uid, None, one.marks))
    assert (template_hash(stored), is_marked(stored)) == (A, False)
