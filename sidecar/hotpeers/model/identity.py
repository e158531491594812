"""Objects as views: validated, with one clear line for each thing that is wrong."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hotpeers_shim.contract import MAX_URL, clean_text

from .resource import Metadata


def identity_of(metadata: Metadata, kind: str, where: str) -> dict[str, Any]:
    """The fields that identify a candidate. `where` is its file, "" in a cluster."""
    title = f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name
    source = source_of(where, f"{kind}/{title}")
    created = metadata.creationTimestamp
    return {
        "kind": kind,
        "name": metadata.name,
        "namespace": metadata.namespace or "",
        "uid": clean_text(metadata.uid or "", 253) or str(uuid5(NAMESPACE_URL, source)),
        "labels": metadata.labels,
        # Ignore the time in a file: its author chooses it, and an early time would give the candidate
        # precedence over existing ones.
        "created": created.timestamp() if created and not where else None,
        "source": source,
    }


def source_of(where: str, what: str) -> str:
    """The origin of a peer, as text for people: file and object, or only the object."""
    return clean_text(f"{where}#{what}" if where else what, MAX_URL)
