"""The exception of a call of a peer that failed."""

from __future__ import annotations

from ..contract import CallProblem
from ..reply import Reply


class CallFailed(Exception):
    """A call of a peer failed. The message names the peer and the reason; the model reads it.

    `reply` is the part of the answer that arrived. `task_gone` is true if the message continued a
    task that has ended or that the peer does not know. `context_gone` is true if the peer does not
    know the context of the message. `unsent` is true if the call was refused before it was sent.
    """

    def __init__(self, message: str, problem: CallProblem, reply: Reply) -> None:
        super().__init__(message)
        self.problem = problem
        self.reply = reply
        self.task_gone = False
        self.context_gone = False
        self.unsent = False
