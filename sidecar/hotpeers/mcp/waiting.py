"""Waits until an agent is ready and offered, until kagent rejects it, or until a timeout."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import get_close_matches

from ..registry.fault import Fault
from .agents import Agents, Seen
from .offered import Offer, OfferReader
from .results import WaitResult

_LOOK_SECONDS = 0.25
_MAX_NAMED = 20
# kagent reports "not accepted" for any error. It retries a write conflict within milliseconds, so only a
# longer state is final.
_SURE_SECONDS = 1.0
_MEND = (
    "Waiting does not help: apply a manifest that is mended, or delete the agent and tell the user."
)


@dataclass
class Refusal:
    """Tracks whether kagent rejects an agent permanently. Update it at each check."""

    since: float | None = None

    def is_sure(self, seen: Seen | None, now: float) -> bool:
        """Whether the agent has been rejected for a second. `now` is a clock's time in seconds."""
        if seen is None or not seen.refused:
            self.since = None
            return False
        self.since = now if self.since is None else self.since
        return now - self.since >= _SURE_SECONDS


async def wait_for(
    agents: Agents, offers: OfferReader | None, namespace: str, name: str, seconds: float
) -> WaitResult:
    """Wait until an agent is ready and, if `offers` is given, offered. Raises `Fault`.

    Ends at once if the agent does not exist: the caller has applied it before the call.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    refusal = Refusal()
    while True:
        seen = await agents.read(namespace, name)
        offer = Offer()
        if seen is not None and offers is not None:
            offer = await asyncio.to_thread(offers.read, seen.uid)
        now = loop.time()
        done = seen is not None and seen.ready and (offer.offered or offers is None)
        over = now - start + _LOOK_SECONDS > seconds
        if seen is None or done or over or refusal.is_sure(seen, now):
            message, advice = _told(seen, offer if offers else None, done=done)
            if seen is None:
                message = await _missing(agents, namespace, name)
            return WaitResult(
                name=name,
                namespace=namespace,
                done=done,
                exists=seen is not None,
                ready=seen is not None and seen.ready,
                offered=offer.offered if offers else None,
                tool_name=offer.tool_name if offers else "",
                seconds=round(now - start, 1),
                message=message,
                advice=advice,
            )
        await asyncio.sleep(_LOOK_SECONDS)


async def _missing(agents: Agents, namespace: str, name: str) -> str:
    message = f"there is no Agent {namespace}/{name}"
    try:
        names = await agents.names(namespace)
    except Fault:
        return message  # some orchestrators have no right to list agents
    if not names:
        return f"{message}, nor any other in that namespace"
    # List similar names first, because the name is probably misspelt.
    alike = get_close_matches(name, names, n=_MAX_NAMED, cutoff=0.6)
    listed = list(dict.fromkeys([*alike, *names]))
    more = f" and {len(listed) - _MAX_NAMED} more" if len(listed) > _MAX_NAMED else ""
    return f"{message}; there are: {', '.join(listed[:_MAX_NAMED])}{more}"


def _told(seen: Seen | None, offer: Offer | None, *, done: bool) -> tuple[str, str]:
    """The progress of the agent as text, and advice about the next step."""
    if seen is None:
        return "there is no such Agent", "Check name and namespace, or apply its manifest first."
    if done and offer:
        return "it is ready and offered to you", "Call it by tool_name."
    if done:
        return "it is ready", "It becomes one of your tools within seconds."
    if seen.refused:
        return f"kagent does not accept it: {seen.why}", _MEND
    if not seen.ready:
        return (
            f"it is not ready yet: {seen.message or 'nothing is said of it'}",
            "An agent takes about 20 seconds to start. Call wait_for_agent again.",
        )
    state = "not live in every process yet" if offer and offer.listed else "not listed yet"
    return (
        f"it is ready, and {state}",
        "Call wait_for_agent again; if it stays so, its label hotpeers.dev/peer may be missing.",
    )
