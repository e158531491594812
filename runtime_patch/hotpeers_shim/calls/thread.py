"""A thread: the A2A ids by which a peer knows one conversation."""

from __future__ import annotations

from dataclasses import dataclass

from .failure import CallFailed


@dataclass(frozen=True, slots=True)
class Thread:
    """A caller's thread with one peer.

    `context_id` is the A2A context that the peer has chosen ("" before its first answer). `task_id`
    is the task that waits for the caller's next message, "" if no task waits.
    """

    context_id: str = ""
    task_id: str = ""

    def after(self, failure: CallFailed) -> Thread:
        """The thread without the ids that the peer has lost; the same thread if it lost none.

        A peer that keeps its state in memory may have lost the task that waited for a message, or
        the whole conversation. It did not process the message, so it can be sent again without the
        lost ids. Each failure drops at least one id or none, so such retries end.
        """
        if failure.task_gone and self.task_id:
            return Thread(self.context_id)
        return Thread() if failure.context_gone else self
