"""S, the part of kagent's config-hash that is computed from the `status.secretHash` of other objects.

The objects and their order follow `translateInlineAgent` of
go/core/internal/controller/translator/agent/compiler.go (0.10.0-rc3): the model, the models of the
summarizer and of the memory if they differ from it, then each RemoteMCPServer of the tools. 0.7 to 0.9
have fewer of these fields, so they are missing from the Agent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..base.names import NAME
from ..base.parts import Json, items, part, text
from ..model.audience import Audience, selector_of
from ..model.selector import Selector

_MAX_OBJECTS = 200
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){0,128}")
"""Valid names of objects and namespaces. They are checked because they become part of a URL path."""
MODELS, SERVERS = "modelconfigs", "remotemcpservers"


class SecretsError(Exception):
    """S cannot be computed. The message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object of kagent.dev/v1alpha2 whose `status.secretHash` is a part of S."""

    plural: str
    namespace: str
    name: str


def sources_of(agent: Json) -> tuple[Source, ...]:
    """The sources of an Agent (v1alpha2), in their order in S.

    Raises `SecretsError` if there are too many, or if one is not a valid object name.
    """
    namespace = text(agent, "metadata", "namespace")
    spec = part(agent, "spec")
    if spec.get("type") != "Declarative":
        return ()
    declarative = part(spec, "declarative")
    main = text(declarative, "modelConfig")
    names = [main]
    summarizer = text(declarative, "context", "compaction", "summarizer", "modelConfig")
    if summarizer not in ("", main):
        names.append(summarizer)
    memory = text(declarative, "memory", "modelConfig")
    if part(declarative, "memory") and memory != main:
        names.append(memory)
    found = [Source(MODELS, namespace, name) for name in names]
    for tool in items(declarative, "tools"):
        server = part(tool, "mcpServer")
        remote = text(server, "kind") == "RemoteMCPServer"
        if remote and text(server, "apiGroup") in ("", "kagent.dev"):
            place = text(server, "namespace") or namespace
            found.append(Source(SERVERS, place, text(server, "name")))
    if len(found) > _MAX_OBJECTS:
        raise SecretsError(f"the Agent names {len(found)} models and servers")
    for one in found:
        if not (NAME.fullmatch(one.namespace) and NAME.fullmatch(one.name)):
            # A name such as `../../other/remotemcpservers/x` would bypass the check of `audience_of`.
            raise SecretsError(
                f"the Agent names {one.name[:100]!r} of {one.plural}, which is no name"
            )
    return tuple(found)


def secrets_of(hashes: list[tuple[Source, str]]) -> str:
    """S in hexadecimal, from the `status.secretHash` of each source in order.

    Raises `SecretsError` for an invalid hash of a model, since kagent rejects the Agent. kagent skips
    an invalid hash of a server.
    """
    parts = []
    for source, written in hashes:
        if _HEX.fullmatch(written):
            parts.append(bytes.fromhex(written))
        elif source.plural == MODELS:
            where = f"{source.namespace}/{source.name}"
            raise SecretsError(f"ModelConfig {where}: its secretHash is not hex")
    return b"".join(parts).hex()


def audience_of(server: Json) -> Audience:
    """The namespaces that may refer to a RemoteMCPServer. Raises `SecretsError` if this is unclear.

    See `AllowsNamespace` of go/api/v1alpha2/common_types.go. kagent checks it before it translates an
    Agent. So the secretHash of a server that does not allow the Agent's namespace is not in the hash.
    """
    allowed = part(server, "spec", "allowedNamespaces")
    match text(allowed, "from"):
        case "All":
            return Audience(everyone=True)
        case "" | "Same":
            return Audience()
        case "Selector":
            return Audience(selector=_selector(part(allowed, "selector")))
    raise SecretsError("allowedNamespaces of a RemoteMCPServer is not understood")


def _selector(selector: Json) -> Selector:
    labels = {str(key): str(value) for key, value in part(selector, "matchLabels").items()}
    expressions = [
        (text(one, "key"), text(one, "operator"), tuple(map(str, items(one, "values"))))
        for one in items(selector, "matchExpressions")
    ]
    try:
        return selector_of(labels, expressions)
    except ValueError as error:
        raise SecretsError("allowedNamespaces of a RemoteMCPServer is not understood") from error
