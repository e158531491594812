"""The table of replies as scripts of the raw peer: texts, their places, states and pieces.

Every text holds the number of its case, so that texts of different cases differ.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rawkit import SUBMITTED, WORKING, Parts, Steps, artifact, text

STATES = ["completed", "failed", "rejected", "canceled", "input-required", "auth-required"]
WAITS = ("input-required", "auth-required")
KINDS = ["text", "data", "url", "inline", "mixed"]
PLACES = ["artifact", "status", "history"]
DELIVERIES = [
    "whole",
    "appended",
    "append-first",
    "snapshot",
    "bare-snapshot",
    "replaced",
    "at-once",
]
SAID = "The reason, or the question, of {}: see https://idp.example/{} for more."
GONE = "superseded"
"""A word of what was replaced, which no model may read."""


@dataclass
class Case:
    """One reply. Its name is the message that asks for it."""

    name: str
    steps: Steps
    more: dict[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    """What the model must not read."""

    @property
    def script(self) -> dict[str, Any]:
        return {"do": self.steps, **self.more}

    @property
    def waits(self) -> bool:
        """Whether the next message answers the same task."""
        return any(_state(step) in WAITS for step in self.steps)


def _state(step: dict[str, Any]) -> str:
    return str(step.get("status") or step.get("task", {}).get("state") or "")


def parts_of(kind: str, name: str) -> Parts:
    """Parts of one kind."""
    data = {"case": name, "temp_c": 21, "share": 0.5, "ok": True, "none": None, "list": [1, "ä"]}
    url = f"https://files.example/{name}.pdf?a=1&b=2"
    content = base64.b64encode(b"\x00\xff bytes of " + name.encode()).decode()
    made: dict[str, Parts] = {
        "text": text(f"The text of {name}, in one sentence."),
        "data": [{"data": data}],
        "url": [{"url": url, "type": "application/pdf", "name": f"{name}.pdf"}],
        "inline": [{"bytes": content, "type": "image/png", "name": f"{name}.png"}],
    }
    made["mixed"] = [part for kind in ("text", "url", "data", "inline") for part in made[kind]]
    return made[kind]


def delivered(delivery: str, parts: Parts, name: str) -> Steps:
    """Steps that bring an artifact with these parts."""
    lead = [text(f"Chunks of {name}: the wea"), text("ther is 2"), text("1 degrees.")]
    first, second, third = (artifact("a1", chunk, append=True) for chunk in lead)
    opening = artifact("a1", lead[0], append=False)
    rest = artifact("a1", parts, append=True, last=True)
    return {
        "whole": [artifact("a1", parts)],
        "appended": [opening, second, third, rest],
        "append-first": [first, second, third, rest],
        "snapshot": [opening, second, {"task": {}}, third, rest],
        "bare-snapshot": [opening, {"task": {"without": ["artifacts"]}}, second, third, rest],
        "replaced": [artifact("a1", text(f"{GONE} {name}")), WORKING, artifact("a1", parts)],
        "at-once": [],
    }[delivery]


def _case(place: str, kind: str, state: str, delivery: str, number: int) -> Case:
    name = f"{place}-{kind}-{state}-{delivery}-{number}"
    parts = parts_of(kind, name)
    said = text(SAID.format(name, name)) if state != "completed" else None
    end: dict[str, Any] = {"status": state, **({"say": said} if said else {})}
    begin: Steps = [SUBMITTED, WORKING]
    if place == "status":
        return Case(name, [*begin, {"status": state, "say": parts}])
    if place == "history":
        said_before = {"status": "working", "say": parts}
        return Case(name, [*begin, said_before, WORKING, {"status": state}])
    if delivery == "at-once":
        whole = {"state": state, "artifacts": {"a1": parts}, **({"say": said} if said else {})}
        return Case(name, [{"task": whole}])
    return Case(name, [*begin, *delivered(delivery, parts, name), end], absent=(GONE,))


def table() -> Iterator[Case]:
    """All cases."""
    number = 0
    for place in PLACES:
        for kind in KINDS:
            for state in STATES:
                for delivery in DELIVERIES if place == "artifact" else ["whole"]:
                    number += 1
                    yield _case(place, kind, state, delivery, number)
    for kind in KINDS:
        name = f"message-{kind}"
        yield Case(name, [{"message": parts_of(kind, name)}])
    yield from others()


def others() -> Iterator[Case]:
    """Replies that the table's axes do not make."""
    for state in STATES:
        yield Case(f"nothing-{state}", [SUBMITTED, WORKING, {"status": state}])
        three = [
            artifact(f"a{i}", text(f"Part {i} of three-{state}."), name=f"n{i}") for i in "012"
        ]
        yield Case(f"three-{state}", [SUBMITTED, *three, {"status": state}])
    two = [artifact("a", text("Alpha of two.")), artifact("b", text("Beta of two."))]
    more = [artifact("a", text(" More alpha."), append=True), {"status": "completed"}]
    yield Case("two-interleaved", [SUBMITTED, *two, *more])
    both = [artifact("a", text("Result of both.")), {"status": "completed", "say": text("Enjoy.")}]
    yield Case("both", [SUBMITTED, *both])
    same = [artifact("a", text("Said twice.")), {"status": "completed", "say": text("Said twice.")}]
    yield Case("same", [SUBMITTED, *same])
    progress = [{"status": "working", "say": text(f"Step {i} of progress.")} for i in range(3)]
    yield Case(
        "progress", [SUBMITTED, *progress, artifact("a", text("End.")), {"status": "completed"}]
    )
    yield Case("no-task-first", [artifact("a", text("Early artifact.")), {"status": "completed"}])
    yield Case("no-status", [{"task": {"state": "completed", "say": text("Whole at once.")}}])
    yield from own_parts()
    yield from hidden()


def own_parts() -> Iterator[Case]:
    """Parts that carry the framework's own calls and thoughts."""
    for prefix in ("adk_", "kagent_"):
        for mark in ({"type": "function_call"}, {"type": "function_response"}, {"thought": True}):
            metadata = {f"{prefix}{key}": value for key, value in mark.items()}
            (word,) = (str(value) for value in mark.values())
            name = f"own-{prefix}{word}"
            secret = f"secret-{prefix}{word}"
            part = {"text": secret} if "thought" in mark else {"data": {"name": secret, "args": {}}}
            own = [{**part, "metadata": metadata}]
            say = {"status": "working", "say": own}
            end = {"status": "completed"}
            content = [*own, *text("Only "), *own, *text(f"this of {name}.")]
            yield Case(name, [SUBMITTED, say, artifact("a", content), end], absent=(secret,))
            yield Case(f"{name}-alone", [SUBMITTED, say, artifact("a", own), end], absent=(secret,))


HIDDEN = "hi\u202e\u2066\U000e0041\U000e0042\x1b[31m\u200bthere"
"""Row 11 of the cases from the field: reads as "hi there"."""
KEPT = [
    "\U0001f469\u200d\U0001f4bb",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u2764\ufe0f\u200d\U0001f525",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u0915\u094d\u200d\u0937",
    "\u0d28\u0d4d\u200d",
]


def hidden() -> Iterator[Case]:
    """Invisible characters, and joiners that visible characters need."""
    for at, words in enumerate([HIDDEN, *KEPT]):
        end = {"status": "completed"}
        yield Case(f"hidden-{at}-artifact", [SUBMITTED, artifact("a", text(words)), end])
        yield Case(f"hidden-{at}-message", [{"message": text(words)}])
    asked = {"status": "input-required", "say": text(HIDDEN)}
    yield Case("hidden-question", [SUBMITTED, asked])
