"""Stamps: annotations, labels and owners that the guard sets on an agent. Requests cannot set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..base.parts import part
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
"""Set by a request: a shorter or longer lifetime, within the policy."""
TEMPLATE = "hotpeers.dev/template"
"""Set by a request: the template of the object. The guard checks that the object matches it."""

ANNOTATIONS = (SPAWNED_BY, ACCOUNT, UID, DEPTH, EXPIRES, POLICY, DIGEST)
LABELS = (PEER, SPAWNED)
FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""Time format of stamps."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """All stamps of one agent."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[Mapping[str, Any], ...] = ()

    def put_on(self, manifest: Any) -> None:
        """Write the stamps into a manifest that was checked. The manifest is changed in place."""
        metadata = manifest["metadata"]
        metadata["annotations"] = {**metadata.get("annotations", {}), **self.annotations}
        metadata["labels"] = {**metadata.get("labels", {}), **self.labels}
        if self.owners:
            metadata["ownerReferences"] = [dict(owner) for owner in self.owners]


def new_stamps(
    subject: Subject, *, policy: str, namespace: str, expires: datetime, digest: str
) -> Stamps:
    """The stamps of an agent that this subject creates."""
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
    """The stamps of an object in the cluster. They are trusted, because it was admitted with them."""
    metadata = part(manifest, "metadata")
    annotations, labels = part(metadata, "annotations"), part(metadata, "labels")
    owners = metadata.get("ownerReferences")
    return Stamps(
        {key: annotations[key] for key in ANNOTATIONS if key in annotations},
        {key: labels[key] for key in LABELS if key in labels},
        tuple(owners) if isinstance(owners, list) else (),
    )


def is_spawned_by(subject: Subject, stamps: Stamps) -> bool:
    """Whether these stamps name the subject as creator. Compares uids, because names are reused."""
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
    """The expiry of an agent with a lifetime of this many seconds, rounded down to a second."""
    return (now + timedelta(seconds=seconds)).astimezone(UTC).replace(microsecond=0)


def written(moment: datetime) -> str:
    """A time as RFC 3339 in UTC."""
    return moment.astimezone(UTC).strftime(FORMAT)
