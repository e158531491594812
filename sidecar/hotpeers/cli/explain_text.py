"""The pages of reasons: what a word means, who reports it, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hotpeers_shim.contract import AgentProblem, CallProblem, ConfigProblem, Nack, PeerProblem

from ..base.errors import HotpeersError
from ..base.reasons import Word, sentence_of
from ..check.advice import ADVICE
from ..check.reasons import CheckReason
from ..controller.reasons import ControllerReason
from ..hold.reasons import HoldReason
from ..inject.reasons import InjectReason
from ..inject.remedies import REMEDIES
from ..kube.reasons import KubeReason
from ..mcp.reasons import McpReason
from ..model.reasons import ModelReason
from ..overview.reasons import OverviewReason
from ..registry.reasons import RegistryReason
from ..remedies import remedies
from ..sidecar.reasons import SidecarReason
from ..spawnpolicy.reasons import PolicyReason


@dataclass(frozen=True, slots=True)
class Group:
    """Words that one part of hotpeers reports, and where people read them."""

    title: str
    where: str
    words: tuple[Word, ...]


GROUPS = (
    Group("Pods that are not injected, or not completely",
          "the controller reports it in the annotation `hotpeers.dev/skipped` of the pod, as a warning, and "
          "as the Event `NotInjected` on an Agent; `hotpeers inject` prints it",
          tuple(InjectReason)),
    Group("Peers that are not offered, and problems of a sidecar",
          "the sidecar (or the hub) reports it: `hotpeers status`, Events, metrics, log",
          tuple(SidecarReason)),
    Group("Manifests, agent cards and other documents",
          "`hotpeers status` and `hotpeers validate` report it, and the guard for a manifest",
          tuple(ModelReason)),
    Group("Files", "the reader of a file reports it: the shim, or the sidecar",
          tuple(Nack)),
    Group("Requests to the API server",
          "sidecar, controller and hub report it among their problems, and in their logs",
          tuple(KubeReason)),
    Group("Calls of a peer", "the caller reports it: `hotpeers status`, Events, metrics; the model reads it",
          tuple(CallProblem)),
    Group("Agent processes", "the shim reports it in its ack: `hotpeers status`, log of the agent",
          (*AgentProblem, *PeerProblem)),
    Group("The configuration of an agent", "the shim or the bridge reports it: `hotpeers status`",
          tuple(ConfigProblem)),
    Group("Held rollouts", "the controller reports it: the Event `HoldReleased` on the Agent, its metrics",
          tuple(HoldReason)),
    Group("Denials of the guard",
          "the answer to the request has it, the Event `SpawnDenied`, and the status of the policy",
          tuple(PolicyReason)),
    Group("The controller", "the controller reports it: its log, `problems` of its `/status`, its metrics",
          tuple(ControllerReason)),
    Group("Tools of an orchestrator", "a tool of `hotpeers mcp`, the bridge or the hub returns it",
          (*McpReason, *RegistryReason)),
    Group("The state of orchestrators", "`hotpeers status` prints it", tuple(OverviewReason)),
    Group("Findings of `hotpeers check`", "`hotpeers check` prints it", tuple(CheckReason)),
)  # fmt: skip
"""The whole vocabulary."""


def explanation(word: str) -> str:
    """The page of a word, as Markdown. Its links begin with `docs/`. Raises `HotpeersError`."""
    for group in GROUPS:
        for one in group.words:
            if one.value.lower() == word.lower():
                return _page(one, group)
    raise HotpeersError(_unknown(word))


def word_list() -> str:
    """All words with their sentences, by group."""
    lines = []
    for group in GROUPS:
        lines += [f"{group.title}:"]
        lines += [f"  {word.value:<25} {sentence_of(word)}" for word in group.words]
        lines += [""]
    return "\n".join(lines)


def _page(word: Word, group: Group) -> str:
    where = group.where[0].upper() + group.where[1:]
    parts = [f"# {word.value}", sentence_of(word), f"{where}.", "## What to do", *_advice(word)]
    return "\n\n".join(parts) + "\n"


def _advice(word: Word) -> Iterator[str]:
    # Of these words, the program says the first sentence itself.
    if isinstance(word, InjectReason):
        yield REMEDIES[word]
    elif isinstance(word, CheckReason):
        yield ADVICE[word].remedy
    if text := remedies().get(word.value):
        yield text


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    known = {one.value.lower(): one.value for group in GROUPS for one in group.words}
    close = get_close_matches(word.lower(), known, n=3, cutoff=0.6)
    meant = f"; did you mean {' or '.join(known[one] for one in close)}?" if close else ""
    hint = "`hotpeers explain` lists all; the reason of an Event is a word in its message"
    return f"{word[:80]!r} is not a reason{meant} ({hint})"


def for_terminal(page: str) -> str:
    """A page for a terminal: links become the name of the file in the repository."""
    return re.sub(r"\[([^\]]+)\]\((docs/[^)]+)\)", r"\1 (\2)", page)
