"""Renders a reply as text for a model: first the state of the task, then the content."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from ..contract import clean_text, cut_text, visible_text
from .values import Artifact, Data, File, Part, Reply, State, Text

_MAX_LABEL = 200
FileNote = Callable[[File], str]
"""Returns the text about an inline file, such as the place where it was saved."""

_HEADS = {
    State.INPUT_REQUIRED: "Agent {name} needs an answer before it can go on: ",
    State.AUTH_REQUIRED: "Agent {name} needs to be authorised (auth-required) before it can go on: ",
    State.FAILED: "Agent {name} ended with failed: ",
    State.CANCELED: "Agent {name} ended with canceled: ",
    State.REJECTED: "Agent {name} ended with rejected: ",
    State.WORKING: "Agent {name} is still working: ",
}
_SILENT = {
    State.INPUT_REQUIRED: "it did not say what it needs.",
    State.AUTH_REQUIRED: "it did not say how.",
    State.WORKING: "it has said nothing yet.",
}
_TAILS = {
    State.INPUT_REQUIRED: "(Call it again with the answer.)",
    State.AUTH_REQUIRED: "(Call it again once that is done.)",
}
_GAP = (
    "(The connection to the agent was lost in between: a part of what it said may be missing here.)"
)


def no_note(file: File) -> str:
    """The text about an inline file that was not saved."""
    return "its content was not kept"


def render(reply: Reply, name: str, *, limit: int, note: FileNote = no_note) -> str:
    """The text of a reply of the agent `name` for the model, with about `limit` characters at most.

    For a completed reply, it is only the content. For any other state, it begins with the state and
    the reason, question or link. The available results follow, labelled as partial.
    """
    page = _Page(limit, note)
    if reply.state is State.COMPLETED:
        text = page.content(reply) or f"Agent {name} finished without saying anything."
        return _with_gap(page.cut(text, limit), reply)
    said = page.message(reply.message) or _SILENT.get(reply.state, "it gave no reason.")
    text = _HEADS[reply.state].format(name=name) + page.cut(said, limit)
    if reply.state in _TAILS:
        text = f"{text}\n{_TAILS[reply.state]}"
    partial = page.artifacts(reply.artifacts) or page.messages(reply.history)
    return _with_gap(_with_partial(text, partial, page, limit), reply)


def render_partial(why: str, reply: Reply, *, limit: int, note: FileNote = no_note) -> str:
    """The text of a failed call for the model: the reason, then the reply so far."""
    page = _Page(limit, note)
    partial = page.artifacts(reply.artifacts) or page.message(reply.message)
    return _with_partial(why, partial or page.messages(reply.history), page, limit)


def contents(reply: Reply, *, limit: int) -> tuple[str, bool]:
    """The content of a reply without its state, and whether it was cut.

    This is for callers that report the state separately.
    """
    page = _Page(limit, no_note)
    if reply.state is State.COMPLETED:
        text = page.cut(page.content(reply), limit)
    else:
        said = page.cut(page.message(reply.message), limit)
        partial = page.artifacts(reply.artifacts) or page.messages(reply.history)
        text = _with_partial(said, partial, page, limit)
    return _with_gap(text, reply), page.was_cut


def _with_partial(text: str, partial: str, page: _Page, limit: int) -> str:
    if not partial:
        return text
    room = max(limit - len(text), limit // 4)
    return f"{text}\n\nPartial result so far:\n{page.cut(partial, room)}"


def _with_gap(text: str, reply: Reply) -> str:
    return f"{text}\n{_GAP}" if reply.incomplete else text


class _Page:
    """Renders parts as text. A text that is far too long is cut before it is cleaned."""

    def __init__(self, limit: int, note: FileNote) -> None:
        self._longest = 4 * limit
        self._note = note
        self._gone = 0
        self.was_cut = False

    def cut(self, text: str, limit: int) -> str:
        gone, self._gone = self._gone, 0
        self.was_cut = self.was_cut or len(text) > limit
        return cut_text(text, limit, gone=gone)

    def content(self, reply: Reply) -> str:
        """A completed reply: its results and message, or without these, its earlier messages."""
        results = self.artifacts(reply.artifacts)
        # Many agents send a result twice: as an artifact and as the message of the last status.
        told = [one.parts for one in reply.artifacts]
        message = "" if reply.message in told else self.message(reply.message)
        if message.strip() == results.strip():
            message = ""
        if not results and not message:
            return self.messages(reply.history)
        return "\n\n".join(filter(None, (results, message)))

    def artifacts(self, artifacts: Iterable[Artifact]) -> str:
        """A single artifact unchanged. Several ones get a line with number and name each."""
        texts = [(clean_text(one.name, _MAX_LABEL), self._artifact(one)) for one in artifacts]
        texts = [(name, text) for name, text in texts if text]
        if len(texts) <= 1:
            return "".join(text for _, text in texts)
        return "\n\n".join(
            f"[artifact {number} of {len(texts)}{f': {name}' if name else ''}]\n{text}"
            for number, (name, text) in enumerate(texts, 1)
        )

    def messages(self, messages: Iterable[Iterable[Part]]) -> str:
        return "\n".join(filter(None, map(self.message, messages)))

    def message(self, parts: Iterable[Part]) -> str:
        """A message, each part on its own line: unlike an artifact, it is not sent in chunks."""
        return "\n".join(filter(None, map(self._part, parts)))

    def _artifact(self, artifact: Artifact) -> str:
        """An artifact: texts unchanged, data and files on their own lines."""
        lines: list[str] = []
        for shown in filter(None, map(self._part, artifact.parts)):
            if lines and not lines[-1].endswith("\n"):
                lines.append("\n")
            lines.append(shown)
        return "".join(lines)

    def _part(self, part: Part) -> str:
        match part:
            case Text():
                return self._clean(part.text)
            case Data():
                return self._clean(_json(part.value))
            case File():
                return self._file(part)

    def _clean(self, text: str) -> str:
        if len(text) > 2 * self._longest:
            self._gone += len(text) - 2 * self._longest
            text = text[: self._longest] + text[-self._longest :]
        return visible_text(text)

    def _file(self, file: File) -> str:
        name = clean_text(file.name, _MAX_LABEL) or "without a name"
        words = [f"file {name}", clean_text(file.media_type, _MAX_LABEL)]
        if file.content is not None:
            words += [f"{len(file.content)} bytes", self._note(file)]
        if file.url:
            words.append(clean_text(file.url, 2048))
        return f"[{', '.join(filter(None, words))}]"


def _json(value: object) -> str:
    try:
        return json.dumps(_with_integers(value), ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "[data that is nested too deeply to be shown]"


def _with_integers(value: object) -> object:
    """A JSON value with whole numbers as integers: protobuf turns all numbers into floats."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _with_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return value
