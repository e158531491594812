"""Parses A2A events from JSON: protocol 0.2, 0.3 and 1.x, in the forms of specification and SDKs.

Sources: `a2a/types.py` of a2a-sdk 0.3.26, and `specification/a2a.proto` (a2a-sdk 1.3) in its JSON
form. Fields that are not used here may be missing: some servers leave fields out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .values import Data, File, Part, State, Text

# google-adk and kagent mark a part in its metadata if it is not content but one of the framework's
# own calls (`a2a/converters/part_converter.py` of google-adk, `kagent/core/a2a/_consts.py`).
_PREFIXES = ("adk_", "kagent_")
_OWN_CALLS = ("function_call", "function_response", "code_execution_result", "executable_code")
_STATES = {state.value: state for state in State} | {"cancelled": State.CANCELED}


@dataclass(frozen=True, slots=True)
class Message:
    """A message. `user` is true if the caller sent it."""

    parts: tuple[Part, ...]
    user: bool = False
    task_id: str = ""
    context_id: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """An artifact, or with `append`, the next part of one."""

    artifact_id: str
    name: str
    parts: tuple[Part, ...]
    append: bool = False
    task_id: str = ""
    context_id: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A state of a task, with the agent's message about it. `raw` is the original JSON."""

    state: State
    message: Message | None
    task_id: str = ""
    context_id: str = ""
    raw: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole task at one moment."""

    status: Status
    artifacts: tuple[Chunk, ...]
    history: tuple[Message, ...]


Event = Message | Chunk | Status | Snapshot


def parse_event(data: Any) -> Event | None:
    """The event in a result of `message/send`, `message/stream` or `tasks/get`, or None.

    `data` is the JSON of a 0.3 result (recognized by its `kind`, or by its fields) or of a 1.x
    `StreamResponse`, `SendMessageResponse` or `Task`.
    """
    if not isinstance(data, dict):
        return None
    for key, parse in _BY_FIELD.items():
        inner = _get(data, key)
        if isinstance(inner, dict):
            return parse(inner)
    kind = data.get("kind")
    if isinstance(kind, str) and kind in _BY_KIND:
        return _BY_KIND[kind](data)
    if isinstance(data.get("artifact"), dict):
        return _chunk_of_update(data)
    if isinstance(data.get("status"), dict):
        return _snapshot(data) if "id" in data else _status(data)
    return _message(data) if isinstance(data.get("parts"), list) else None


def _snapshot(data: dict[str, Any]) -> Snapshot:
    return Snapshot(
        status=_status(data, _text(data, "id")),
        artifacts=tuple(_chunk(item) for item in _dicts(data, "artifacts")),
        history=tuple(_message(item) for item in _dicts(data, "history")),
    )


def _status(data: dict[str, Any], task_id: str = "") -> Status:
    status = data.get("status")
    status = status if isinstance(status, dict) else {}
    message = status.get("message")
    metadata = data.get("metadata")
    return Status(
        state=_state(status.get("state")),
        message=_message(message) if isinstance(message, dict) else None,
        task_id=task_id or _text(data, "taskId"),
        context_id=_text(data, "contextId"),
        raw=status,
        metadata=metadata if isinstance(metadata, dict) else {},
    )


def _state(value: Any) -> State:
    word = str(value).removeprefix("TASK_STATE_").lower().replace("_", "-")
    return _STATES.get(word, State.WORKING)


def _chunk_of_update(data: dict[str, Any]) -> Chunk:
    artifact = data.get("artifact")
    return _chunk(
        artifact if isinstance(artifact, dict) else {},
        append=data.get("append") is True,
        task_id=_text(data, "taskId"),
        context_id=_text(data, "contextId"),
    )


def _chunk(artifact: dict[str, Any], **more: Any) -> Chunk:
    # Before 0.3, an index identified an artifact.
    return Chunk(
        artifact_id=_text(artifact, "artifactId") or str(artifact.get("index", "")),
        name=_text(artifact, "name"),
        parts=parse_parts(artifact.get("parts")),
        **more,
    )


def _message(data: dict[str, Any]) -> Message:
    return Message(
        parts=parse_parts(data.get("parts") or data.get("content")),
        user=str(data.get("role")).upper().endswith("USER"),
        task_id=_text(data, "taskId"),
        context_id=_text(data, "contextId"),
    )


def parse_parts(items: Any) -> tuple[Part, ...]:
    """The parts of `items` that are content, in their order."""
    if not isinstance(items, list):
        return ()
    parts = (_part(item) for item in items if isinstance(item, dict) and not _is_own(item))
    return tuple(part for part in parts if part is not None)


def _is_own(part: dict[str, Any]) -> bool:
    """Whether a part is not content, but a call of the framework's own or a thought."""
    metadata = part.get("metadata")
    if not isinstance(metadata, dict):
        return False
    return any(
        metadata.get(f"{prefix}type") in _OWN_CALLS or metadata.get(f"{prefix}thought") is True
        for prefix in _PREFIXES
    )


def _part(part: dict[str, Any]) -> Part | None:
    if isinstance(part.get("text"), str):
        return Text(part["text"]) if part["text"] else None
    if "data" in part:
        return Data(part["data"])
    inner = part.get("file")
    file = inner if isinstance(inner, dict) else part
    encoded = file.get("bytes") or file.get("raw") or file.get("fileWithBytes")
    url = file.get("uri") or file.get("url") or file.get("fileWithUri")
    if not isinstance(encoded, str) and not isinstance(url, str):
        # An unknown kind of part, of a later protocol: pass on its JSON.
        rest = {
            key: value for key, value in part.items() if key not in ("kind", "type", "metadata")
        }
        return Data(rest) if rest else None
    return File(
        name=_text(file, "name") or _text(file, "filename"),
        media_type=_text(file, "mimeType") or _text(file, "mediaType"),
        url=url if isinstance(url, str) else "",
        content=_decoded(encoded) if isinstance(encoded, str) else None,
    )


def _decoded(encoded: str) -> bytes:
    """The bytes of base64 in either alphabet, with or without padding.

    Text that is not base64 is returned as UTF-8 bytes.
    """
    try:
        plain = encoded.translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return encoded.encode("utf-8", "replace")


def _get(data: dict[str, Any], key: str) -> Any:
    """The field with this JSON name, or else with the corresponding protobuf name."""
    if key in data:
        return data[key]
    return data.get("".join(f"_{c.lower()}" if c.isupper() else c for c in key))


def _text(data: dict[str, Any], key: str) -> str:
    value = _get(data, key)
    return value if isinstance(value, str) else ""


def _dicts(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = data.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


_BY_FIELD: dict[str, Callable[[dict[str, Any]], Event]] = {
    "task": _snapshot,
    "message": _message,
    "statusUpdate": _status,
    "artifactUpdate": _chunk_of_update,
}
_BY_KIND: dict[str, Callable[[dict[str, Any]], Event]] = {
    "task": _snapshot,
    "message": _message,
    "status-update": _status,
    "artifact-update": _chunk_of_update,
}
