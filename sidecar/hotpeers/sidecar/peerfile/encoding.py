"""Caches the encoded form of a list of peers between two versions of the list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hotpeers_shim.contract import Peer, digest_of_digests, digest_of_peer, encode_peer

from ..resolve.changes import changed_span

_DIGEST = hashlib.sha256().digest_size


class Encodings:
    """The encoded form of each peer of the last list. Only changed peers are encoded again."""

    def __init__(self) -> None:
        self._peers: Sequence[Peer] = ()
        self._encoded: list[bytes] = []
        self._digests = bytearray()

    def update(self, peers: Sequence[Peer]) -> tuple[Sequence[bytes], str]:
        """The encoding of each peer, valid until the next call, and the digest of all of them."""
        start, end, new_end = changed_span(self._peers, peers)
        last = {id(self._peers[number]): number for number in range(start, end)}
        encoded: list[bytes] = []
        digests: list[bytes] = []
        for peer in peers[start:new_end]:
            number = last.get(id(peer))
            if number is None:
                encoded.append(encode_peer(peer))
                digests.append(digest_of_peer(encoded[-1]))
            else:
                encoded.append(self._encoded[number])
                digests.append(bytes(self._digests[number * _DIGEST : (number + 1) * _DIGEST]))
        self._encoded[start:end] = encoded
        self._digests[start * _DIGEST : end * _DIGEST] = b"".join(digests)
        self._peers = peers
        return self._encoded, digest_of_digests([bytes(self._digests)])
