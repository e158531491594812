"""The text that a model must read for a script of the raw peer, independent of the shim's code.

`fold` gives what a whole reply is, `faults` what is wrong with the text that a model was given of it.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from reply_cases import HIDDEN, Case

Parts = list[dict[str, Any]]
_OWN = ("function_call", "function_response")


@dataclass
class Whole:
    """A reply as it is at its end."""

    state: str = "submitted"
    artifacts: dict[str, Parts] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    message: Parts = field(default_factory=list)
    history: list[Parts] = field(default_factory=list)


def fold(case: Case) -> Whole:
    """The reply that a script makes, whichever way its events come."""
    whole = Whole()
    for step in case.steps:
        if "message" in step:
            whole.state, whole.message = "completed", _content(step["message"])
        elif "artifact" in step:
            key, parts = step["artifact"], _content(step["parts"])
            there = whole.artifacts.get(key, []) if step.get("append") else []
            whole.artifacts[key] = [*there, *parts]
            whole.names[key] = step.get("name", "")
        elif "status" in step or step.get("task", {}).get("state"):
            given = step.get("task", step)
            if whole.message:
                whole.history.append(whole.message)
            whole.state = step.get("status") or given["state"]
            whole.message = _content(given.get("say", []))
            for key, parts in given.get("artifacts", {}).items():
                whole.artifacts[key] = _content(parts)
    whole.artifacts = {key: parts for key, parts in whole.artifacts.items() if parts}
    return whole


def _content(parts: Parts) -> Parts:
    return [part for part in parts if not _is_own(part.get("metadata", {}))]


def _is_own(metadata: dict[str, Any]) -> bool:
    return any(
        metadata.get(f"{who}_type") in _OWN or metadata.get(f"{who}_thought") is True
        for who in ("adk", "kagent")
    )


def faults(case: Case, result: str, saved: dict[str, bytes] | None) -> list[str]:
    """The faults of `result`; `saved` are the session's artifacts, or None."""
    whole = fold(case)
    found = [f"reads {word!r}" for word in case.absent if word in result]
    reader = _Reader(result, saved)
    if whole.state == "completed":
        found += _of_completed(whole, result, reader)
    else:
        found += _of_other(whole, result, reader)
    return found + reader.faults


def _of_completed(whole: Whole, result: str, reader: "_Reader") -> list[str]:
    if not whole.artifacts and not whole.message and not any(whole.history):
        silent = "without saying anything" in result
        return [] if silent else ["does not say that it finished without saying anything"]
    if not whole.artifacts and not whole.message:
        for parts in whole.history:
            reader.message(parts)
        return []
    found = []
    reader.artifacts(whole)
    results = list(whole.artifacts.values())
    if results != [whole.message]:
        reader.message(whole.message)
    elif sum(result.count(_seen(part.get("text", "\n"))) for part in whole.message) > 1:
        found.append("says twice what was said as artifact and message")
    pieces = [*results, whole.message] if results != [whole.message] else results
    texts = [piece for piece in pieces if piece]
    if len(texts) == 1 and all("text" in part for part in texts[0]):
        joint = "" if results else "\n"
        exact = joint.join(_seen(part["text"]) for part in texts[0])
        found += [] if result == exact else [f"is not exactly {exact!r}"]
    if not whole.history or whole.artifacts or whole.message:
        said = [part["text"] for parts in whole.history for part in parts if "text" in part]
        found += [f"reads the progress {one!r}" for one in said if one in result]
    return found


def _of_other(whole: Whole, result: str, reader: "_Reader") -> list[str]:
    found = []
    words = {
        "input-required": "answer",
        "auth-required": r"auth-required|authori[sz]|log ?in",
        "canceled": "cancell?ed",
    }
    if not re.search(words.get(whole.state, whole.state), result, re.IGNORECASE):
        found.append(f"does not say that it is {whole.state}")
    reader.message(whole.message)
    partial = bool(whole.artifacts) or (not whole.message and any(whole.history))
    may_be_partial = partial or any(whole.history)
    label = re.search("partial", result, re.IGNORECASE)
    if partial and not label:
        return [*found, "does not call the results partial"]
    if partial and label:
        reader.at = label.end()
        reader.artifacts(whole)
        for parts in [] if whole.artifacts else whole.history:
            reader.message(parts)
    elif label and not may_be_partial:
        found.append("speaks of partial results where there are none")
    return found


def _seen(words: str) -> str:
    return "hi there" if words == HIDDEN else words


class _Reader:
    """Looks for contents in their order."""

    def __init__(self, result: str, saved: dict[str, bytes] | None) -> None:
        self.result = result
        self.saved = saved
        self.at = 0
        self.faults: list[str] = []

    def artifacts(self, whole: Whole) -> None:
        """Each artifact whole; several on lines of their own, each with its name or number."""
        for number, (key, parts) in enumerate(whole.artifacts.items(), 1):
            before = self.at
            start = self._parts(parts, "")
            if len(whole.artifacts) > 1 and start >= 0:
                label = self.result[before:start]
                apart = start == 0 or self.result[start - 1] == "\n"
                ends = self.at == len(self.result) or self.result[self.at] == "\n"
                told = (whole.names.get(key) or str(number)) in label
                if not (apart and ends and told):
                    self.faults.append(f"artifact {key} is not told apart: {label!r}")

    def message(self, parts: Parts) -> None:
        """A message."""
        self._parts(parts, "\n")

    def _parts(self, parts: Parts, joint: str) -> int:
        """Look for parts, consecutive texts joined; returns where the first one is, or -1."""
        starts: list[int] = []
        run: list[str] = []
        for part in [*parts, {}]:
            if "text" in part:
                run.append(_seen(part["text"]))
                continue
            if run:
                starts.append(self._text(joint.join(run)))
                run = []
            if "data" in part:
                starts.append(
                    self._line(lambda line, part=part: _is_json(line, part["data"]), part)
                )
            elif part:
                words = [part["name"], part["type"], *self._of_file(part)]
                starts.append(self._line(lambda line, w=words: all(x in line for x in w), words))
        return starts[0] if starts else -1

    def _text(self, words: str) -> int:
        start = self.result.find(words, self.at)
        if start < 0:
            self.faults.append(f"lacks {words!r}" + (" here" if words in self.result else ""))
            return -1
        self.at = start + len(words)
        return start

    def _line(self, fits: Any, what: Any) -> int:
        start = self.at
        if start and self.result[start - 1] != "\n":
            # The rest of a line that was begun before.
            start = self.result.find("\n", start) + 1 or len(self.result)
        for line in self.result[start:].split("\n"):
            if fits(line):
                self.at = start + len(line)
                return start
            start += len(line) + 1
        self.faults.append(f"lacks a line of {what}")
        return -1

    def _of_file(self, part: dict[str, Any]) -> list[str]:
        if "url" in part:
            return [part["url"]]
        content = base64.b64decode(part["bytes"])
        size = str(len(content))
        if self.saved is None:
            if not re.search(r"not (saved|kept)", self.result):
                self.faults.append("does not say that the file was not saved")
            return [size]
        names = [name for name in self.saved if self.saved[name] == content]
        shown = [name for name in names if name in self.result]
        if not shown:
            self.faults.append(f"names no session artifact with the bytes of {part['name']}")
        return [size, *shown[:1]]


def _is_json(line: str, data: Any) -> bool:
    """Whether a line is this JSON; an integer must be one."""
    start = line.find("{")
    try:
        found = json.loads(line[max(start, 0) :])
    except ValueError:
        return False
    return json.dumps(found, sort_keys=True) == json.dumps(data, sort_keys=True)
