"""Random sequences of events; each text has its own mark."""

import random
import re
from typing import Any

from rawkit import SUBMITTED, Parts, Steps
from reply_cases import STATES, Case

MARK = re.compile(r"<\d+>")
_AROUND = [
    "",
    " ",
    "21",
    "°",
    "word",
    '{"',
    "a\nb",
    "\n\n",
    "é",
    "\U0001f469\u200d\U0001f4bb",
    "\t",
    "`",
]


class Drawn:
    """A stream of random cases; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._marks = 0

    def case(self, name: str, *, cuts: bool) -> Case:
        """One reply: events of a task that ends in any state. With `cuts` its connection is cut, too."""
        steps: Steps = [] if self._random.random() < 0.2 else [SUBMITTED]
        for _ in range(self._random.randint(0, 12)):
            steps.append(self._step(cuts=cuts and bool(steps)))
        state = self._random.choice(["completed", *STATES])
        say = {"say": self._parts()} if self._random.random() < 0.4 else {}
        end = {"status": state, **say}
        steps.append(end if self._random.random() < 0.8 else {"task": {"state": state, **say}})
        return Case(name, steps)

    def _step(self, *, cuts: bool) -> dict[str, Any]:
        key = self._random.choice("abc")
        chunk = {"artifact": key, "parts": self._parts(), "name": f"name-{key}"}
        spoken = {"status": "working", "say": self._parts()}
        without = {"task": {"without": ["artifacts"]}}
        weighted = [
            (8, {**chunk, "append": True}),
            (3, chunk),
            (1, {**chunk, "append": True, "last": True}),
            (2, spoken),
            (2, {"status": "working"}),
            (2, {"task": {}}),
            (1, without),
            (1 if cuts else 0, {"cut": 1}),
        ]
        weights = [weight for weight, _ in weighted]
        return self._random.choices([step for _, step in weighted], weights)[0]

    def _parts(self) -> Parts:
        return [self._part() for _ in range(self._random.choice([1, 1, 1, 2, 3]))]

    def _part(self) -> dict[str, Any]:
        self._marks += 1
        mark = f"<{self._marks}>"
        if (drawn := self._random.random()) < 0.7:
            before, after = self._random.choices(_AROUND, k=2)
            return {"text": f"{before}{mark}{after}"}
        if drawn < 0.85:
            return {"data": {"mark": mark, "n": self._random.choice([1, 1.5, -3, None, "x", []])}}
        return {"url": f"https://files.example/{mark}", "type": "a/b", "name": "file.bin"}


def marks_of(parts: Parts) -> list[str]:
    """The marks of parts, in their order."""
    return MARK.findall(str(parts))
