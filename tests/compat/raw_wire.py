"""Neutral events of a script in the JSON of A2A: 0.3, 0.3 over HTTP+JSON (protobuf's JSON), and 1.x.

Written from the protocol's types (`a2a/types.py` of a2a-sdk 0.3, `a2a_v0_3.proto` and `a2a.proto` of
1.x), with nothing of any SDK. Neutral parts are {"text"}, {"data"}, {"url", "type", "name"} and
{"bytes": base64, "type", "name"}, each with optional "metadata".
"""

import base64
import json
import re
from typing import Any

JSONRPC03, REST03, V1 = "0.3", "0.3-rest", "1.0"
"""The three forms."""

FILL = re.compile(rb"@FILL:(\d+)@")
"""Stands in JSON for that many letters, which are written piece by piece."""

# JSON-RPC code, HTTP status and 1.x reason of each error that the server knows by name.
ERRORS = {
    "task-not-found": (-32001, 404, "TASK_NOT_FOUND"),
    "not-cancelable": (-32002, 409, "TASK_NOT_CANCELABLE"),
    "unsupported": (-32004, 400, "UNSUPPORTED_OPERATION"),
    "method-not-found": (-32601, 404, "METHOD_NOT_FOUND"),
    "invalid-params": (-32602, 400, "INVALID_PARAMS"),
    "internal": (-32603, 500, "INTERNAL_ERROR"),
}


def part(neutral: dict[str, Any], form: str) -> dict[str, Any]:
    """One part."""
    made: dict[str, Any] = {}
    if neutral.get("metadata"):
        made["metadata"] = neutral["metadata"]
    if "text" in neutral:
        kind, made["text"] = "text", neutral["text"]
    elif "fill" in neutral:
        kind, made["text"] = "text", f"@FILL:{neutral['fill']}@"
    elif "data" in neutral:
        kind = "data"
        made["data"] = {"data": neutral["data"]} if form == REST03 else neutral["data"]
    else:
        kind = "file"
        made |= _file(neutral, form)
    return {"kind": kind, **made} if form == JSONRPC03 else made


def _file(neutral: dict[str, Any], form: str) -> dict[str, Any]:
    content = "bytes" if "bytes" in neutral else "url"
    names = {
        JSONRPC03: {"url": "uri", "bytes": "bytes", "type": "mimeType", "name": "name"},
        REST03: {
            "url": "fileWithUri",
            "bytes": "fileWithBytes",
            "type": "mimeType",
            "name": "name",
        },
        V1: {"url": "url", "bytes": "raw", "type": "mediaType", "name": "filename"},
    }[form]
    made = {names[key]: neutral[key] for key in (content, "type", "name") if neutral.get(key)}
    if form == REST03 and content == "bytes":
        # Both SDKs take the base64 text for the bytes, so that it is encoded twice on the wire.
        made[names["bytes"]] = base64.b64encode(neutral["bytes"].encode()).decode()
    return made if form == V1 else {"file": made}


def message(neutral: dict[str, Any], form: str) -> dict[str, Any]:
    """A message: {"role", "parts", "id", "task", "context"}."""
    user = neutral.get("role") == "user"
    role = ("user" if user else "agent") if form == JSONRPC03 else f"ROLE_{_role(user)}"
    parts = [part(one, form) for one in neutral["parts"]]
    made = {
        "messageId": neutral["id"],
        "role": role,
        "content" if form == REST03 else "parts": parts,
        "contextId": neutral.get("context"),
        "taskId": neutral.get("task"),
        "metadata": neutral.get("metadata"),
    }
    return _tagged({key: value for key, value in made.items() if value}, "message", form)


def _role(user: bool) -> str:
    return "USER" if user else "AGENT"


def state(word: str, form: str) -> str:
    """The name of a state such as `input-required`; an unknown word is sent unchanged."""
    if form == JSONRPC03:
        return word
    if form == REST03 and word == "canceled":
        return "TASK_STATE_CANCELLED"
    return f"TASK_STATE_{word.upper().replace('-', '_')}"


