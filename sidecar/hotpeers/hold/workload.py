"""A Deployment with the label, its ReplicaSets and its pods, as records."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..base.names import NamespacedName
from ..base.parts import Json, items, number, part, text
from .names import CONFIG_HASH, HELD_ANNOTATIONS, HELD_LABEL, POD_CONFIG
from .state import Hold, Owner, can_wait, follows, owner_of, read_hold, template_hash, written_time

SIDECAR = "hotpeers"
_REVISION = "deployment.kubernetes.io/revision"
_MAX_PODS = 200


@dataclass(frozen=True, slots=True)
class HeldDeployment:
    """A Deployment with the label `hotpeers.dev/held`.

    `hold` is None if its annotations are invalid. `owner` is None if it does not belong to kagent.
    """

    namespace: str
    name: str
    uid: str
    hold: Hold | None
    owner: Owner | None
    template: str
    follows: bool = False
    runs: bool = False
    replicas: int = 1
    rolling: bool = False
    """A rollout is in progress: pods of an older template run, or pods of the newest are missing."""
    stuck: bool = False
    """Its rollout makes no progress (`Progressing` is False)."""
    available: int = 0
    revision: str = ""
    selector: tuple[tuple[str, str], ...] = ()
    marks: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> NamespacedName:
        """Namespace and name."""
        return NamespacedName(self.namespace, self.name)

    @property
    def title(self) -> str:
        """The name in messages."""
        return str(self.key)


def read_deployment(data: Json) -> HeldDeployment:
    """The record of a Deployment object from the API server (apps/v1)."""
    metadata, spec, status = part(data, "metadata"), part(data, "spec"), part(data, "status")
    replicas = number(spec, "replicas", default=1)
    updated = number(status, "updatedReplicas")
    conditions = {text(one, "type"): one for one in items(status, "conditions")}
    labels, annotations = part(metadata, "labels"), part(metadata, "annotations")
    marks = [("labels", HELD_LABEL)] if HELD_LABEL in labels else []
    marks += [("annotations", name) for name in HELD_ANNOTATIONS if name in annotations]
    return HeldDeployment(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        hold=read_hold(data),
        owner=owner_of(data),
        template=template_hash(data),
        follows=follows(data),
        runs=can_wait(data),
        replicas=replicas,
        rolling=(
            number(status, "observedGeneration") < number(metadata, "generation")
            or updated < replicas
            or number(status, "replicas") > updated
        ),
        stuck=text(conditions.get("Progressing"), "status") == "False",
        available=number(status, "availableReplicas"),
        revision=text(annotations, _REVISION),
        selector=tuple(
            sorted((key, str(one)) for key, one in part(spec, "selector", "matchLabels").items())
        ),
        marks=tuple(marks),
    )


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the newest ReplicaSet. `port` is its sidecar's, or 0 if it cannot be asked."""

    name: str
    uid: str
    ip: str = ""
    port: int = 0
    ready: bool = False
    failing: bool = False
    """One of its containers ended and waits for a restart (`CrashLoopBackOff`)."""
    tries: int = 0
    """The `try` of the request in its annotation."""
    asked: tuple[str, str] = field(default=("", ""))
    """The `hash` and `secrets` of the request in its annotation."""
    has_annotations: bool = True


def newest_replica_set(sets: Json, deployment: HeldDeployment) -> Json | None:
    """The ReplicaSet in a list that has the Deployment's template; None if it does not exist yet."""
    for one in items(sets, "items"):
        if (
            _controller(one) == ("Deployment", deployment.uid)
            and text(one, "metadata", "annotations", _REVISION) == deployment.revision
            and text(one, "spec", "template", "metadata", "annotations", CONFIG_HASH)
            == deployment.template
        ):
            found: Json = one
            return found
    return None


def pods_of(pods: Json, replica_set: Json) -> list[Pod]:
    """The pods in a list that a ReplicaSet controls, without those that are terminating."""
    owner = ("ReplicaSet", text(replica_set, "metadata", "uid"))
    return [
        _read_pod(one)
        for one in items(pods, "items")[:_MAX_PODS]
        if _controller(one) == owner
        and "deletionTimestamp" not in part(one, "metadata")
        and text(one, "status", "phase") not in ("Succeeded", "Failed")
    ]


def _controller(data: Json) -> tuple[str, str]:
    for one in items(data, "metadata", "ownerReferences"):
        if part({"": one}, "").get("controller") is True:
            return text(one, "kind"), text(one, "uid")
    return "", ""


def _read_pod(data: Json) -> Pod:
    spec, status = part(data, "spec"), part(data, "status")
    states = [*items(status, "containerStatuses"), *items(status, "initContainerStatuses")]
    waiting = {text(one, "state", "waiting", "reason") for one in states}
    conditions = {text(one, "type"): text(one, "status") for one in items(status, "conditions")}
    tries, asked = _asked(text(data, "metadata", "annotations", POD_CONFIG))
    return Pod(
        name=text(data, "metadata", "name"),
        uid=text(data, "metadata", "uid"),
        ip=text(status, "podIP"),
        # On the host network, the pod's address belongs to every program on the node: do not ask it.
        port=0 if spec.get("hostNetwork") is True else _port(spec),
        ready=conditions.get("Ready") == "True",
        failing="CrashLoopBackOff" in waiting,
        tries=tries,
        asked=asked,
        has_annotations=bool(part(data, "metadata", "annotations")),
    )


def _port(spec: Json) -> int:
    for one in [*items(spec, "initContainers"), *items(spec, "containers")]:
        if text(one, "name") == SIDECAR:
            ports = [number(port, "containerPort") for port in items(one, "ports")]
            return next((port for port in ports if 0 < port < 65536), 0)
    return 0


def _asked(written: str) -> tuple[int, tuple[str, str]]:
    try:
        found = json.loads(written) if 0 < len(written) <= 64 * 1024 else {}
    except (ValueError, RecursionError):
        found = {}
    return max(number(found, "try"), 0), (text(found, "hash"), text(found, "secrets"))


def asking_patch(pod: Pod, hold: Hold, secrets: str, tries: int) -> list[Json]:
    """A JSON patch that asks a pod to load the wanted configuration; kubelet then updates its volumes.

    It contains the time since when the configuration is wanted: a pod that started later has the
    Secrets of that time (`hotpeers_shim.hot.hashing`). It tests the uid, so that it never changes
    another pod of the same name.
    """
    asked: Json = {"hash": hold.wanted, "secrets": secrets, "try": tries}
    if hold.since:
        asked["since"] = written_time(datetime.fromtimestamp(hold.since, UTC))
    value = json.dumps(asked, separators=(",", ":"))
    key = POD_CONFIG.replace("/", "~1")
    where: Json = {"op": "add", "path": f"/metadata/annotations/{key}", "value": value}
    if not pod.has_annotations:
        where = {"op": "add", "path": "/metadata/annotations", "value": {POD_CONFIG: value}}
    return [{"op": "test", "path": "/metadata/uid", "value": pod.uid}, where]
