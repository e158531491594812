"""The token of a conversation: which peer it is with, and the ids by which the peer knows it.

A model gets the token in a result, and passes it back to go on. It is sealed (AES-GCM), so that
any replica with the same key can go on, and no one else can read or make one. It is bound to one
orchestrator and one user, and expires. UUIDs are packed: a model has to repeat the token exactly,
so it must be short.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hotpeers_shim.calls.thread import Thread
from hotpeers_shim.contract import Peer

from ...registry.fault import Fault
from ..reasons import McpReason

KEY_BYTES = 32
MAX_TOKEN = 4096
"""Longest token that is read, in characters."""
LIFETIME_SECONDS = 7 * 86_400.0
EXCHANGE_BYTES = 8
_VERSION = b"\x01"
_NONCE = 12
_PEER_BYTES = 8
_UUID, _OTHER = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose conversation it is. `user` is "" if the caller names none.

    `name` is that of the orchestrator, `namespace/name`, for the audit log.
    """

    orchestrator: str = ""
    user: str = ""
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with one peer.

    `peer` identifies the peer (`peer_digest`). `exchange` is the id of a message whose answer is
    still expected, b"" for none. `running` is the peer's task that works on that message, "" if
    the peer has not named one.
    """

    peer: bytes
    thread: Thread = field(default_factory=Thread)
    exchange: bytes = b""
    running: str = ""


def peer_digest(peer: Peer) -> bytes:
    """Identifies a peer: a peer that was deleted and created again has another digest."""
    return hashlib.sha256((peer.uid or peer.fingerprint).encode()).digest()[:_PEER_BYTES]


class Sealer:
    """Makes and reads tokens. `keys[0]` seals; each of `keys` opens."""

    def __init__(
        self,
        keys: Sequence[bytes],
        *,
        lifetime: float = LIFETIME_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ciphers = [AESGCM(key) for key in keys]
        self._lifetime = lifetime
        self._clock = clock

    @classmethod
    def ephemeral(cls) -> Sealer:
        """A sealer whose tokens only this process can open."""
        return cls([os.urandom(KEY_BYTES)])

    def seal(self, conversation: Conversation, owner: Owner) -> str:
        """The token of a conversation."""
        nonce = os.urandom(_NONCE)
        expires = int(self._clock() + self._lifetime).to_bytes(5, "big")
        plain = expires + _packed(conversation)
        sealed = self._ciphers[0].encrypt(nonce, plain, _bound_to(owner))
        return base64.urlsafe_b64encode(_VERSION + nonce + sealed).rstrip(b"=").decode()

    def open(self, token: str, owner: Owner) -> Conversation:
        """The conversation of a token. Raises `Fault` if it is not one of this owner, or too old."""
        raw = _decoded(token)
        nonce, sealed = raw[1 : 1 + _NONCE], raw[1 + _NONCE :]
        for cipher in self._ciphers if raw[:1] == _VERSION else ():
            try:
                plain = cipher.decrypt(nonce, sealed, _bound_to(owner))
            except (InvalidTag, ValueError):
                continue
            if int.from_bytes(plain[:5], "big") < self._clock():
                raise _refused("it has expired")
            return _unpacked(plain[5:])
        raise _refused("it is not one that was given to you here, or a part of it is missing")


def _refused(why: str) -> Fault:
    return Fault(
        McpReason.CONVERSATION_UNKNOWN,
        f"this conversation cannot be continued: {why}. Nothing was sent",
        "Pass the conversation of the agent's last answer exactly, or leave it out to begin anew and "
        "say all that the agent needs.",
    )


def _decoded(token: str) -> bytes:
    text = token.strip("\"'` \n")
    if len(text) > MAX_TOKEN:
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""


def _bound_to(owner: Owner) -> bytes:
    return hashlib.sha256(json.dumps([owner.orchestrator, owner.user]).encode()).digest()


def _packed(one: Conversation) -> bytes:
    ids = (one.thread.context_id, one.thread.task_id, one.running)
    exchange = bytes([len(one.exchange)]) + one.exchange
    return one.peer + exchange + b"".join(map(_pack_id, ids))


def _unpacked(data: bytes) -> Conversation:
    peer, rest = data[:_PEER_BYTES], data[_PEER_BYTES:]
    exchange, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
    ids = []
    for _ in range(3):
        found, rest = _unpack_id(rest)
        ids.append(found)
    return Conversation(peer, Thread(ids[0], ids[1]), exchange, ids[2])


def _pack_id(text: str) -> bytes:
    """An id of a peer. Most are UUIDs, which take 16 bytes instead of 36."""
    if not text:
        return b"\x00"
    try:
        number = uuid.UUID(text)
    except ValueError:
        number = None
    if number is not None and str(number) == text:
        return bytes([_UUID]) + number.bytes
    raw = text.encode()
    return bytes([_OTHER]) + len(raw).to_bytes(2, "big") + raw


def _unpack_id(data: bytes) -> tuple[str, bytes]:
    if data[0] == _UUID:
        return str(uuid.UUID(bytes=data[1:17])), data[17:]
    if data[0] == _OTHER:
        end = 3 + int.from_bytes(data[1:3], "big")
        return data[3:end].decode(), data[end:]
    return "", data[1:]
