"""Reading and writing of the ack file."""

from __future__ import annotations

from typing import Any

from .codec import decode, encode
from .fields import (
    check_text,
    get_integer,
    get_list,
    get_object,
    get_text,
    get_time,
    wrong,
)
from .limits import MAX_ACK_BYTES, MAX_DESCRIPTION, MAX_NAME, MAX_URL
from .values import Ack, AckState, CallFailure, Refusal, Rejection


def load_ack(raw: bytes) -> Ack | Rejection:
    """Decode and check an ack. Never raises; a `Rejection` says what is wrong and where."""
    return decode(raw, MAX_ACK_BYTES, _ack)


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
        "failures": [
            {
                "subject": f.subject,
                "reason": f.reason,
                "message": f.message,
                "count": f.count,
                "time": f.time,
            }
            for f in ack.failures
        ],
        "runtime": dict(ack.runtime),
        "time": ack.time,
    }
    return encode(data) + b"\n"


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
        failures=tuple(
            _failure(item, f"failures[{index}]")
            for index, item in enumerate(get_list(data, "", "failures"))
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


def _failure(item: Any, path: str) -> CallFailure:
    data = get_object(item, path)
    return CallFailure(
        subject=get_text(data, path, "subject", MAX_URL, required=True),
        reason=get_text(data, path, "reason", MAX_NAME, required=True),
        message=get_text(data, path, "message", MAX_DESCRIPTION),
        count=get_integer(data, path, "count", default=1),
        time=get_time(data, path, "time"),
    )