def status(neutral: dict[str, Any], form: str) -> dict[str, Any]:
    """A status: {"state", "message"}."""
    made = {"state": state(neutral["state"], form), "timestamp": "2026-11-28T12:00:00Z"}
    if neutral.get("message"):
        made["message"] = message(neutral["message"], form)
    return made


def artifact(neutral: dict[str, Any], form: str) -> dict[str, Any]:
    """An artifact: {"id", "name", "parts"}."""
    made = {"artifactId": neutral["id"], "parts": [part(one, form) for one in neutral["parts"]]}
    if neutral.get("name"):
        made["name"] = neutral["name"]
    return made


def task(neutral: dict[str, Any], form: str) -> dict[str, Any]:
    """A task: {"id", "context", "status", "artifacts", "history", "metadata"}."""
    made = {
        "id": neutral["id"],
        "contextId": neutral["context"],
        "status": status(neutral["status"], form),
        "artifacts": [artifact(one, form) for one in neutral["artifacts"]],
        "history": [message(one, form) for one in neutral["history"]],
        "metadata": neutral.get("metadata"),
    }
    return _tagged({key: value for key, value in made.items() if value}, "task", form)


def event(neutral: dict[str, Any], form: str) -> dict[str, Any]:
    """One event of a stream, or the result of a message that was not streamed, but for `getTask`.

    `neutral["event"]` is `task`, `message`, `status` or `artifact`; the rest is its content.
    """
    kind = neutral["event"]
    if kind == "task":
        return _wrapped(task(neutral["task"], form), "task", form)
    if kind == "message":
        return _wrapped(message(neutral["message"], form), "message", form)
    made: dict[str, Any] = {"taskId": neutral["task"], "contextId": neutral["context"]}
    if neutral.get("metadata"):
        made["metadata"] = neutral["metadata"]
    if kind == "status":
        made["status"] = status(neutral["status"], form)
        if form != V1:
            made["final"] = neutral.get("final", False)
        return _wrapped(_tagged(made, "status-update", form), "statusUpdate", form)
    made["artifact"] = artifact(neutral["artifact"], form)
    for ours, theirs in (("append", "append"), ("last", "lastChunk")):
        if neutral.get(ours) is not None:
            made[theirs] = neutral[ours]
    return _wrapped(_tagged(made, "artifact-update", form), "artifactUpdate", form)


def _tagged(made: dict[str, Any], kind: str, form: str) -> dict[str, Any]:
    return {"kind": kind, **made} if form == JSONRPC03 else made


def _wrapped(made: dict[str, Any], field: str, form: str) -> dict[str, Any]:
    return made if form == JSONRPC03 else {field: made}


def error(neutral: dict[str, Any], *, rest: bool) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of an error {"name" or "code", "message", "data"}; the body has no id yet."""
    code, http, reason = ERRORS.get(neutral.get("name", ""), (neutral.get("code", -32603), 500, ""))
    text = neutral.get("message", "no")
    if not rest:
        made = {"code": code, "message": text}
        if "data" in neutral:
            made["data"] = neutral["data"]
        return 200, {"jsonrpc": "2.0", "error": made}
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "a2a-protocol.org",
    }
    return http, {"error": {"code": http, "message": text, "details": [info]}}


def sent(body: Any) -> dict[str, Any]:
    """The message of a request of any form; a2a-sdk 1.x gives 0.3's fields their names in protobuf."""
    found = body.get("message") or body.get("request") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}


def field(message: dict[str, Any], name: str) -> str:
    """A field of a message that was sent, or ""."""
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return str(message.get(name) or message.get(snake) or "")


def text_of(body: Any) -> str:
    """The text of a message that was sent; parts other than text are left out."""
    message = sent(body)
    parts = message.get("parts") or message.get("content") or []
    return "".join(str(one.get("text", "")) for one in parts)


def encoded(value: Any, *, pretty: bool = False) -> bytes:
    """A JSON value; `pretty` puts each field on a line of its own."""
    return json.dumps(value, ensure_ascii=False, indent=1 if pretty else None).encode()
