"""The part of an Orchestrator's status about its peers. Sidecar and hub write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hotpeers_shim.contract import Peer, clean_text

from ...base.reasons import sentence_of
from ...model.orchestrator_status import MAX_OFFERED, MAX_REFUSED
from ..resolve.eligibility import Refused


def title_of(peer: Peer) -> str:
    """`namespace/name` of a peer; `name` if it has no namespace."""
    return f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name


def status_of_peers(peers: Sequence[Peer], refused: Sequence[Refused]) -> dict[str, Any]:
    """The numbers of offered and refused peers, and bounded lists of them."""
    ready = sum(peer.ready for peer in peers)
    # Peers that are not ready come first, so that a long list does not cut them off.
    shown = sorted(peers, key=lambda one: (one.ready, title_of(one)))[:MAX_OFFERED]
    return {
        "peers": len(peers),
        "readyPeers": ready,
        "unreadyPeers": len(peers) - ready,
        "refusedPeers": len(refused),
        "offered": [
            {"peer": title_of(one)[:320], "source": one.source[:400], "ready": one.ready}
            for one in shown
        ],
        "refused": [
            {
                "peer": one.title[:320],
                "reason": one.reason.value,
                "message": clean_text(one.message or sentence_of(one.reason), 300),
            }
            for one in sorted(refused, key=lambda one: one.title)[:MAX_REFUSED]
        ],
    }
