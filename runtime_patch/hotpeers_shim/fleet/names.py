"""The names by which a model refers to peers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from heapq import nlargest

from ..contract import Peer, clean_text, tool_name

MAX_SAID = 512
"""The longest name that is looked up, in characters."""
_MAX_NAMED = 20
# `difflib` compares the name with this many others at most: with 10,000 it takes seconds.
_MAX_COMPARED = 64


class NameProblem(StrEnum):
    """Why a name refers to no peer. `hotpeers mcp` has the same words."""

    UNKNOWN = "AgentUnknown"
    AMBIGUOUS = "AgentAmbiguous"


class NameFault(LookupError):
    """A name that refers to no peer, or to more than one. `advice` is text for a model."""

    def __init__(self, problem: NameProblem, message: str, advice: str) -> None:
        super().__init__(message)
        self.problem = problem
        self.message = message
        self.advice = advice


def shown_name(peer: Peer) -> str:
    """The name by which a model calls a peer: `namespace/name`, or `name` without a namespace."""
    return f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name


def said_name(text: str) -> str:
    """The name in what a model says: visible text in one line, without quotes around it."""
    return clean_text(text, MAX_SAID).strip("\"'` ")


def exact_peer(peers: Mapping[str, Peer], said: str) -> Peer | None:
    """The peer with exactly this tool name or shown name, by its tool name in `peers`.

    It needs no index. None: `Names.find` may still find one.
    """
    found = peers.get(said)
    if found is not None:
        return found
    namespace, slash, name = said.partition("/")
    found = peers.get(tool_name(namespace, name) if slash else tool_name("", said))
    return found if found is not None and shown_name(found) == said else None


class Names:
    """The names of the peers of one list, in tables: any number of peers costs the same."""

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._exact: defaultdict[str, list[Peer]] = defaultdict(list)
        self._folded: defaultdict[str, list[Peer]] = defaultdict(list)
        self._alone: defaultdict[str, list[Peer]] = defaultdict(list)
        for peer in peers.values():
            shown = shown_name(peer)
            self._exact[shown].append(peer)
            for name in {shown.casefold(), peer.toolName.casefold()}:
                self._folded[name].append(peer)
            self._alone[peer.name.casefold()].append(peer)

    def called(self, said: str) -> list[Peer]:
        """All peers that this name may mean, with any case, with or without the namespace."""
        folded = said_name(said).casefold()
        found = (*self._folded.get(folded, ()), *self._alone.get(folded, ()))
        return list({peer.toolName: peer for peer in found}.values())

    def find(self, said: str, gone: Collection[str]) -> Peer:
        """The peer that a model means.

        `gone` are the tool names of removed peers. The shown name is accepted, the tool name, and
        the name alone if only one peer has it. Case and surrounding quotes are ignored. Raises
        `NameFault`, with the names that come close, if no peer or more than one matches.
        """
        said = said_name(said)
        found = self._peers.get(said)
        if found is not None:
            return found
        folded = said.casefold()
        for same in (self._exact.get(said), self._folded.get(folded), self._alone.get(folded)):
            if same and len(same) == 1:
                return same[0]
            if same:
                raise NameFault(
                    NameProblem.AMBIGUOUS,
                    f"{said!r} may be any of: {_some(sorted(map(shown_name, same)))}",
                    "Nothing was sent. Ask again with one of these names.",
                )
        raise self._unknown(said, gone)

    def _unknown(self, said: str, gone: Collection[str]) -> NameFault:
        namespace, slash, name = said.partition("/")
        removed = said in gone or tool_name(*((namespace, name) if slash else ("", said))) in gone
        message = (
            f"there is no agent {said!r}.{' It was removed.' if removed else ''} Nothing was sent"
        )
        if not self._peers:
            return NameFault(
                NameProblem.UNKNOWN,
                f"{message}; there are no agents to ask now",
                "Go on without it. Agents may appear later: list_agents shows them.",
            )
        listed = dict.fromkeys([*self._alike(said), *sorted(self._exact)])
        return NameFault(
            NameProblem.UNKNOWN,
            f"{message}; there are: {_some(listed)}",
            "Use one of these names, or find an agent with list_agents.",
        )

    def _alike(self, said: str) -> list[str]:
        from difflib import get_close_matches  # noqa: PLC0415 - few processes ever need it

        near = _sharing_most(self._exact, said)
        names = {shown: self._exact[shown][0].name for shown in near}
        alike = get_close_matches(said, near, n=_MAX_NAMED, cutoff=0.5)
        return alike + [shown for shown in near if get_close_matches(said, [names[shown]])]


def _sharing_most(names: Iterable[str], said: str) -> list[str]:
    """The names that share the most pairs of characters with `said`."""
    wanted = _pairs(said.casefold())
    return nlargest(_MAX_COMPARED, names, key=lambda name: len(wanted & _pairs(name.casefold())))


def _pairs(text: str) -> set[str]:
    return {text[at : at + 2] for at in range(len(text) - 1)}


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MAX_NAMED} more" if len(every) > _MAX_NAMED else ""
    return ", ".join(every[:_MAX_NAMED]) + more
