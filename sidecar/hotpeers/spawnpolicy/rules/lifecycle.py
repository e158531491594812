"""Rules of the fields that the writer of an object cannot choose: stamps and immutable fields."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from ...base.parts import part
from ..decision import shown
from ..reasons import PolicyReason
from ..request import Phase, Request
from ..stamps import (
    ANNOTATIONS,
    DIGEST,
    EXPIRES,
    FORMAT,
    LABELS,
    PEER,
    POLICY,
    TEMPLATE,
    TTL,
    Stamps,
    written,
)
from .walk import Checker

_CONSTANT = (
    *("finalizers", "ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"),
    "generateName",
)


def check_stamps(
    checker: Checker, manifest: Any, expected: Stamps, request: Request, now: datetime
) -> None:
    """Checker the stamps in a request: only stamps written by the guard are allowed.

    A new object must have no stamps in the mutating webhook, and exactly the `expected` stamps in the
    validating one. An updated object may repeat its stamps; the guard restores missing ones.
    """
    creating = request.operation == "CREATE"
    after = request.phase is Phase.VALIDATING
    metadata = part(manifest, "metadata")
    for kind, keys, right in (
        ("annotations", ANNOTATIONS, expected.annotations),
        ("labels", LABELS, expected.labels),
    ):
        found = part(metadata, kind)
        for key in keys:
            path = f'metadata.{kind}["{key}"]'
            if key not in found:
                if after and key in right:
                    checker.deny(PolicyReason.NOT_AS_STAMPED, path, "the guard's stamp is missing")
                continue
            if key == PEER and found[key] == right.get(key):
                continue
            if creating and not after:
                wrong = "only the guard writes it"
                checker.deny(PolicyReason.STAMP_FORGED, path, wrong, "leave it out")
            elif creating and key == EXPIRES:
                _check_expiry(checker, path, found[key], right[key], now)
            elif found[key] != right.get(key):
                wrong = f"{shown(found[key])} is not what the guard wrote"
                checker.deny(PolicyReason.STAMP_FORGED, path, wrong, "leave it out")
    if creating and after and expected.owners and "ownerReferences" not in metadata:
        checker.deny(
            PolicyReason.NOT_AS_STAMPED, "metadata.ownerReferences", "the owner is missing"
        )


def _check_expiry(checker: Checker, path: str, found: object, latest: str, now: datetime) -> None:
    """Checker the expiry stamp in the validating webhook.

    The mutating webhook wrote it a moment ago, so it may be earlier than `latest`, which is computed
    now.
    """
    try:
        moment = datetime.strptime(str(found), FORMAT).replace(tzinfo=UTC)
    except ValueError:
        moment = now
    # Times of this format can be compared as texts. strptime also accepts other spellings of a time,
    # so compare the text as well.
    fits = written(moment) == found and written(now) < found <= latest
    if not fits:
        checker.deny(
            PolicyReason.STAMP_FORGED, path, f"{shown(found)} is not what the guard wrote", latest
        )


def check_unchanged(checker: Checker, manifest: Any, old: Any) -> None:
    """Checker the immutable fields of an UPDATE. Fields that it omits are restored in `manifest`."""
    metadata, before = part(manifest, "metadata"), part(old, "metadata")
    for key in ("uid", "name", "namespace"):
        if key in metadata and metadata[key] != before.get(key):
            checker.deny(
                PolicyReason.CHANGED, f"metadata.{key}", "it can never be changed", "as it was"
            )
    for key in _CONSTANT:
        _keep(checker, f"metadata.{key}", key, metadata, before)
    old_annotations = part(before, "annotations")
    if any(key in old_annotations for key in (TTL, TEMPLATE)):
        metadata.setdefault("annotations", {})
    annotations = part(metadata, "annotations")
    for key in (TTL, TEMPLATE):
        _keep(checker, f'metadata.annotations["{key}"]', key, annotations, old_annotations)
    was = old.get("status") if isinstance(old, dict) else None
    if isinstance(manifest, dict) and manifest.get("status", was) != was:
        checker.deny(
            PolicyReason.FIELD_FORBIDDEN, "status", "only kagent writes a status", "as it was"
        )


def check_origin(checker: Checker, stamps: Stamps, policy: str, digest: str) -> None:
    """Checker that an agent keeps the policy and the template that it was created with."""
    if stamps.annotations.get(POLICY) != policy:
        wrong = f"it was spawned under the policy {shown(stamps.annotations.get(POLICY))}"
        checker.deny(
            PolicyReason.NOT_SPAWNED, "metadata.name", wrong, f"agents spawned under {policy}"
        )
    if digest != stamps.annotations.get(DIGEST, ""):
        checker.deny(
            PolicyReason.TEMPLATE_CHANGED, "spec", "the template has changed since", "a new agent"
        )


def _keep(
    checker: Checker, path: str, key: str, now: dict[str, Any], before: dict[str, Any]
) -> None:
    if key in now and (key not in before or now[key] != before[key]):
        checker.deny(PolicyReason.CHANGED, path, "it can never be changed", "as it was")
    elif key in before and key not in now:
        now[key] = copy.deepcopy(before[key])


def without_constants(manifest: Any, old: Any, expected: Stamps) -> Any:
    """The part of the manifest that the writer chose: without stamps and unchanged immutable fields."""
    rest = copy.copy(manifest)
    metadata = rest.get("metadata")
    if isinstance(old, dict) and rest.get("status") == old.get("status"):
        rest.pop("status", None)
    if not isinstance(metadata, dict):
        return rest
    metadata = rest["metadata"] = dict(metadata)
    owners = list(expected.owners)
    before = {**part(old, "metadata"), **({"ownerReferences": owners} if owners else {})}
    for key in _CONSTANT:
        if key in metadata and key in before and metadata[key] == before[key]:
            del metadata[key]
    for kind, keys in (("annotations", ANNOTATIONS), ("labels", LABELS)):
        if isinstance(metadata.get(kind), dict):
            metadata[kind] = {
                key: item for key, item in metadata[kind].items() if key not in keys or key == PEER
            }
    return rest
