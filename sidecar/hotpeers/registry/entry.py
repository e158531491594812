"""Views of agentregistry's entries (`ar.dev/v1alpha1`): only the used fields, with cleaned texts.

Written for its API as of v0.4.0-11-g84f7a5e9. Field names are those of its JSON.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, StrictStr

from hotpeers_shim.contract import clean_text

from ..base.view import MalformedError, View, read_view
from .fault import Fault
from .reasons import RegistryReason
from .text import clean_block

MAX_TITLE = 200
MAX_DESCRIPTION = 1000
MAX_CONTENT = 64 * 1024
"""Longest accepted prompt, in characters. A longer one is rejected, not truncated."""
NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"
TAG = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
_MAX_REFS = 64


def _checked(pattern: str, limit: int) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > limit or not compiled.fullmatch(text):
            raise ValueError(f"{clean_text(text, 60)!r} is not a name")
        return text

    return AfterValidator(check)


def _line(limit: int) -> AfterValidator:
    return AfterValidator(lambda text: clean_text(text, limit))


def _content(text: str) -> str:
    if len(text) > MAX_CONTENT:
        raise ValueError(f"{len(text)} characters; the limit is {MAX_CONTENT}")
    return clean_block(text, MAX_CONTENT)


Name = Annotated[StrictStr, _checked(NAME, 253)]
Tag = Annotated[StrictStr, _checked(rf"(?:{TAG})|", 128)]
Namespace = Annotated[StrictStr, _checked(r"([a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?)?", 63)]
Line = Annotated[StrictStr, _line(MAX_TITLE)]
Description = Annotated[StrictStr, _line(MAX_DESCRIPTION)]


class Meta(View):
    """`metadata` of any entry. The registry omits the namespace `default`."""

    name: Name
    namespace: Namespace = ""
    tag: Tag = ""
    updatedAt: Line = ""


class Ref(View):
    """A reference to another entry."""

    kind: Line = ""
    name: Name
    namespace: Namespace = ""
    tag: Tag = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.tag}" if self.tag else self.name


Refs = Annotated[tuple[Ref, ...], Field(max_length=_MAX_REFS)]


class Repository(View):
    """The location of source code."""

    url: Line = ""
    branch: Line = ""
    commit: Line = ""
    subfolder: Line = ""


class AgentSource(View):
    """`spec.source` of an Agent."""

    image: Annotated[StrictStr, _line(500)] = ""
    repository: Repository | None = None
    protocol: Line = ""


class Harness(View):
    """A coding harness that an Agent can run under."""

    type: Line


Harnesses = Annotated[tuple[Harness, ...], Field(max_length=_MAX_REFS)]


class AgentSpec(View):
    """`spec` of an Agent."""

    title: Line = ""
    description: Description = ""
    modelProvider: Line = ""
    modelName: Line = ""
    source: AgentSource | None = None
    compatibleHarnesses: Harnesses = ()
    plugins: Refs = ()
    skills: Refs = ()
    instructions: Ref | None = None
    mcpServers: Refs = ()


class Agent(View):
    """An Agent of the registry."""

    metadata: Meta
    spec: AgentSpec

    def __str__(self) -> str:
        return f"{self.metadata.name}@{self.metadata.tag or 'latest'}"


class PromptSpec(View):
    """`spec` of a Prompt."""

    description: Description = ""
    content: Annotated[StrictStr, AfterValidator(_content)] = ""


class Prompt(View):
    """A Prompt of the registry."""

    metadata: Meta
    spec: PromptSpec


class McpRemote(View):
    """A running server. Its headers are not read, because they may contain secrets."""

    type: Line = ""
    url: Annotated[StrictStr, _line(2000)] = ""


class McpServerSpec(View):
    """`spec` of an MCPServer."""

    title: Line = ""
    description: Description = ""
    remote: McpRemote | None = None


class McpServer(View):
    """An MCPServer of the registry."""

    metadata: Meta
    spec: McpServerSpec


_V = TypeVar("_V", bound=View)


def read_entry(kind: type[_V], data: Any, what: str) -> _V:
    """The view of an entry. Raises `Fault` if the entry is not valid."""
    try:
        return read_view(kind, data)
    except MalformedError as error:
        _, field, message = error.findings[0]
        raise Fault(
            RegistryReason.REGISTRY_ANSWER_BAD,
            f"{what}: {field}: {message}",
            "Choose another entry.",
        ) from error
