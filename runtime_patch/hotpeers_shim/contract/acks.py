"""Reads and writes the ack file."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from .codec import decode, encode
from .fields import (
    at,
    check_text,
    get_integer,
    get_list,
    get_object,
    get_text,
    get_time,
    wrong,
)
from .limits import MAX_ACK_BYTES, MAX_DESCRIPTION, MAX_NAME, MAX_RESTARTS, MAX_URL
from .values import Ack, AckState, CallFailure, ConfigAck, ConfigState, Refusal, Rejection


def load_ack(raw: bytes) -> Ack | Rejection:
    """Decode and check an ack. Never raises. A `Rejection` has the field and the reason."""
    return decode(raw, MAX_ACK_BYTES, _ack)


def dump_ack(ack: Ack) -> bytes:
    """Encode an ack as one line of UTF-8 JSON, with a newline at the end."""
    data: dict[str, Any] = {
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
        "calls": ack.calls,
        "runtime": dict(ack.runtime),
        "time": ack.time,
    }
    if ack.config is not None:
        data["config"] = dump_config_ack(ack.config)
    return encode(data) + b"\n"


def dump_config_ack(config: ConfigAck) -> dict[str, Any]:
    """The JSON object of the ack of the agent's own configuration."""
    return {
        "state": config.state.value,
        "digest": config.digest,
        "hash": config.hash,
        "seen": config.seen,
        "reason": config.reason,
        "message": config.message,
        "restart": list(config.restart),
        "time": config.time,
    }


def _ack(data: dict[str, Any]) -> Ack:
    runtime = get_object(data.get("runtime", {}), "runtime")
    return Ack(
        pid=get_integer(data, "", "pid"),
        state=AckState(_state(data, "", AckState)),
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
        config=None if data.get("config") is None else _config(data["config"], "config"),
        calls=get_integer(data, "", "calls", default=0),
        runtime={
            check_text(key, "runtime", "", MAX_NAME): check_text(value, "runtime", key, MAX_NAME)
            for key, value in runtime.items()
        },
        time=get_time(data, "", "time"),
    )


def _state(data: dict[str, Any], path: str, states: type[StrEnum]) -> str:
    state = get_text(data, path, "state", MAX_NAME, required=True)
    if state not in list(states):
        raise wrong(at(path, "state"), f"{state!r} is not one of {', '.join(states)}")
    return state


def _config(item: Any, path: str) -> ConfigAck:
    data = get_object(item, path)
    restart = get_list(data, path, "restart")
    if len(restart) > MAX_RESTARTS:
        raise wrong(at(path, "restart"), f"{len(restart)} items; the limit is {MAX_RESTARTS}")
    return ConfigAck(
        state=ConfigState(_state(data, path, ConfigState)),
        digest=get_text(data, path, "digest", MAX_NAME),
        hash=get_text(data, path, "hash", MAX_NAME),
        seen=get_text(data, path, "seen", MAX_NAME),
        reason=get_text(data, path, "reason", MAX_NAME),
        message=get_text(data, path, "message", MAX_DESCRIPTION),
        restart=tuple(
            check_text(name, path, f"restart[{index}]", MAX_NAME)
            for index, name in enumerate(restart)
        ),
        time=get_time(data, path, "time"),
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
