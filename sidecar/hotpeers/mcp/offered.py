"""Reports from the peer file and the acks whether an agent is offered to the orchestrator's model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hotpeers_shim.contract import MAX_FILE_BYTES, PeerFile, load_peer_file

from ..sidecar.acks.reader import AckReader


@dataclass(frozen=True, slots=True)
class Offer:
    """`listed`: it is in the peer file; `offered`: every agent process has that file live."""

    listed: bool = False
    offered: bool = False
    tool_name: str = ""


class OfferReader:
    """Reads the files of the sidecar in the same pod."""

    def __init__(self, peer_file: Path, ack_dir: Path) -> None:
        self._peer_file = peer_file
        self._acks = AckReader(ack_dir)

    def read(self, uid: str) -> Offer:
        """The current offer of the Agent with this uid. Blocks while it reads small files."""
        found = self._load()
        if found is None:
            return Offer()
        for peer in found.peers:
            if peer.uid == uid:
                acked = self._acks.read().generation
                live = acked is not None and acked >= found.generation
                return Offer(True, live and peer.ready, peer.toolName)
        return Offer()

    def namespaces(self) -> set[str]:
        """The namespaces of all current peers. Blocks like `read`."""
        found = self._load()
        return {peer.namespace for peer in found.peers if peer.namespace} if found else set()

    def _load(self) -> PeerFile | None:
        try:
            with self._peer_file.open("rb") as file:
                found = load_peer_file(file.read(MAX_FILE_BYTES + 1))
        except OSError:
            return None
        return found if isinstance(found, PeerFile) else None
