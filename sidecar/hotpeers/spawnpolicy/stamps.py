"""What the guard writes on a spawned agent, and never takes from a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .request import AGENT_API, AGENT_KIND, Subject

PREFIX = "hotpeers.dev/"
SPAWNED_BY = "hotpeers.dev/spawned-by"
ACCOUNT = "hotpeers.dev/spawned-by-serviceaccount"
UID = "hotpeers.dev/spawned-by-uid"
DEPTH = "hotpeers.dev/depth"
EXPIRES = "hotpeers.dev/expires-at"
POLICY = "hotpeers.dev/policy"
DIGEST = "hotpeers.dev/template-digest"
PEER = "hotpeers.dev/peer"
SPAWNED = "hotpeers.dev/spawned"
TTL = "hotpeers.dev/ttl"
"""What a request may ask for: a shorter or longer life, within the policy."""
TEMPLATE = "hotpeers.dev/template"
"""What a request says that it was made from; it is believed only where the object is the same."""

ANNOTATIONS = (SPAWNED_BY, ACCOUNT, UID, DEPTH, EXPIRES, POLICY, DIGEST)
LABELS = (PEER, SPAWNED)
FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""Of times in stamps."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """All that is stamped on one agent."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[Mapping[str, Any], ...] = ()

    def put_on(self, manifest: Any) -> None:
        """Write the stamps into a manifest that was judged."""
        metadata = manifest["metadata"]
        metadata["annotations"] = {**metadata.get("annotations", {}), **self.annotations}
        metadata["labels"] = {**metadata.get("labels", {}), **self.labels}
        if self.owners:
            metadata["ownerReferences"] = [dict(owner) for owner in self.owners]


def new_stamps(
    subject: Subject, *, policy: str, namespace: str, expires: datetime, digest: str
) -> Stamps:
    """The stamps of an agent that this subject creates now."""
    owner_kind = AGENT_KIND if subject.agent else "ServiceAccount"
    owner_name = subject.agent or subject.service_account
    uid = subject.agent_uid if subject.agent else subject.service_account_uid
    annotations = {
        ACCOUNT: f"{subject.namespace}/{subject.service_account}",
        UID: uid,
        DEPTH: str(subject.depth + 1),
        EXPIRES: written(expires),
        POLICY: policy,
    }
    if subject.agent:
        annotations[SPAWNED_BY] = f"{subject.namespace}/{subject.agent}"
    if digest:
        annotations[DIGEST] = digest
    owner = {
        "apiVersion": AGENT_API if subject.agent else "v1",
        "kind": owner_kind,
        "name": owner_name,
        "uid": uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }
    owners = (owner,) if uid and namespace == subject.namespace else ()
    return Stamps(annotations, {PEER: "true", SPAWNED: "true"}, owners)


def stamps_of(manifest: Any) -> Stamps:
    """The stamps that an object in the cluster carries: what was admitted is believed."""
    metadata = part(manifest, "metadata")
    annotations, labels = part(metadata, "annotations"), part(metadata, "labels")
    owners = metadata.get("ownerReferences")
    return Stamps(
        {key: annotations[key] for key in ANNOTATIONS if key in annotations},
        {key: labels[key] for key in LABELS if key in labels},
        tuple(owners) if isinstance(owners, list) else (),
    )


def is_spawned_by(subject: Subject, stamps: Stamps) -> bool:
    """Whether these stamps say that the subject made it; by uid, for names come back."""
    found = stamps.annotations
    uid = subject.agent_uid if subject.agent else subject.service_account_uid
    return (
        stamps.labels.get(SPAWNED) == "true"
        and bool(uid)
        and found.get(UID) == uid
        and found.get(ACCOUNT) == f"{subject.namespace}/{subject.service_account}"
        and found.get(SPAWNED_BY)
        == (f"{subject.namespace}/{subject.agent}" if subject.agent else None)
    )


def expiry(now: datetime, seconds: int) -> datetime:
    """When an agent of this many seconds ends, in whole seconds."""
    return (now + timedelta(seconds=seconds)).astimezone(UTC).replace(microsecond=0)


def written(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).strftime(FORMAT)


def part(value: Any, key: str) -> dict[str, Any]:
    """A field that is an object; {} where there is none or something else."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
