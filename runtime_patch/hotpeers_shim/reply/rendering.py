"""The text that a model reads of a reply: the state of the task first, then what was said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from ..contract import clean_text, cut_text, visible_text
from .values import Artifact, Data, File, Part, Reply, State, Text

_MAX_LABEL = 200
FileNote = Callable[[File], str]
"""What to say of an inline file, such as where it was saved."""

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
    """What is said of an inline file that was not saved anywhere."""
    return "its content was not kept"


def render(reply: Reply, name: str, *, limit: int, note: FileNote = no_note) -> str:
    """What the model reads of a reply of the agent `name`, in at most about `limit` characters.

    A completed reply is its content and nothing else. In any other state the state comes first, with
    the reason, question or link, then what results there are, labelled as partial.
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
    """What the model reads of a call that failed: why, then what had come of the reply."""
    page = _Page(limit, note)
    partial = page.artifacts(reply.artifacts) or page.message(reply.message)
    return _with_partial(why, partial or page.messages(reply.history), page, limit)


def contents(reply: Reply, *, limit: int) -> tuple[str, bool]:
    """What a reply says, for those who give its state by itself, and whether it had to be cut."""
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
    """The text of parts. What is far too long to be shown is left out before it is cleaned."""

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
        """All of a completed reply: results, then the message, else what it said on the way."""
        results = self.artifacts(reply.artifacts)
        # Many agents say their result twice, as an artifact and as the message of the last status.
        told = [one.parts for one in reply.artifacts]
        message = "" if reply.message in told else self.message(reply.message)
        if message.strip() == results.strip():
            message = ""
        if not results and not message:
            return self.messages(reply.history)
        return "\n\n".join(filter(None, (results, message)))

    def artifacts(self, artifacts: Iterable[Artifact]) -> str:
        """One artifact as it is; of several, each under a line with its number and name."""
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
        """A message: unlike an artifact it comes in one piece, so that each part stands by itself."""
        return "\n".join(filter(None, map(self._part, parts)))

    def _artifact(self, artifact: Artifact) -> str:
        """Each text as it is, data and files on lines of their own."""
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
    """A JSON value with its whole numbers written as such: protobuf has made floats of all of them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _with_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return value
