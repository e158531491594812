"""Agents of kagent 1.x as candidates. They have no Service: kagent's controller is their gateway.

The forms are those of `api.kagent.dev/v1alpha3` in kagent 1.0. Only the fields that are read have a
view; an API server also drops fields that its definition of the resource does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import StrictStr

from hotpeers_shim.contract import MAX_URL, Nack, clean_text

from ..base.errors import SettingsError
from ..base.origin import UrlError, check_peer_url
from ..base.settings import EVERY_NAMESPACE, NAMESPACE
from ..base.view import MalformedError, View, read_view
from .audience import Audience
from .candidate import annotated_url, is_pinned
from .cluster import AgentStatus, is_ready
from .identity import identity_of
from .resource import Metadata
from .snapshot import Candidate

DEFAULT_GATEWAY = "http://kagent-controller.kagent:8083"
"""The controller of kagent's chart, in the namespace that kagent's documentation uses."""
GATEWAY_AGENT = "Agent.api.kagent.dev"
"""The kind in sources and reports: it has its group, because `kagent.dev` has a kind `Agent` too."""
ALLOWED_NAMESPACES = "hotpeers.dev/allowed-namespaces"
"""The annotation of an Agent with the further namespaces that may use it; `*` for all."""
_PATH = "/agents"


class Inline(View):
    """An AgentTemplate that is written in the Agent."""

    description: StrictStr | None = None


class Template(Inline):
    """`spec.template`: the fields of a template, or `inline` with these fields, or `ref`."""

    inline: Inline | None = None


class GatewayAgentSpec(View):
    """The `spec` of an Agent. Only a template that is written in it has a description here."""

    template: Template | None = None


class GatewayAgent(View):
    """`api.kagent.dev/v1alpha3`, kind `Agent`."""

    metadata: Metadata
    spec: GatewayAgentSpec | None = None
    status: AgentStatus | None = None


def check_gateway(url: str) -> str:
    """The URL of a gateway, without a slash at its end. Raises `UrlError` if it is invalid."""
    if len(url) > MAX_URL // 2:
        raise UrlError(f"{len(url)} characters; the limit is {MAX_URL // 2}")
    return check_peer_url(url).rstrip("/")


def parse_gateway(text: str) -> str:
    """The value of the setting --kagent-gateway; "" means the default. Raises `SettingsError`."""
    try:
        return check_gateway(text or DEFAULT_GATEWAY)
    except UrlError as error:
        flag = "--kagent-gateway (HOTPEERS_KAGENT_GATEWAY)"
        raise SettingsError(f"{flag}: {str(error)[:200]}") from error


def gateway_url(gateway: str, namespace: str, name: str) -> str:
    """The URL of an Agent at its gateway."""
    return f"{gateway}{_PATH}/{namespace}/{name}"


def gateway_reader(gateway: str) -> Callable[[Any], Candidate]:
    """A function that reads Agents behind this gateway. It raises `MalformedError`."""

    def read(data: Any) -> Candidate:
        agent = read_view(GatewayAgent, data)
        metadata = agent.metadata
        template = agent.spec.template if agent.spec is not None else None
        moved = annotated_url(metadata.annotations)
        inline = template.inline if template is not None else None
        texts = [part.description or "" for part in (inline, template) if part is not None]
        candidate = Candidate(
            **identity_of(metadata, GATEWAY_AGENT, ""),
            url=moved,
            description=clean_text(next(filter(None, texts), "")),
            pinned=is_pinned(metadata.annotations),
            ready=is_ready(agent.status),
            audience=_audience(metadata),
        )
        if moved:
            return candidate
        url = gateway_url(gateway, metadata.namespace or "", metadata.name)
        return replace(candidate, url=url, gateway=True)

    return read


def _audience(metadata: Metadata) -> Audience:
    names = metadata.annotations.get(ALLOWED_NAMESPACES, "").replace(",", " ").split()
    if EVERY_NAMESPACE in names:
        return Audience(everyone=True)
    for name in names:
        if not NAMESPACE.fullmatch(name):
            field = f"metadata.annotations[{ALLOWED_NAMESPACES}]"
            message = f"{name[:80]!r} is not the name of a namespace; use names with commas, or *"
            raise MalformedError((Nack.WRONG_SHAPE, field, message))
    return Audience(names=frozenset(names))
