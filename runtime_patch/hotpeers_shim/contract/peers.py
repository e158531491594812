"""Reads and writes the peer file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from .codec import decode, encode
from .fields import (
    ShapeError,
    at,
    check_text,
    get_boolean,
    get_integer,
    get_list,
    get_object,
    get_text,
    get_timeout,
    wrong,
)
from .limits import (
    API_VERSION,
    MAX_DESCRIPTION,
    MAX_FILE_BYTES,
    MAX_INTERFACES,
    MAX_NAME,
    MAX_PEER_BYTES,
    MAX_PEERS,
    MAX_SKILLS,
    MAX_TOOL_NAME,
    MAX_URL,
)
from .naming import fingerprint_of, tool_name
from .reasons import Nack
from .values import Interface, Peer, PeerFile, Rejection, Skill

_TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PEERS_A_PART = 256
_URL = re.compile(r"https?://[^\s/?#]+\S*")


def load_peer_file(raw: bytes, known: Iterable[Peer] = ()) -> PeerFile | Rejection:
    """Decode and check a peer file. Never raises. A `Rejection` has the field and the reason.

    A file that is written by hand needs only `peers`, each with a `name` and a `url`. The version,
    the generation (0), the digest, the tool names and the fingerprints are then filled in.

    A peer that equals one of `known` is returned as that object. Most peers of a file are
    unchanged, and a comparison takes a tenth of the time of a full check.
    """
    by_tool = {peer.toolName: peer for peer in known}
    return decode(raw, MAX_FILE_BYTES, lambda data: _peer_file(data, by_tool))


def dump_peer_file(file: PeerFile) -> bytes:
    """Encode a peer file as one line of UTF-8 JSON, with a newline at the end."""
    return b"".join(
        peer_file_parts(
            generation=file.generation,
            orchestrator=file.orchestrator,
            digest=file.digest,
            peers=[encode_peer(peer) for peer in file.peers],
        )
    )


def peer_file_parts(
    *, generation: int, orchestrator: str, digest: str, peers: Sequence[bytes]
) -> Iterator[bytes]:
    """Assemble a peer file from encoded peers (see `encode_peer`), part by part.

    A file with thousands of peers has several megabytes. Parts avoid a copy of it in memory.
    """
    head = {
        "apiVersion": API_VERSION,
        "generation": generation,
        "digest": digest,
        "orchestrator": orchestrator,
    }
    yield encode(head)[:-1] + b',"peers":['
    for start in range(0, len(peers), _PEERS_A_PART):
        part = b",".join(peers[start : start + _PEERS_A_PART])
        yield part if start == 0 else b"," + part
    yield b"]}\n"


def encode_peer(peer: Peer) -> bytes:
    """The JSON form of one peer in the file."""
    return encode(
        {
            "name": peer.name,
            "namespace": peer.namespace,
            "uid": peer.uid,
            "toolName": peer.toolName,
            "description": peer.description,
            "url": peer.url,
            "cardPath": peer.cardPath,
            "timeout": peer.timeout,
            "skills": [
                {"id": s.id, "name": s.name, "description": s.description, "tags": list(s.tags)}
                for s in peer.skills
            ],
            "ready": peer.ready,
            "fingerprint": peer.fingerprint,
            "source": peer.source,
            "interfaces": [
                {
                    "url": i.url,
                    "binding": i.binding,
                    "protocolVersion": i.protocolVersion,
                    "tenant": i.tenant,
                    "streaming": i.streaming,
                }
                for i in peer.interfaces
            ],
            "userHeaders": peer.userHeaders,
        }
    )


def digest_of(encoded: Iterable[bytes]) -> str:
    """The digest of a list of encoded peers, which depends on their order.

    It is made from one digest per peer. A writer that keeps these only has to hash changed peers.
    """
    return digest_of_digests(map(digest_of_peer, encoded))


def digest_of_peer(encoded: bytes) -> bytes:
    """The digest of one encoded peer, to keep for `digest_of_digests`."""
    return hashlib.sha256(encoded).digest()


def digest_of_digests(digests: Iterable[bytes]) -> str:
    """The digest of a list of peers, from the digest of each peer."""
    return "sha256:" + hashlib.sha256(b"".join(digests)).hexdigest()


def _peer_file(data: dict[str, Any], known: Mapping[str, Peer]) -> PeerFile:
    items = get_list(data, "", "peers", required=True)
    if len(items) > MAX_PEERS:
        raise ShapeError(
            Nack.TOO_MANY_PEERS, "peers", f"{len(items)} peers; the limit is {MAX_PEERS}"
        )
    peers = tuple(
        [_known(item, known) or _peer(item, f"peers[{index}]") for index, item in enumerate(items)]
    )
    first_of: dict[str, int] = {}
    for index, peer in enumerate(peers):
        first = first_of.setdefault(peer.toolName, index)
        if first != index:
            raise ShapeError(
                Nack.DUPLICATE_TOOL_NAME,
                f"peers[{index}].toolName",
                f"{peer.toolName!r} is also the tool name of peers[{first}]",
            )
    return PeerFile(
        generation=get_integer(data, "", "generation", default=0),
        peers=peers,
        orchestrator=get_text(data, "", "orchestrator", 2 * MAX_NAME + 1),
        digest=get_text(data, "", "digest", MAX_NAME)
        or digest_of(encode_peer(peer) for peer in peers),
    )


_TEXTS = ("name", "namespace", "uid", "toolName", "description", "url", "cardPath", "source")
_texts_of_item = itemgetter(*_TEXTS, "fingerprint")
_texts_of_peer = attrgetter(*_TEXTS, "fingerprint")


def _known(item: Any, known: Mapping[str, Peer]) -> Peer | None:
    """The known peer whose fields all equal those of an item of a file, or None."""
    try:
        peer = known.get(item["toolName"])
        if peer is None or _texts_of_item(item) != _texts_of_peer(peer):
            return None
        same = item["ready"] is peer.ready and item["timeout"] == peer.timeout
        # In Python, true equals 1, but it is not a valid timeout.
        if not same or item["timeout"] is True or not _as_many(item["skills"], peer.skills):
            return None
        if item["userHeaders"] is not peer.userHeaders:
            return None
        if not _as_many(item["interfaces"], peer.interfaces):
            return None
        skills = zip(item["skills"], peer.skills, strict=True)
        interfaces = zip(item["interfaces"], peer.interfaces, strict=True)
        same = all(_says(data, skill) for data, skill in skills)
        return peer if same and all(_names(data, one) for data, one in interfaces) else None
    except (TypeError, KeyError):
        return None


def _as_many(items: Any, known: Sequence[Skill | Interface]) -> bool:
    return isinstance(items, list) and len(items) == len(known)


def _says(data: Any, skill: Skill) -> bool:
    return (data["id"], data["name"], data["description"], data["tags"]) == (
        skill.id,
        skill.name,
        skill.description,
        list(skill.tags),
    )


def _names(data: Any, interface: Interface) -> bool:
    return data["streaming"] is interface.streaming and (
        data["url"],
        data["binding"],
        data["protocolVersion"],
        data["tenant"],
    ) == (interface.url, interface.binding, interface.protocolVersion, interface.tenant)


def _peer(item: Any, path: str) -> Peer:
    data = get_object(item, path)
    name = get_text(data, path, "name", MAX_NAME, required=True)
    namespace = get_text(data, path, "namespace", MAX_NAME)
    if not (name + namespace).isprintable():
        raise wrong(at(path, "name"), "holds control characters")
    uid = get_text(data, path, "uid", MAX_NAME)
    url = get_text(data, path, "url", MAX_URL, required=True)
    if not _URL.fullmatch(url):
        raise wrong(at(path, "url"), f"{url[:200]!r} is not an http(s) URL")
    card_path = get_text(data, path, "cardPath", MAX_URL)
    tool = get_text(data, path, "toolName", MAX_TOOL_NAME) or tool_name(namespace, name)
    if not _TOOL_NAME.fullmatch(tool):
        raise wrong(at(path, "toolName"), f"{tool!r} is not an identifier")
    peer = Peer(
        name=name,
        namespace=namespace,
        uid=uid,
        url=url,
        toolName=tool,
        description=get_text(data, path, "description", MAX_DESCRIPTION),
        skills=_skills(data, path),
        ready=get_boolean(data, path, "ready", default=True),
        fingerprint=get_text(data, path, "fingerprint", MAX_NAME)
        or fingerprint_of(namespace=namespace, name=name, uid=uid, url=url, card_path=card_path),
        source=get_text(data, path, "source", MAX_URL),
        cardPath=card_path,
        timeout=get_timeout(data, path, "timeout"),
        interfaces=_interfaces(data, path),
        userHeaders=get_boolean(data, path, "userHeaders", default=False),
    )
    # Only the lists can make a peer too large: the other fields have their own limits.
    if (peer.skills or peer.interfaces) and len(encode_peer(peer)) > MAX_PEER_BYTES:
        size = len(encode_peer(peer))
        raise ShapeError(Nack.PEER_TOO_LARGE, path, f"{size} bytes; the limit is {MAX_PEER_BYTES}")
    return peer


def _skills(data: dict[str, Any], path: str) -> tuple[Skill, ...]:
    items = get_list(data, path, "skills")
    if len(items) > MAX_SKILLS:
        raise wrong(at(path, "skills"), f"{len(items)} skills; the limit is {MAX_SKILLS}")
    return tuple(_skill(item, f"{path}.skills[{index}]") for index, item in enumerate(items))


def _skill(item: Any, path: str) -> Skill:
    data = get_object(item, path)
    tags = get_list(data, path, "tags")
    return Skill(
        id=get_text(data, path, "id", MAX_NAME, required=True),
        name=get_text(data, path, "name", MAX_NAME),
        description=get_text(data, path, "description", MAX_DESCRIPTION),
        tags=tuple(
            check_text(tag, path, f"tags[{index}]", MAX_NAME) for index, tag in enumerate(tags)
        ),
    )


def _interfaces(data: dict[str, Any], path: str) -> tuple[Interface, ...]:
    items = get_list(data, path, "interfaces")
    if len(items) > MAX_INTERFACES:
        raise wrong(
            at(path, "interfaces"), f"{len(items)} interfaces; the limit is {MAX_INTERFACES}"
        )
    return tuple(
        _interface(item, f"{path}.interfaces[{index}]") for index, item in enumerate(items)
    )


def _interface(item: Any, path: str) -> Interface:
    data = get_object(item, path)
    return Interface(
        url=get_text(data, path, "url", MAX_URL, required=True),
        binding=get_text(data, path, "binding", MAX_NAME, default="JSONRPC"),
        protocolVersion=get_text(data, path, "protocolVersion", MAX_NAME),
        tenant=get_text(data, path, "tenant", MAX_NAME),
        streaming=get_boolean(data, path, "streaming", default=False),
    )
