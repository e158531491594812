"""Reading and writing of the two files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from .fields import (
    ShapeError,
    at,
    check_text,
    get_boolean,
    get_integer,
    get_list,
    get_object,
    get_text,
    get_time,
    get_timeout,
    kind_of,
    wrong,
)
from .limits import (
    API_VERSION,
    MAX_ACK_BYTES,
    MAX_DESCRIPTION,
    MAX_FILE_BYTES,
    MAX_NAME,
    MAX_PEER_BYTES,
    MAX_PEERS,
    MAX_SKILLS,
    MAX_TOOL_NAME,
    MAX_URL,
)
from .naming import fingerprint_of, tool_name
from .reasons import Nack
from .values import Ack, AckState, Peer, PeerFile, Refusal, Rejection, Skill

_TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PEERS_A_PART = 256
_URL = re.compile(r"https?://[^\s/?#]+\S*")

T = TypeVar("T")


def load_peer_file(raw: bytes) -> PeerFile | Rejection:
    """Decode and check a peer file. Never raises; a `Rejection` says what is wrong and where.

    `peers` with a `name` and a `url` each is all that a file written by hand needs: the version,
    the generation (0), the digest, the tool names and the fingerprints are filled in.
    """
    return _guarded(raw, MAX_FILE_BYTES, _peer_file)


def load_ack(raw: bytes) -> Ack | Rejection:
    """Decode and check an ack. Never raises; a `Rejection` says what is wrong and where."""
    return _guarded(raw, MAX_ACK_BYTES, _ack)


def dump_peer_file(file: PeerFile) -> bytes:
    """Encode a peer file as one line of UTF-8 JSON, ending in a newline."""
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
    """Assemble a peer file of peers that are encoded already (see `encode_peer`), part by part.

    A file of thousands of peers is megabytes; as a whole it would need new memory each time.
    """
    head = {
        "apiVersion": API_VERSION,
        "generation": generation,
        "digest": digest,
        "orchestrator": orchestrator,
    }
    yield _encode(head)[:-1] + b',"peers":['
    for start in range(0, len(peers), _PEERS_A_PART):
        part = b",".join(peers[start : start + _PEERS_A_PART])
        yield part if start == 0 else b"," + part
    yield b"]}\n"


def encode_peer(peer: Peer) -> bytes:
    """The JSON form of one peer, as it stands in the file."""
    return _encode(
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
        }
    )


def digest_of(encoded: Iterable[bytes]) -> str:
    """Digest of a list of encoded peers, in its order.

    It is made of one digest a peer, so that a writer that keeps those hashes only what changed.
    """
    return digest_of_digests(map(digest_of_peer, encoded))


def digest_of_peer(encoded: bytes) -> bytes:
    """The digest of one encoded peer, to keep for `digest_of_digests`."""
    return hashlib.sha256(encoded).digest()


def digest_of_digests(digests: Iterable[bytes]) -> str:
    """The digest of a list of peers by those of each of them."""
    return "sha256:" + hashlib.sha256(b"".join(digests)).hexdigest()


def dump_ack(ack: Ack) -> bytes:
    """Encode an ack as one line of UTF-8 JSON, ending in a newline."""
    data = {
        "apiVersion": ack.apiVersion,
        "pid": ack.pid,
        "state": ack.state,
        "generation": ack.generation,
        "digest": ack.digest,
        "reason": ack.reason,
        "message": ack.message,
        "refusals": [
            {"subject": r.subject, "reason": r.reason, "message": r.message} for r in ack.refusals
        ],
        "runtime": dict(ack.runtime),
        "time": ack.time,
    }
    return _encode(data) + b"\n"


def _guarded(raw: bytes, limit: int, build: Callable[[dict[str, Any]], T]) -> T | Rejection:
    try:
        return build(_document(raw, limit))
    except ShapeError as error:
        return error.rejection


def _document(raw: bytes, limit: int) -> dict[str, Any]:
    if len(raw) > limit:
        raise ShapeError(Nack.FILE_TOO_LARGE, "", f"{len(raw)} bytes; the limit is {limit}")
    if not raw.strip(b" \t\r\n\x00"):
        raise ShapeError(Nack.FILE_EMPTY, "", f"{len(raw)} bytes, none of them content")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ShapeError(Nack.NOT_UTF8, "", f"byte {error.start} is not UTF-8") from error
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ShapeError(Nack.NOT_JSON, "", f"{error.msg} at {where}") from error
    # ValueError: an integer of thousands of digits; RecursionError: brackets thousands deep.
    except (ValueError, RecursionError) as error:
        raise ShapeError(Nack.NOT_JSON, "", f"not readable as JSON: {error}") from error
    if not isinstance(data, dict):
        raise wrong("", f"an object is needed, not {kind_of(data)}")
    version = get_text(data, "", "apiVersion", MAX_NAME, default=API_VERSION)
    if version != API_VERSION:
        raise ShapeError(
            Nack.UNSUPPORTED_VERSION, "apiVersion", f"{version!r} is not {API_VERSION!r}"
        )
    return data


def _peer_file(data: dict[str, Any]) -> PeerFile:
    items = get_list(data, "", "peers", required=True)
    if len(items) > MAX_PEERS:
        raise ShapeError(
            Nack.TOO_MANY_PEERS, "peers", f"{len(items)} peers; the limit is {MAX_PEERS}"
        )
    peers = tuple(_peer(item, f"peers[{index}]") for index, item in enumerate(items))
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
    )
    # Only a list of skills can make a peer large: its other fields have limits of their own.
    if peer.skills and len(encode_peer(peer)) > MAX_PEER_BYTES:
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


def _ack(data: dict[str, Any]) -> Ack:
    state = get_text(data, "", "state", MAX_NAME, required=True)
    if state not in list(AckState):
        allowed = ", ".join(AckState)
        raise wrong("state", f"{state!r} is not one of {allowed}")
    runtime = get_object(data.get("runtime", {}), "runtime")
    return Ack(
        pid=get_integer(data, "", "pid"),
        state=AckState(state),
        generation=(
            None if data.get("generation") is None else get_integer(data, "", "generation")
        ),
        digest=get_text(data, "", "digest", MAX_NAME),
        reason=get_text(data, "", "reason", MAX_NAME),
        message=get_text(data, "", "message", MAX_DESCRIPTION),
        refusals=tuple(
            _refusal(item, f"refusals[{index}]")
            for index, item in enumerate(get_list(data, "", "refusals"))
        ),
        runtime={
            check_text(key, "runtime", "", MAX_NAME): check_text(value, "runtime", key, MAX_NAME)
            for key, value in runtime.items()
        },
        time=get_time(data, "", "time"),
    )


def _refusal(item: Any, path: str) -> Refusal:
    data = get_object(item, path)
    return Refusal(
        subject=get_text(data, path, "subject", MAX_URL, required=True),
        reason=get_text(data, path, "reason", MAX_NAME, required=True),
        message=get_text(data, path, "message", MAX_DESCRIPTION),
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _encode(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")
