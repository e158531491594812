"""Problems with inputs, and the log lines that report them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .reasons import Word

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with a source, a card, an own file or an ack.

    `where` is the file, object or URL, `document` the number of a document in a file, and `field` the
    path of a field.
    """

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
    """Log each new problem, and each problem that has ended.

    A problem counts as ended only when its `where` has no problem left, because another problem of
    the same file may hide it. It is logged as solved if `is_there` returns that its subject still
    exists, and as gone otherwise.
    """
    # Compare by identity first, which is fast: there may be as many problems as peers.
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
