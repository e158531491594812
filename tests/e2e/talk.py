"""Talking to an orchestrator in a pod over A2A 0.3, which kagent 0.10 speaks."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

_SECONDS = 60.0


class NoAnswerError(Exception):
    """A turn ended otherwise than by an answer."""


class Conversation:
    """One thread: every message carries the same contextId."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.context_id = str(uuid.uuid4())

    def say(self, text: str) -> str:
        """Send one message, wait for the end of the turn, return its words."""
        message = {
            "kind": "message",
            "role": "user",
            "messageId": str(uuid.uuid4()),
            "contextId": self.context_id,
            "parts": [{"kind": "text", "text": text}],
        }
        answer = post(
            self._url,
            {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}},
        )
        if "error" in answer:
            raise NoAnswerError(f"“{text}”: {answer['error']}")
        result = answer["result"]
        state = result.get("status", {}).get("state", "completed")
        words = "\n".join(_texts(result))
        if state != "completed":
            raise NoAnswerError(f"“{text}” ended as {state}: {words or result}")
        return words


@dataclass
class ModelLog:
    """The requests to the scripted model since this log started."""

    url: str
    after: int = 0

    def skip(self) -> None:
        """Skip the requests so far."""
        self.after = int(self._read()["count"])

    def requests(self) -> list[dict[str, Any]]:
        """Each request: `time` (seconds since 1970), `user` and `tools`."""
        return list(self._read()["requests"])

    def _read(self) -> dict[str, Any]:
        return get(f"{self.url}/log?after={self.after}")


def get(url: str) -> dict[str, Any]:
    """Read JSON."""
    with urlopen(url, timeout=_SECONDS) as answer:
        return dict(json.loads(answer.read()))


def post(url: str, body: Any = None) -> dict[str, Any]:
    """Post JSON and read the answer's."""
    data = json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method="POST")
    with urlopen(request, timeout=_SECONDS) as answer:
        return dict(json.loads(answer.read()))


def _texts(result: dict[str, Any]) -> Iterator[str]:
    artifacts = result.get("artifacts") or []
    message = result.get("status", {}).get("message") or {}
    for holder in [*artifacts, *([message] if not artifacts else []), result]:
        for part in holder.get("parts") or []:
            if part.get("kind") == "text":
                yield part["text"]
