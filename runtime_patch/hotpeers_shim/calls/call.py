"""One call of a peer. It ends when the peer's task is over, or at a timeout.

One timeout limits the whole call, another one limits silence. Every failure becomes a `CallFailed`
that names the peer and the reason. If the turn is cancelled, the peer's task is cancelled too, and
the cancellation continues. A message is sent only once. It is repeated only if no connection was
made, or if the peer refused it without processing it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from ..contract import CallProblem, Peer, clean_text
from ..lineage import EXTENSION, Link
from ..reply import Reply, State, Transcript, parse_event
from ..settings import Settings
from . import faults, wire
from .failure import CallFailed
from .observe import Caller, observed
from .pool import Client, spawn

logger = logging.getLogger("hotpeers_shim")

CANCEL_SECONDS = 5.0
"""The longest wait for the peer to confirm a cancellation."""
CONNECT_RETRY_SECONDS = 5.0
"""How long to retry a connection: kagent Agents are Ready up to 1.3 s before they are reachable."""
BUSY_RETRY_SECONDS = 60.0
"""How long to resend a message that a peer has not accepted; kagent 1.x itself waits for 10 s."""
AFTER_END_SECONDS = 1.0
"""How long to read a stream after its task has ended: some servers never close it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LOOK_SECONDS = 15.0
_MISSES = 5


