"""The status of one sidecar, fetched from its HTTP server, as an orchestrator of the overview."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from hotpeers_shim.contract import clean_text

from ..base.errors import StatusError
from ..base.names import NamespacedName
from ..base.parts import Json, items, number, text
from .summary import Orchestrator, read_orchestrator

_SECONDS = 5.0
_MAX_BYTES = 64 * 1024 * 1024
_MAX_TEXT = 4096
_MAX_DEPTH = 16
_FAILED = ("refused", "error")
_LISTS = ("peers", "refused", "problems", "acks")


def fetch_status(url: str) -> Json:
    """The status document of the sidecar at `url`, with clean texts. Raises `StatusError`."""
    address = url.rstrip("/") + "/status"
    if not address.startswith(("http://", "https://")):
        raise StatusError(f"--url: {url!r} is not an http(s) URL")
    try:
        # Use no proxy: the sidecar is on this machine, or behind a forwarded port.
        with build_opener(ProxyHandler({})).open(address, timeout=_SECONDS) as response:
            raw = response.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise StatusError(f"{address}: the answer is larger than {_MAX_BYTES} bytes")
        data = _cleaned(json.loads(raw))
    except HTTPError as error:
        raise StatusError(f"{address}: status {error.code}: {_said(error)}") from error
    except URLError as error:
        why = getattr(error.reason, "strerror", None) or error.reason
        raise StatusError(f"{address}: {why}; is `hotpeers run` running there?") from error
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        # A server may speak another protocol than HTTP, or end an answer too early.
        said = clean_text(str(error), 300)
        raise StatusError(
            f"{address}: {said}; check that --url is the address of a sidecar"
        ) from error
    if not isinstance(data, dict) or not all(isinstance(data.get(one), list) for one in _LISTS):
        raise StatusError(
            f"{address}: the server there is not a sidecar; check that --url is the address of one"
        )
    return data


def orchestrator_of(document: Json) -> Orchestrator:
    """The status document of a sidecar as an orchestrator. It has the same limits as in a cluster."""
    namespace, _, name = text(document, "orchestrator").rpartition("/")
    generation, live = number(document, "generation"), document.get("ackedGeneration")
    peers, acks = items(document, "peers"), items(document, "acks")
    runtimes = dict.fromkeys(filter(None, (text(ack, "runtime") for ack in acks)))
    failing = [
        {**one, "peer": text(one, "subject")} for ack in acks for one in items(ack, "failures")
    ]
    status = {
        "peers": len(peers),
        "readyPeers": sum(one.get("ready") is True for one in _objects(peers)),
        "refusedPeers": len(items(document, "refused")),
        "runtime": ", ".join(runtimes),
        "offered": [
            {"peer": _peer(one), "source": text(one, "source"), "ready": one.get("ready") is True}
            for one in _objects(peers)
        ],
        "refused": [
            {**one, "peer": text(one, "name")} for one in _objects(items(document, "refused"))
        ],
        "problems": items(document, "problems"),
        "changes": items(document, "changes"),
        "replicas": {
            "sidecar": {
                "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "generation": generation,
                "processes": len(acks),
                "failing": failing,
                **({"liveGeneration": live} if isinstance(live, int) else {}),
            }
        },
        "conditions": [_live(generation, live, acks)],
    }
    read = read_orchestrator({"status": status})
    return Orchestrator(NamespacedName(namespace, name or "sidecar"), read.status, "sidecar")


def _said(error: HTTPError) -> str:
    """The body: the sidecar explains in one line, for example, that a Host is not allowed."""
    try:
        return clean_text(error.read(1000).decode("utf-8", "replace"), 300)
    except (OSError, HTTPException):
        return "and its text cannot be read"


def _live(generation: int, live: object, acks: list[Any]) -> Json:
    if not acks or not isinstance(live, int):
        said = "no agent process has reported yet"
        return {"type": "Live", "status": "Unknown", "reason": "NoReport", "message": said}
    refusing = next((one for one in _objects(acks) if text(one, "state") in _FAILED), None)
    if refusing is not None:
        said = f"process {number(refusing, 'pid')}: {text(refusing, 'message')}"
        reason = text(refusing, "reason")
        return {"type": "Live", "status": "False", "reason": reason, "message": said}
    if live < generation:
        said = f"generation {live} is live, and {generation} is not yet"
        return {"type": "Live", "status": "Unknown", "reason": "Loading", "message": said}
    return {"type": "Live", "status": "True", "reason": "AllLive", "message": ""}


def _peer(peer: Json) -> str:
    namespace, name = text(peer, "namespace"), text(peer, "name") or text(peer, "tool")
    return f"{namespace}/{name}" if namespace else name


def _objects(entries: Iterable[Any]) -> Iterable[Json]:
    return (one for one in entries if isinstance(one, dict))


def _cleaned(value: Any, depth: int = 0) -> Any:
    """The value with clean texts: whoever serves it, no text may reach a terminal as it is."""
    if depth > _MAX_DEPTH:
        raise ValueError("the answer nests too deep")
    if isinstance(value, str):
        return clean_text(value, _MAX_TEXT)
    if isinstance(value, list):
        return [_cleaned(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {clean_text(key, 253): _cleaned(one, depth + 1) for key, one in value.items()}
    return value
