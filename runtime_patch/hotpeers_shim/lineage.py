"""The lineage of a call: the chain of orchestrators that led to it.

An orchestrator sends its lineage with each call of a peer. A peer that is an orchestrator too passes
it on, so that calls in a loop and chains that are too deep are refused before anything is sent. The
lineage is a guard against accidents: a caller may leave it out (docs/decisions/lineage.md).

It is sent as metadata of the A2A message, under a key of an extension (A2A specification, section
"Extensions"), and as a header, since kagent's Go runtime shows only headers to an MCP server.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .contract import DEFAULT_DEPTH, MAX_DEPTH, CallProblem

logger = logging.getLogger("hotpeers_shim")

EXTENSION = "https://hotpeers.dev/ext/lineage/v1"
"""The URI of the extension. It is listed in the `extensions` of a message."""
METADATA_KEY = f"{EXTENSION}/chain"
"""The key in the metadata of a message. The value is the list of names, the first caller first."""
HEADER = "x-hotpeers-lineage"
"""The header, in HTTP and gRPC. The value is the names, separated by commas."""
UNNAMED = "-"
"""Stands in a chain for an orchestrator that does not know its own name."""
MAX_NAME = 63 + 1 + 253
"""The longest name, in characters: a namespace, a slash and a name."""
MAX_HEADER = 4096
"""The longest header that is sent, in characters: many servers refuse a request with a longer one."""
_MAX_READ = MAX_DEPTH * (MAX_NAME + 1)
_SHOWN = 6

# A model reads the names in a refusal, so they have no spaces and no other scripts.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")


class MalformedLineage(ValueError):
    """A value is no lineage. The message says why, without the value."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """The names of the orchestrators that led to a request, the first caller first.

    A name is `namespace/name`, or `name` outside of a cluster, or `UNNAMED`. There are at most
    `MAX_DEPTH` names.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: object) -> Lineage:
        """Read a value of metadata: a list of names, or one string as in the header.

        Raises `MalformedLineage`.
        """
        if isinstance(value, str):
            return cls.parse_header(value)
        if not isinstance(value, list | tuple):
            raise MalformedLineage(f"it is of the type {type(value).__name__}")
        return cls(tuple(map(_checked, value[-MAX_DEPTH:])))

    @classmethod
    def parse_header(cls, text: str) -> Lineage:
        """Read a value of the header. Raises `MalformedLineage`."""
        if len(text) > _MAX_READ:
            raise MalformedLineage(f"it has {len(text)} characters, of at most {_MAX_READ}")
        names = [name for one in text.split(",") if (name := one.strip(" \t"))]
        return cls(tuple(map(_checked, names[-MAX_DEPTH:])))

    def then(self, name: str) -> Lineage:
        """The lineage of the calls that an orchestrator makes. An invalid name becomes `UNNAMED`."""
        known = name if _is_name(name) else UNNAMED
        return Lineage((*self.names, known)[-MAX_DEPTH:])

    def metadata(self) -> dict[str, list[str]]:
        """What to add to the metadata of a message."""
        return {METADATA_KEY: list(self.names)}

    def headers(self) -> dict[str, str]:
        """The header; empty if it would be longer than `MAX_HEADER`."""
        text = ",".join(self.names)
        return {HEADER: text} if len(text) <= MAX_HEADER else {}

    def __str__(self) -> str:
        """The chain for people and models, of bounded length."""
        names: Iterable[str] = self.names
        if len(self.names) > _SHOWN:
            more = len(self.names) - _SHOWN
            names = (*self.names[:2], f"({more} more)", *self.names[2 - _SHOWN :])
        return " -> ".join("an agent without a name" if one == UNNAMED else one for one in names)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a call must not be made: the reason, and a sentence for the model."""

    problem: CallProblem
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a chain: an orchestrator that works on a request.

    `name` is `namespace/name`, "" if it is unknown. `lineage` led to the request. `max_depth` is the
    largest number of orchestrators in a chain, including this one.
    """

    name: str = ""
    lineage: Lineage = Lineage()
    max_depth: int = DEFAULT_DEPTH

    @property
    def passed_on(self) -> Lineage:
        """The lineage that this orchestrator sends with a call."""
        return self.lineage.then(self.name)

    def objection(self, namespace: str, name: str) -> Objection | None:
        """Why this orchestrator must not call the peer with this namespace and name, or None."""
        peer = f"{namespace}/{name}" if namespace else name
        chain = self.lineage.names
        if self.name in chain and self.name != UNNAMED:
            text = (
                f"this agent was called in a loop: {self.lineage} -> {self.name}. Do the work"
                " yourself, without other agents, or say that it cannot be done"
            )
            return Objection(CallProblem.LOOP, text)
        if peer == self.name or peer in chain:
            text = (
                f"it would be a loop, because it is waiting for this answer itself: "
                f"{self.passed_on} -> {peer}. Do the work yourself, or use another agent"
            )
            return Objection(CallProblem.LOOP, text)
        depth = len(chain) + 1
        if depth > self.max_depth:
            text = (
                f"the chain of calls is too deep: {self.passed_on} -> {peer}. At most"
                f" {self.max_depth} agents in a row may call others. Do the work yourself, without"
                " other agents"
            )
            return Objection(CallProblem.TOO_DEEP, text)
        return None


_ignored = 0


def read_lineage(metadata: Iterable[object] = (), header: str | None = None) -> Lineage:
    """The lineage of a request, from the values of its metadata, or else from its header.

    The first value that is a lineage counts. Malformed values are logged and ignored. Without any,
    the lineage is empty: the request begins a chain. Never raises.
    """
    for value in metadata:
        if (found := _tried(Lineage.parse, value)) is not None:
            return found
    if header is not None and (found := _tried(Lineage.parse_header, header)) is not None:
        return found
    return Lineage()


def header_of(headers: Mapping[str, str]) -> str | None:
    """The header with the lineage among headers of any case, or None."""
    for name, value in headers.items():
        if name.lower() == HEADER:
            return value
    return None


def _tried(parse: Callable[..., Lineage], value: object) -> Lineage | None:
    global _ignored  # noqa: PLW0603 - a count of the process
    try:
        return parse(value)
    except MalformedLineage as error:
        _ignored += 1
        # Log the 1st, 2nd, 4th, 8th and so on: callers must not be able to fill the log.
        if _ignored & (_ignored - 1) == 0:
            logger.warning("malformed lineage ignored (%d so far): %s", _ignored, error)
        return None


def _checked(name: object) -> str:
    if not isinstance(name, str):
        raise MalformedLineage(f"a name in it is of the type {type(name).__name__}")
    if name != UNNAMED and not _is_name(name):
        raise MalformedLineage("a name in it is too long or has characters that are not allowed")
    return name


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None
