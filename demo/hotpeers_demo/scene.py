"""Helpers of the steps: send a message, and check its effects."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from hotpeers_demo.conversation import Conversation, Turn
from hotpeers_demo.outcome import StepError
from hotpeers_demo.processes import WaitedTooLongError
from hotpeers_demo.stage import Stage
from hotpeers_shim.contract import Ack, AckState, PeerFile

SOON = 10.0


@dataclass
class Said:
    """A turn and its model requests."""

    turn: Turn
    offered: list[list[str]]
    """The peers that each request offered, in order."""


@dataclass
class Scene:
    """The stage, its conversation, and the facts of the current step."""

    stage: Stage
    talk: Conversation
    tell: Callable[[str], None]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def scripted(self) -> bool:
        """Whether the model is scripted, so that its words can be checked."""
        return self.stage.cast.model is None

    @property
    def patience(self) -> float:
        """The time limit of a turn in seconds, on an ordinary machine; a real model needs more."""
        return 30.0 if self.scripted else 180.0

    async def say(self, text: str, talk: Conversation | None = None) -> Said:
        """Send a message and return the turn. Raises `StepError` if it does not complete."""
        before = await self.count()
        self.tell(f"user: {text}")
        turn = await self.turn(text, talk or self.talk)
        self.tell(f"orchestrator: {turn.text}")
        offered = await self.offered(before, text)
        expect(turn.completed, "the turn to complete", f"{turn.state}: {turn.text}")
        expect(bool(offered), "a model request of this turn", "none")
        self.facts["offered"] = offered[-1]
        return Said(turn, offered)

    async def turn(self, text: str, talk: Conversation) -> Turn:
        """Send a message and wait for the end of the turn. Raises `StepError`."""
        try:
            return await self.stage.pace.within(
                f"the turn “{text}” to end", talk.say(text, None), self.patience
            )
        except WaitedTooLongError as error:
            raise StepError(*str(error).rsplit(": ", 1)) from None

    @asynccontextmanager
    async def saying(self, text: str, agent: str) -> AsyncIterator["asyncio.Task[Said]"]:
        """Hold a turn open while `agent` works on its call; it answers when the body has ended."""
        asked = len(await self.stage.heard(agent))
        await self.stage.hold(agent)
        turn = asyncio.create_task(self.say(text), name=f"turn: {text}")

        async def called() -> bool | None:
            if len(await self.stage.heard(agent)) > asked:
                return True
            if turn.done():
                said = turn.result()
                raise StepError(f"the turn to ask {agent}", f"“{said.turn.text}”")
            return None

        try:
            await self.stage.pace.until(f"{agent} to be asked", called, self.patience)
            self.tell(f"{agent} has the question, and works on it")
            yield turn
            await self.stage.release(agent)
            await turn
        finally:
            await self.stage.release(agent)
            if not turn.done():
                turn.cancel()
                with suppress(asyncio.CancelledError, StepError):
                    await turn

    async def count(self) -> int:
        """Return the number of requests to the model."""
        entries = await self.stage.requests()
        return int(entries[-1]["number"]) if entries else 0

    async def offered(self, after: int, text: str) -> list[list[str]]:
        """Return the peers that each model request of a turn offered."""
        return [
            self.peers(entry) for entry in await self.stage.requests(after) if entry["user"] == text
        ]

    def peers(self, entry: dict[str, Any]) -> list[str]:
        """Return the peers among the tools of one model request."""
        prefix = self.stage.tool("")
        return [name for name in entry["tools"] if name.startswith(prefix)]

    async def projection(self, what: str, fits: Callable[[PeerFile], bool]) -> PeerFile:
        """Wait until `fits` accepts the peer file. `what` describes it in the error."""

        async def probe() -> PeerFile | None:
            self.stage.sidecar.check()
            now = self.stage.projected()
            return now if now is not None and fits(now) else None

        projected = await self.stage.pace.until(f"the peer file {what}", probe, SOON)
        self.tell(
            f"peers.json: generation {projected.generation}, {names(projected) or 'no peers'}"
        )
        self.facts["generation"] = projected.generation
        return projected

    async def acked(self, state: AckState, generation: int) -> Ack:
        """Wait for an ack of this state with this generation or a later one."""

        async def probe() -> Ack | None:
            ack = self.stage.ack()
            if ack is None or ack.state != state or (ack.generation or 0) < generation:
                return None
            return ack

        ack = await self.stage.pace.until(
            f"the ack “{state}” of generation {generation}", probe, SOON
        )
        self.tell(f"orchestrator's ack: {ack.state}, generation {ack.generation} {ack.reason}")
        return ack

    def expect_said(self, said: Said, words: str) -> None:
        """Check the orchestrator's words, if the model is scripted."""
        if self.scripted:
            found = words.lower() in said.turn.text.lower()
            expect(found, f"an answer with “{words}”", f"“{said.turn.text}”")

    async def expect_heard(self, agent: str, more_than: int) -> list[dict[str, Any]]:
        """Check that an agent was asked again: exactly once if the model is scripted."""
        heard = await self.stage.heard(agent)
        if self.scripted:
            expect(
                len(heard) == more_than + 1,
                f"{agent} to be asked once more",
                f"{len(heard) - more_than} times",
            )
        else:
            expect(len(heard) > more_than, f"{agent} to be asked", "it was not")
        return heard


def expect(holds: bool, expected: str, seen: object) -> None:
    """Fail the step unless the condition holds."""
    if not holds:
        raise StepError(expected, str(seen))


def names(projected: PeerFile) -> str:
    """List the peers of a file."""
    return ", ".join(peer.name for peer in projected.peers)
