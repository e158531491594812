"""Reads the history of a conversation: texts, calls, and results by the name of the tool."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_REFERENCE = re.compile(r"<([\w.]+) of ([\w-]+)>")


class NotHeardError(Exception):
    """An argument refers to a result that no tool has returned."""


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a chat message, whose content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def result_of(message: Mapping[str, Any]) -> str:
    """Return the result of a tool. Some runtimes wrap it in an object, `{"result": …}`."""
    text = text_of(message)
    try:
        wrapped = json.loads(text)
    except ValueError:
        return text
    if not isinstance(wrapped, dict) or "result" not in wrapped:
        return text
    said = wrapped["result"]
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def calls_of(messages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return all tool calls, the earliest first."""
    return [call["function"] for call in _calls(messages)]


def fill_in(value: Any, messages: Sequence[Mapping[str, Any]]) -> Any:
    """Replace each text `<field of tool>` in `value` by that field of the tool's latest result.

    `hits.0.name` is a nested field. Raises `NotHeardError` if the field is missing.
    """
    if isinstance(value, Mapping):
        return {key: fill_in(item, messages) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_in(item, messages) for item in value]
    reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return value
    field, tool = reference.groups()
    found: Any = _latest(tool, messages)
    try:
        for step in field.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
    except (LookupError, TypeError, ValueError):
        raise NotHeardError(f"The last result of {tool} has no {field}.") from None
    return found


def _latest(tool: str, messages: Sequence[Mapping[str, Any]]) -> Any:
    """The latest result of a tool, parsed from JSON; None if there is none."""
    asked = {str(call.get("id")) for call in _calls(messages) if call["function"]["name"] == tool}
    for message in reversed(messages):
        if message.get("role") == "tool" and message.get("tool_call_id") in asked:
            try:
                return json.loads(result_of(message))
            except ValueError:
                return None
    return None


def _calls(messages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        call
        for message in messages
        if message.get("role") == "assistant"
        for call in message.get("tool_calls") or ()
    ]