@dataclass
class Call:
    """One message to one peer on one client.

    `context` is the library's call context (headers), or None. `on_event` is called with the
    transcript after each event of the peer; it must not raise. `cancels` is whether the peer's task
    is cancelled when the call is cancelled. `link` is the orchestrator that calls: it must not make a
    loop or a chain that is too deep, and its lineage is sent to peers with `userHeaders`. `caller` is
    for the trace and the audit log.
    """

    peer: Peer
    client: Client
    settings: Settings
    context: Any = None
    transcript: Transcript = field(default_factory=Transcript)
    on_event: Callable[[Transcript], None] = lambda _: None
    cancels: bool = True
    link: Link | None = None
    caller: Caller = field(default_factory=Caller)

    async def send(self, message: Any) -> Reply:
        """Send the message and wait until the task is over, or waits for input from the caller.

        Raises `CallFailed`.
        """
        self.transcript = Transcript()

        async def converse(native: Any, patience: _Patience) -> None:
            await self._converse(native, message, patience)

        with observed(self, "send") as trace_headers:
            if self.link is not None:
                self._carry(message, self.link)
            self._add_headers(trace_headers)
            return await self._within_limits(converse)

    def _add_headers(self, headers: Mapping[str, str]) -> None:
        """Send these headers with each request of the call."""
        if headers:
            self.context = wire.with_headers(headers, self.context)

    def _carry(self, message: Any, link: Link) -> None:
        """Add the link's lineage to a message. Raises `CallFailed` if the call must not be made."""
        objection = link.objection(self.peer.namespace, self.peer.name)
        if objection is not None:
            text = f"Agent {self.peer.toolName} was not called, and nothing was sent: {objection.text}."
            failure = CallFailed(text, objection.problem, self.transcript.reply())
            failure.unsent = True
            raise failure
        if self.peer.userHeaders:
            lineage = link.passed_on
            wire.add_metadata(message, lineage.metadata(), EXTENSION)
            self._add_headers(lineage.headers())

    async def resume(self, context_id: str, task_id: str) -> Reply:
        """Wait for the end of a task that was begun before, perhaps by another process.

        Sends no message. Raises `CallFailed`.
        """
        self.transcript = Transcript()
        self.transcript.note_ids(task_id, context_id)

        async def follow(native: Any, _: _Patience) -> None:
            await self._look_at_start(native)
            await self._follow(native, None)

        with observed(self, "resume") as trace_headers:
            self._add_headers(trace_headers)
            return await self._within_limits(follow)

    async def _within_limits(self, work: Callable[[Any, _Patience], Awaitable[None]]) -> Reply:
        total = self.peer.timeout or self.settings.call_timeout
        native: Any = None
        try:
            async with asyncio.timeout(total):
                patience = _Patience()
                native = await self._connected(patience)
                await work(native, patience)
        except asyncio.CancelledError:
            if self.cancels:
                self._abandon(native)
            raise
        except TimeoutError as error:
            self._abandon(native)
            problem = CallProblem.TIMED_OUT
            raise self._failed(f"it did not answer within {total:g} s", problem) from error
        except _Silent as error:
            self._abandon(native)
            raise self._failed(str(error), CallProblem.TIMED_OUT) from error
        except CallFailed:
            raise
        except Exception as error:
            self._abandon(native)
            self.client.forget()
            fault = faults.explain(error)
            failure = self._failed(fault.text, fault.problem)
            failure.task_gone = native is not None and _is_task_gone(error)
            refused = fault.problem is CallProblem.REFUSED and not fault.busy
            failure.context_gone = refused and bool(faults.CONTEXT_GONE.search(fault.text))
            raise failure from error
        return self.transcript.reply()

    async def _look_at_start(self, native: Any) -> None:
        """Read the task once, with its earlier events. Raises the error if that is not possible."""
        error = await self._look(native)
        if error is not None and _is_final(error):
            raise error

    async def _connected(self, patience: _Patience) -> Any:
        while True:
            try:
                return await self.client.connected(self.peer, self.settings.max_reply_bytes)
            except Exception as error:  # noqa: BLE001 - raised again unless nothing was sent
                await patience.after(error)

    async def _converse(self, native: Any, message: Any, patience: _Patience) -> None:
        """Send the message, and follow its task until it is over."""
        broke = await self._send(native, message, patience)
        if self.transcript.is_empty:
            raise self._failed("it answered with nothing", CallProblem.ANSWER_INVALID)
        if self.transcript.state is State.WORKING and self.transcript.task_id:
            await self._follow(native, broke)
        elif broke is not None:
            await self._read_whole(native)

    async def _send(self, native: Any, message: Any, patience: _Patience) -> Exception | None:
        """Send the message and read the answer.

        Returns the error that broke the connection if the task is known by then. Raises any other.
        """
        stream = native.streams
        while True:
            try:
                await self._listen(
                    wire.send(native, message, self.context, stream=stream), stream=stream
                )
            except (TimeoutError, _Silent):
                raise
            except Exception as error:
                if self.transcript.is_empty:
                    if stream and _lacks_streams(error):
                        # The card promises streams, but the peer has none. It has done nothing yet.
                        stream = False
                    else:
                        await patience.after(error)
                    continue
                if not self.transcript.task_id or not _is_lost(error):
                    raise
                logger.warning("the stream of %s broke, following its task", self.peer.toolName)
                self.transcript.note_gap()
                return error
            return None

    async def _listen(self, events: AsyncGenerator[Any], *, stream: bool) -> None:
        """Read events until the stream ends or `AFTER_END_SECONDS` after the end of the task.

        Raises `_Silent` if a stream is silent for too long.
        """
        # A peer that does not stream is silent until it is done, so only the whole call is limited.
        idle = self.settings.idle_timeout if stream else None
        async with aclosing(events):
            while True:
                over = self._is_over()
                try:
                    async with asyncio.timeout(AFTER_END_SECONDS if over else idle) as quiet:
                        self._add(await anext(events))
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    if not quiet.expired():
                        raise
                    if over:
                        return
                    raise _Silent(f"it was silent for {idle:g} s") from error

    def _add(self, event: Any) -> None:
        self.transcript.add(parse_event(event))
        self.on_event(self.transcript)

    def _is_over(self) -> bool:
        return self.transcript.state is not State.WORKING

    async def _follow(self, native: Any, broke: Exception | None) -> None:
        """Wait until a running task ends; the caller sets the timeout.

        It subscribes to the task again if the peer streams, or else polls it with growing pauses.
        """
        pause, subscribe, misses = _FIRST_PAUSE, native.streams, 0
        clock = asyncio.get_running_loop().time
        while not self._is_over():
            if subscribe:
                began = clock()
                subscribe = await self._subscribe(native)
                # After a stream that lasted a while, resubscribe at once, even if it breaks often.
                pause = _FIRST_PAUSE if clock() - began > pause else pause
            if not self._is_over():
                error = await self._look(native)
                misses = misses + 1 if error is not None and not _is_lost(error) else 0
                if error is not None and (misses >= _MISSES or _is_final(error)):
                    raise self._lost(broke or error) from error
            if not self._is_over():
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        if self.transcript.has_gap:
            await self._read_whole(native)

    async def _subscribe(self, native: Any) -> bool:
        """Read the events of a task from now on. Returns whether another subscription may help."""
        self.transcript.note_gap()
        try:
            events = wire.subscribe(native, self.transcript.task_id, self.context)
            await self._listen(events, stream=True)
        except (TimeoutError, _Silent):
            raise
        except Exception as error:  # noqa: BLE001 - the task is read instead
            return _is_lost(error)
        return True

    async def _look(self, native: Any) -> Exception | None:
        """Read the current state of the task, which closes a gap. Returns the error, if any."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                found = await wire.get(native, self.transcript.task_id, self.context)
        except Exception as error:  # noqa: BLE001 - its meaning depends on the caller
            return error
        self._add(found)
        self.transcript.note_whole()
        return None

    async def _read_whole(self, native: Any) -> None:
        """Read a finished task, which also has the messages that a lost connection has missed.

        If that fails, the reply stays marked as incomplete.
        """
        for _ in range(_MISSES):
            error = await self._look(native)
            if error is None or not _is_lost(error):
                return
            await asyncio.sleep(_FIRST_PAUSE)

    def _lost(self, error: Exception) -> CallFailed:
        text = f"{faults.explain(error).text}; its task may still go on"
        return self._failed(text, CallProblem.UNREACHABLE)

    def _abandon(self, native: Any) -> None:
        task_id = self.transcript.task_id
        if native is not None and task_id and self.transcript.state is State.WORKING:
            self.client.users += 1  # the lease of the call ends before the cancellation
            spawn(self._cancel(native, task_id))

    async def _cancel(self, native: Any, task_id: str) -> None:
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await wire.cancel(native, task_id, self.context)
        except Exception as error:  # noqa: BLE001 - kagent 0.10 agents reject cancellation
            why = clean_text(str(error), 300)
            logger.info("%s did not cancel its task: %s", self.peer.toolName, why)
        finally:
            await self.client.release()

    def _failed(self, why: str, problem: CallProblem) -> CallFailed:
        message = f"Agent {self.peer.toolName} gave no answer: {why.rstrip('.')}."
        return CallFailed(message, problem, self.transcript.reply())


class _Patience:
    """Retries of one call, with growing pauses, until the connection is made or time is up."""

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()
        self._pause = _FIRST_PAUSE

    async def after(self, error: Exception) -> None:
        """Wait before a retry. Raises `error` if time is up, or the message may have been sent.

        A pause that the peer asks for is kept, also if it is longer than our own. If it would end
        after the time is up, the call fails at once.
        """
        fault = faults.explain(error)
        allowed = BUSY_RETRY_SECONDS if fault.busy else CONNECT_RETRY_SECONDS
        pause = max(self._pause, fault.pause)
        now = asyncio.get_running_loop().time()
        # Without a wish of the peer, the last retry may come a little after the time is up.
        if not fault.unsent or now + fault.pause > self._began + allowed:
            raise error
        await asyncio.sleep(pause)
        self._pause = min(2 * self._pause, 1.0)


class _Silent(Exception):
    """A stream was silent for longer than the idle timeout."""


def _is_lost(error: BaseException) -> bool:
    """Whether the connection failed, and not the peer's answer."""
    timed_out = isinstance(error, TimeoutError)
    return timed_out or faults.explain(error).problem is CallProblem.UNREACHABLE


def _is_task_gone(error: BaseException) -> bool:
    # A2A 0.3 over HTTP+JSON has no error code for this.
    return wire.is_task_gone(error) or bool(faults.TASK_GONE.search(faults.explain(error).text))


def _lacks_streams(error: BaseException) -> bool:
    # Over HTTP+JSON, 404 means that a method, a task or a context is missing.
    fault = faults.explain(error)
    gone = faults.TASK_GONE.search(fault.text) or faults.CONTEXT_GONE.search(fault.text)
    return wire.is_unsupported(error) and not gone and not fault.busy


def _is_final(error: BaseException) -> bool:
    return _is_task_gone(error) or wire.is_unsupported(error)
