"""A task of the raw peer: runs a script, keeps its state, and sends events to listeners.

The script runs independently of connections; see `raw_peer` for its steps.
"""

import asyncio
import copy
import uuid
from typing import Any

TERMINAL = ("completed", "failed", "canceled", "rejected")
WAITING = ("input-required", "auth-required")
_BACKLOG = 64


class Listener:
    """One connection that follows a task."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[tuple[str, Any]] = asyncio.Queue(_BACKLOG)
        self.gone = False

    async def put(self, item: tuple[str, Any]) -> None:
        if not self.gone:
            await self.items.put(item)

    def leave(self) -> None:
        """Stop receiving, without blocking the sender."""
        self.gone = True
        while not self.items.empty():
            self.items.get_nowait()


class Task:
    """The state of one task, as a2a servers keep it, and the message that came in place of it."""

    def __init__(self, context: str) -> None:
        self.id = f"task-{uuid.uuid4()}"
        self.context = context
        self.status: dict[str, Any] = {"state": "submitted"}
        self.artifacts: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.metadata: dict[str, Any] = {}
        self.direct: dict[str, Any] | None = None
        self.listeners: list[Listener] = []
        self.started = asyncio.Event()
        self.settled = asyncio.Event()
        self.running: asyncio.Task[None] | None = None

    # State so far

    def snapshot(self) -> dict[str, Any]:
        """The task as it is now, as a neutral task of `raw_wire`."""
        kept = {"status": self.status, "artifacts": self.artifacts, "history": self.history}
        own = {"id": self.id, "context": self.context, "metadata": self.metadata}
        return {**own, **copy.deepcopy(kept)}

    def result(self) -> dict[str, Any]:
        """The answer to a message that is not streamed."""
        if self.direct is not None:
            return {"event": "message", "message": self.direct}
        return {"event": "task", "task": self.snapshot()}

    @property
    def over(self) -> bool:
        """Whether nothing will come any more."""
        return self.status["state"] in TERMINAL or self.running is None or self.running.done()

    def heard(self, text: str, message_id: str) -> None:
        """Take in a message of the caller."""
        self._said_before()
        said = {"role": "user", "id": message_id, "parts": [{"text": text}]}
        self.history.append({**said, "task": self.id, "context": self.context})

    def _message(self, parts: list[dict[str, Any]], *, of_task: bool = True) -> dict[str, Any]:
        made = {"role": "agent", "id": f"m-{uuid.uuid4()}", "parts": parts, "context": self.context}
        return {**made, "task": self.id} if of_task else made

    def _said_before(self) -> None:
        if self.status.get("message"):
            self.history.append(self.status.pop("message"))

    def set_status(self, state: str, parts: list[dict[str, Any]] | None) -> None:
        """Set a new status; the message of the last one moves to the history."""
        self._said_before()
        self.status = {"state": state}
        if parts is not None:
            self.status["message"] = self._message(parts)
        if state in (*TERMINAL, *WAITING):
            self.settled.set()

    def add_artifact(self, artifact: dict[str, Any], *, append: bool) -> None:
        """Take in an artifact, or more of one; an append that comes first begins it."""
        artifact = copy.deepcopy(artifact)
        for at, there in enumerate(self.artifacts):
            if there["id"] == artifact["id"]:
                if append:
                    there["parts"] = [*there["parts"], *artifact["parts"]]
                else:
                    self.artifacts[at] = artifact
                return
        self.artifacts.append(artifact)

    def listen(self) -> Listener:
        """Follow the task from now on."""
        listener = Listener()
        self.listeners.append(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Follow it no more."""
        listener.leave()
        self.listeners.remove(listener)

    # Running a script

    def run(self, steps: list[dict[str, Any]]) -> None:
        """Begin a script."""
        self.started.clear()
        self.settled.clear()
        self.running = asyncio.create_task(self._run(steps))

    async def _run(self, steps: list[dict[str, Any]]) -> None:
        try:
            await self._steps(steps)
        finally:
            self.started.set()
            self.settled.set()
        await self.tell("end", None)

    async def _steps(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            if "repeat" in step:
                left = step["repeat"]
                while left or (not step["repeat"] and self.listeners):
                    await self._steps(step["do"])
                    left -= bool(left)
                    await asyncio.sleep(0)
            else:
                await self._step(step)

    async def _step(self, step: dict[str, Any]) -> None:
        if "sleep" in step:
            await asyncio.sleep(step["sleep"])
        elif "hang" in step:
            await asyncio.Event().wait()
        elif "cut" in step:
            await self.tell("cut", step["cut"] == "hard")
        elif "history" in step:
            self.history.append(self._message(step["history"]))
        elif any(key in step for key in ("raw", "comment", "error", "end")):
            (kind,) = (key for key in ("raw", "comment", "error", "end") if key in step)
            await self.tell(kind, step[kind])
        else:
            event = self._event(step)
            self.started.set()
            await self.tell("half" if step.get("half") else "event", event)

    def _event(self, step: dict[str, Any]) -> dict[str, Any]:
        """The neutral event of a step, taken in unless the step says otherwise."""
        if "message" in step:
            self.direct = self._message(step["message"], of_task=False)
            self.settled.set()
            return {"event": "message", "message": self.direct}
        if "task" in step:
            return self._snapshot_step(step["task"])
        own = {"task": self.id, "context": self.context, "metadata": step.get("metadata")}
        if "status" in step:
            self.metadata.update(step.get("metadata") or {})
            self.set_status(step["status"], step.get("say"))
            final = step["status"] in (*TERMINAL, *WAITING)
            return {
                **own,
                "event": "status",
                "status": copy.deepcopy(self.status),
                "final": step.get("final", final),
            }
        artifact = {key: step[key] for key in ("name", "parts") if key in step}
        artifact["id"] = step["artifact"]
        if step.get("fold", True):
            self.add_artifact(artifact, append=bool(step.get("append")))
        chunk = {key: step[key] for key in ("append", "last") if key in step}
        return {**own, "event": "artifact", "artifact": artifact, **chunk}

    def _snapshot_step(self, given: dict[str, Any]) -> dict[str, Any]:
        if "state" in given:
            self.set_status(given["state"], given.get("say"))
        if "artifacts" in given:
            self.artifacts = [
                {"id": key, "parts": parts} for key, parts in given["artifacts"].items()
            ]
        for parts in given.get("history", ()):
            self.history.append(self._message(parts))
        shown = self.snapshot()
        for left_out in given.get("without", ()):
            shown[left_out] = []
        return {"event": "task", "task": shown}

    async def tell(self, kind: str, content: Any) -> None:
        """Give an item to all who listen."""
        for listener in list(self.listeners):
            await listener.put((kind, content))

    async def cancel(self) -> None:
        """End the script at the caller's wish."""
        if self.running is not None:
            self.running.cancel()
        self.set_status("canceled", None)
        status = {"event": "status", "status": copy.deepcopy(self.status), "final": True}
        await self.tell("event", {**status, "task": self.id, "context": self.context})
        await self.tell("end", None)
