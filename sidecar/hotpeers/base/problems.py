"""Something that is wrong with an input, and the log lines that report it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .reasons import Word

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing of a source, a card, a file of ours or an ack that is not as it should be."""

    where: str
    reason: Word
    message: str
    document: int | None = None
    field: str = ""

    def __str__(self) -> str:
        document = "" if self.document is None else f" document {self.document}"
        place = f": {self.field}" if self.field else ""
        return f"{self.where}{document}{place}: {self.message} ({self.reason})"


def log_problems(
    before: Sequence[Problem],
    after: Sequence[Problem],
    is_there: Callable[[Problem], bool] = lambda _: True,
) -> None:
    """Log each problem that is new, and those that went.

    One is solved where nothing is wrong any more with what it was of: another problem of the same
    file may only hide it. `is_there` is whether that still exists; what was removed is not solved.
    """
    # By identity first: there may be as many as there are peers.
    same = set(map(id, before)) & set(map(id, after))
    old = dict.fromkeys(problem for problem in before if id(problem) not in same)
    new = dict.fromkeys(problem for problem in after if id(problem) not in same)
    for problem in new:
        if problem not in old:
            logger.warning("%s", problem, extra={"reason": problem.reason.value})
    ended = [problem for problem in old if problem not in new]
    bad = {problem.where for problem in after} if ended else set()
    for problem in ended:
        if problem.where not in bad:
            word = "solved" if is_there(problem) else "gone"
            logger.info("%s: %s", word, problem, extra={"reason": problem.reason.value})
