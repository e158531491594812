"""One call of a peer: bounded in whole and in silence, cancelled with its turn, said in plain words.

Every failure becomes a `CallFailed` that says which peer and why. A cancelled turn cancels the
peer's task and goes on to be cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from ..contract import Peer, clean_text
from ..settings import Settings
from . import wire
from .pool import Client, spawn
from .wire import Reply, State

logger = logging.getLogger("hotpeers_shim")

CANCEL_SECONDS = 5.0
"""Longest time that the peer may take to confirm a cancellation."""
RECOVER_SECONDS = 10.0
"""How long a task whose stream broke is asked for, before the call is given up."""


class CallFailed(Exception):
    """A call of a peer came to no answer; the message says which peer and why, for the model.

    `task_gone` is true where the task that the message continued is unknown to the peer or over.
    """

    def __init__(self, message: str, *, task_gone: bool = False) -> None:
        super().__init__(message)
        self.task_gone = task_gone


@dataclass
class Call:
    """One message to one peer on one client.

    `context` is the library's call context (headers), or None.
    """

    peer: Peer
    client: Client
    settings: Settings
    context: Any = None
    _reply: Reply | None = None

    async def send(self, message: Any) -> Reply:
        """Send the message and wait for the answer; raises `CallFailed`."""
        total = self.peer.timeout or self.settings.call_timeout
        native: Any = None
        try:
            async with asyncio.timeout(total):
                native = await self.client.connected(self.peer)
                return await self._converse(native, message)
        except asyncio.CancelledError:
            self._abandon(native)
            raise
        except TimeoutError as error:
            self._abandon(native)
            raise self._failed(f"it did not answer within {total:g} s") from error
        except _Silent as error:
            self._abandon(native)
            raise self._failed(str(error)) from error
        except CallFailed:
            raise
        except Exception as error:
            self.client.forget()
            raise CallFailed(
                f"Agent {self.peer.toolName} could not be asked: {_why(error)}",
                task_gone=wire.is_task_gone(error),
            ) from error

    async def _converse(self, native: Any, message: Any) -> Reply:
        # A peer that does not stream says nothing until it is done: only the whole is bounded there.
        idle = self.settings.idle_timeout if wire.streams(native) else None
        replies = wire.send(native, message, self.context)
        try:
            while True:
                try:
                    async with asyncio.timeout(idle) as quiet:
                        self._reply = await anext(replies)
                except StopAsyncIteration:
                    break
                except TimeoutError as error:
                    if quiet.expired():
                        raise _Silent(f"it was silent for {idle:g} s") from error
                    raise
        except (_Silent, TimeoutError, asyncio.CancelledError):
            raise
        except Exception as error:
            if self._reply is None or not self._reply.task_id or wire.is_task_gone(error):
                raise
            logger.warning("the stream of %s broke, asking for its task", self.peer.toolName)
            return await self._recover(native, self._reply.task_id, error)
        if self._reply is None:
            raise self._failed("it answered with nothing")
        if self._reply.state is State.WORKING and self._reply.task_id:
            return await self._recover(native, self._reply.task_id, None)
        return self._reply

    async def _recover(self, native: Any, task_id: str, broke: Exception | None) -> Reply:
        """Get the answer of a task whose stream ended before it did."""
        pause = 0.1
        try:
            async with asyncio.timeout(RECOVER_SECONDS):
                while True:
                    try:
                        self._reply = await wire.get(native, task_id, self.context)
                        if self._reply.state is not State.WORKING:
                            return self._reply
                    except Exception as error:  # noqa: BLE001 - asked again until the time is up
                        if wire.is_task_gone(error):
                            break
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 2.0)
        except TimeoutError:
            pass
        why = _why(broke) if broke else "its stream ended before its task did"
        raise self._failed(f"the connection was lost ({why}); its task may still go on") from broke

    def _abandon(self, native: Any) -> None:
        reply = self._reply
        if native is not None and reply and reply.task_id and reply.state is State.WORKING:
            self.client.users += 1  # the lease of the call ends before the cancellation does
            spawn(self._cancel(native, reply.task_id))

    async def _cancel(self, native: Any, task_id: str) -> None:
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await wire.cancel(native, task_id, self.context)
        except Exception as error:  # noqa: BLE001 - kagent 0.10 agents cannot cancel, and say so
            logger.info("%s did not cancel its task: %s", self.peer.toolName, _why(error))
        finally:
            await self.client.release()

    def _failed(self, why: str) -> CallFailed:
        return CallFailed(f"Agent {self.peer.toolName} gave no answer: {why}.")


def question(name: str, text: str) -> str:
    """What the model is told of a peer's open question."""
    return (
        f"Agent {name} needs an answer before it can go on: {text} (Call it again with the answer.)"
    )


class _Silent(Exception):
    """A stream had nothing to say for longer than it may."""


def _why(error: BaseException) -> str:
    text = clean_text(str(error), 500)
    return text or type(error).__name__
