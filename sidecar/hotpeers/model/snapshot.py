"""The output of a source: a complete list of candidates, and its problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hotpeers_shim.contract import Interface, Skill, fingerprint_of, tool_name

from ..base.problems import Problem
from .audience import Audience

CardKey = tuple[str, str]
"""The key of an agent card: the URL of the peer and its `cardPath`."""


@dataclass(frozen=True)
class Candidate:
    """A possible peer. All of its text is cleaned.

    `card_read` is True if the candidate came as an agent card. Then no card has to be fetched, and
    `interfaces` are the interfaces of that card. `pinned` is whether all addresses in the card are
    assumed to be on the origin of `url`. `gateway` is whether `url` is the address of an Agent at the
    gateway of kagent 1.x; then all addresses in the card mean that gateway. `created` is in seconds
    since the epoch; None if it is unknown. `ready` comes from the status of the object; if it is None,
    readiness depends on the card. `audience` is None if every namespace may refer to the candidate.
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
    gateway: bool = False
    ready: bool | None = None
    audience: Audience | None = None

    # Cached in the candidate, so that one change among a thousand candidates does not hash all again.
    @cached_property
    def tool(self) -> str:
        """The tool name of the peer."""
        return tool_name(self.namespace, self.name)

    @cached_property
    def fingerprint(self) -> str:
        """The identity that an approval of a call to this peer is bound to."""
        return fingerprint_of(
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            url=self.url,
            card_path=self.card_path,
        )

    @cached_property
    def card_key(self) -> CardKey:
        """The key of the agent card that describes it."""
        return (self.url, self.card_path)

    @cached_property
    def order(self) -> tuple[float, str, str, str]:
        """The sort key among candidates whose time of creation is known."""
        return (self.created or 0.0, self.namespace, self.name, self.source)

    @property
    def title(self) -> str:
        """`namespace/name`, or only the name without a namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a source at one moment.

    `complete` is False until the source was read once; such a snapshot removes no peers.
    `unread` has prefixes of the `source` of peers that may exist but could not be read. `unclear` has
    the full `source` of single peers of this sort. `home_labels` are the labels of the orchestrator's
    namespace; None if they are unknown. `seen` is the monotonic time at which the change was noticed.
    """

    candidates: tuple[Candidate, ...] = ()
    problems: tuple[Problem, ...] = ()
    complete: bool = True
    unread: tuple[str, ...] = ()
    unclear: frozenset[str] = frozenset()
    home_labels: Mapping[str, str] | None = None
    seen: float = 0.0
