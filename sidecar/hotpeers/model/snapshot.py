"""What a source yields: a complete list of candidates, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hotpeers_shim.contract import Interface, Skill, fingerprint_of, tool_name

from ..base.problems import Problem
from .audience import Audience

CardKey = tuple[str, str]
"""Which card: the URL of the peer and its `cardPath`."""


@dataclass(frozen=True)
class Candidate:
    """Something that may become a peer. All of its text is clean.

    `card_read` says that it came as an agent card: nothing needs to be fetched to describe it, and
    `interfaces` are those of that card. `pinned` is whether its card's addresses are all taken to be
    on the origin of `url`.
    `created` is in seconds since the epoch, None where nobody says. `ready` is what its own status
    says, None where it has none: its card tells. `audience` is None where anyone may refer to it.
    """

    kind: str
    name: str
    source: str
    namespace: str = ""
    uid: str = ""
    url: str = ""
    card_path: str = ""
    description: str = ""
    skills: tuple[Skill, ...] = ()
    timeout: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created: float | None = None
    card_read: bool = False
    interfaces: tuple[Interface, ...] = ()
    pinned: bool = False
    ready: bool | None = None
    audience: Audience | None = None

    # Kept with the candidate: a change of one of a thousand must not hash them all again.
    @cached_property
    def tool(self) -> str:
        """The name of its tool."""
        return tool_name(self.namespace, self.name)

    @cached_property
    def fingerprint(self) -> str:
        """What an approval of a call to it is bound to."""
        return fingerprint_of(
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            url=self.url,
            card_path=self.card_path,
        )

    @cached_property
    def card_key(self) -> CardKey:
        """Which agent card describes it."""
        return (self.url, self.card_path)

    @cached_property
    def order(self) -> tuple[float, str, str, str]:
        """Where it stands among those whose time of creation is known."""
        return (self.created or 0.0, self.namespace, self.name, self.source)

    @property
    def title(self) -> str:
        """`namespace/name`, or the name where there is no namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a source holds at one moment.

    `complete` is False where the source could not be read at all: such a snapshot removes nothing.
    `unread` holds the beginnings of the `source` of peers that may exist, but could not be read, and
    `unclear` the whole `source` of single ones. `home_labels` are those of the namespace of the
    orchestrator, None where they are not known. `seen` is the monotonic time at which the change
    behind it was noticed.
    """

    candidates: tuple[Candidate, ...] = ()
    problems: tuple[Problem, ...] = ()
    complete: bool = True
    unread: tuple[str, ...] = ()
    unclear: frozenset[str] = frozenset()
    home_labels: Mapping[str, str] | None = None
    seen: float = 0.0
