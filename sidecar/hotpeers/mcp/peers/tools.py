"""The peer tools: what each does, whatever serves it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

from hotpeers_shim.contract import DEFAULT_DEPTH, Peer
from hotpeers_shim.fleet.description import listed
from hotpeers_shim.fleet.names import shown_name

from ...base.reasons import sentence_of
from ...registry.fault import Fault
from ..reasons import McpReason
from .conversation import MAX_TOKEN, Conversation, Owner, Sealer, peer_digest
from .exchange import Exchange, Outcome
from .exchanges import Exchanges, Report, Request
from .fleet import Fleet, find_peer

WAIT_SECONDS = 25.0
"""How long a call waits for an answer: less than the 30 s after which kagent's clients give up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of a tool's result for the model, and whether it is an error."""

    text: str
    failed: bool = False


class PeerTools:
    """The tools of one orchestrator.

    `wait` is how long a call waits for an answer, in seconds. `max_depth` is the largest number of
    orchestrators in a chain of calls.
    """

    def __init__(
        self,
        fleet: Fleet,
        exchanges: Exchanges,
        sealer: Sealer,
        *,
        wait: float = WAIT_SECONDS,
        max_depth: int = DEFAULT_DEPTH,
    ) -> None:
        self.fleet = fleet
        self.max_depth = max_depth
        self._exchanges = exchanges
        self.sealer = sealer
        """Seals conversations. A new key replaces it."""
        self._wait = wait

    async def ask(
        self, agent: str, conversation: str | None, request: Request, report: Report
    ) -> Answer:
        """`ask_agent`: send a message, and wait for the answer. Raises `Fault`."""
        peer = await find_peer(self.fleet.catalog(), agent)
        before = None
        if conversation:
            before = self.sealer.open(conversation, request.owner)
            _check_peer(before, peer)
        exchange = self._exchanges.send(self.fleet, peer, request, before)
        try:
            outcome = await self._exchanges.wait(exchange, self._wait, report)
        except asyncio.CancelledError:
            self._exchanges.cancel(exchange)
            raise
        return self._answer(exchange, outcome)

    async def answer(
        self, conversation: str, owner: Owner, report: Report, headers: Mapping[str, str]
    ) -> Answer:
        """`get_answer`: wait on for an answer that took longer. Raises `Fault`.

        `headers` identify the user.
        """
        found = self.sealer.open(conversation, owner)
        if not found.exchange:
            raise Fault(
                McpReason.NO_ANSWER_EXPECTED,
                "every message of this conversation has been answered",
                "Use ask_agent to say more.",
            )
        exchange = self._exchanges.find(found, owner)
        if exchange is None:
            exchange = self._resumed(found, owner, headers)
        return self._answer(exchange, await self._exchanges.wait(exchange, self._wait, report))

    async def list(self, query: str, limit: int) -> Answer:
        """`list_agents`: the peers that match, as JSON."""
        catalog = self.fleet.catalog()
        found = await catalog.index.search(query, limit)
        return Answer(json.dumps(listed(found, len(catalog.peers)), ensure_ascii=False))

    def _resumed(self, found: Conversation, owner: Owner, headers: Mapping[str, str]) -> Exchange:
        if not found.running:
            raise Fault(
                McpReason.ANSWER_LOST,
                "hotpeers lost the connection to the agent before it answered",
                "It may have done the work. Ask it what became of the request, before you send the "
                "same again.",
            )
        for peer in self.fleet.catalog().peers.values():
            if peer_digest(peer) == found.peer:
                return self._exchanges.resume(self.fleet, peer, owner, found, headers)
        raise _gone()

    def _answer(self, exchange: Exchange, outcome: Outcome | None) -> Answer:
        conversation = exchange.conversation(outcome)
        token = self.sealer.seal(conversation, exchange.owner)
        name = shown_name(exchange.peer)
        if outcome is None:
            said = exchange.progress()
            text = f"Agent {name} is still working" + (f": {said}" if said else ".")
            return Answer(
                f"{text}\n(Its answer is not here yet. Get it with "
                f'get_answer(conversation="{token}"); do not send the message again.)'
            )
        text = outcome.text
        known = outcome.thread.context_id or outcome.thread.task_id
        if known and len(token) <= MAX_TOKEN:
            text += f'\n\n(To go on with {name}: conversation="{token}")'
        return Answer(text, outcome.failed)


def explained(fault: Fault) -> Answer:
    """A failure, as the text of a result."""
    reason = f"{fault.reason.value}: {fault.message}."
    return Answer(f"{reason} {fault.advice or sentence_of(fault.reason)}".strip(), failed=True)


def _check_peer(conversation: Conversation, peer: Peer) -> None:
    if conversation.peer != peer_digest(peer):
        raise Fault(
            McpReason.CONVERSATION_ELSEWHERE,
            f"this conversation is not with {shown_name(peer)}, or the agent was created anew. "
            "Nothing was sent",
            "Leave the conversation out to begin one with this agent.",
        )


def _gone() -> Fault:
    return Fault(
        McpReason.CONVERSATION_ELSEWHERE,
        "the agent of this conversation was removed, so its answer cannot be had",
        "Go on without it, or use another agent.",
    )
