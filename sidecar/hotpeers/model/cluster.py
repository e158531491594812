"""Converts objects of an API server to candidates.

The URL of an Agent or a Service follows from its name and namespace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, StrictInt, StrictStr

from hotpeers_shim.contract import Nack

from ..base.view import MalformedError, View, read_view
from .audience import Audience, selector_of
from .candidate import annotated_url, candidate_of_agent, candidate_of_peer, is_pinned
from .identity import identity_of
from .resource import AgentResource, AgentSpec, Metadata
from .snapshot import Candidate

AGENT_PORT = 8080
"""The port of the Service that kagent creates for each agent."""
_PORT_NAME = "a2a"
_PROTOCOLS = ("a2a", "kgateway.dev/a2a")


class Expression(View):
    """One of `matchExpressions`."""

    key: StrictStr
    operator: StrictStr
    values: list[StrictStr] | None = None


class LabelSelector(View):
    """`metav1.LabelSelector` of Kubernetes."""

    matchLabels: dict[StrictStr, StrictStr] | None = None
    matchExpressions: list[Expression] | None = None


class AllowedNamespaces(View):
    """`spec.allowedNamespaces` of a kagent `Agent`."""

    from_: Literal["All", "Same", "Selector", ""] = Field(default="Same", alias="from")
    selector: LabelSelector | None = None


class Condition(View):
    """One of `status.conditions`."""

    type: StrictStr = ""
    status: StrictStr = ""


class AgentStatus(View):
    """The `status` of a kagent `Agent`."""

    conditions: list[Condition] | None = None


class ClusterAgentSpec(AgentSpec):
    """The `spec` of a kagent `Agent`, with the field that has a meaning only in a cluster."""

    allowedNamespaces: AllowedNamespaces | None = None


class ClusterAgent(AgentResource):
    """`kagent.dev/v1alpha2` or `v1alpha3`, kind `Agent`: the fields here exist in both."""

    spec: ClusterAgentSpec
    status: AgentStatus | None = None


class Port(View):
    """One of `spec.ports` of a Service."""

    port: StrictInt
    name: StrictStr | None = None
    appProtocol: StrictStr | None = None
    protocol: StrictStr | None = None


class ServiceSpec(View):
    """The `spec` of a Service."""

    ports: list[Port] | None = None


class Service(View):
    """`v1`, kind `Service`."""

    metadata: Metadata
    spec: ServiceSpec


class NamespaceObject(View):
    """`v1`, kind `Namespace`."""

    metadata: Metadata


def read_agent(data: Any) -> Candidate:
    """A kagent Agent of `v1alpha2`. Its URL is that of the Service with the same name."""
    agent = read_view(ClusterAgent, data)
    metadata = agent.metadata
    url = agent_url(metadata.namespace or "", metadata.name)
    return _agent(agent, url)


def agent_url(namespace: str, name: str) -> str:
    """The URL of the Service that kagent creates for an agent."""
    return f"http://{name}.{namespace}:{AGENT_PORT}"


def read_agent_v1alpha3(data: Any) -> Candidate:
    """A kagent Agent of `v1alpha3`. It has no Service, so an annotation holds its URL."""
    agent = read_view(ClusterAgent, data)
    return _agent(agent, annotated_url(agent.metadata.annotations))


def read_peer(data: Any) -> Candidate:
    """A `Peer`."""
    return candidate_of_peer(data, "")


def read_service(data: Any) -> Candidate:
    """A Service. Its URL is "" if the port to use is ambiguous."""
    service = read_view(Service, data)
    metadata = service.metadata
    ports = [port for port in service.spec.ports or [] if port.protocol in (None, "", "TCP")]
    chosen = [port for port in ports if port.name == _PORT_NAME]
    chosen = chosen or [port for port in ports if port.appProtocol in _PROTOCOLS]
    chosen = chosen or ports
    url = ""
    if len(chosen) == 1:
        url = f"http://{metadata.name}.{metadata.namespace}:{chosen[0].port}"
    pinned = is_pinned(metadata.annotations)
    return Candidate(**identity_of(metadata, "Service", ""), url=url, pinned=pinned)


def read_namespace(data: Any) -> dict[str, str]:
    """The labels of a namespace."""
    return read_view(NamespaceObject, data).metadata.labels


def _agent(agent: ClusterAgent, url: str) -> Candidate:
    return replace(
        candidate_of_agent(agent, ""),
        url=url,
        ready=is_ready(agent.status),
        audience=_audience(agent.spec.allowedNamespaces),
    )


def is_ready(status: AgentStatus | None) -> bool:
    """Whether the condition `Ready` is True."""
    conditions = (status.conditions if status else None) or []
    return any(item.type == "Ready" and item.status == "True" for item in conditions)


def _audience(allowed: AllowedNamespaces | None) -> Audience:
    if allowed is None or allowed.from_ in ("Same", ""):
        return Audience()
    if allowed.from_ == "All":
        return Audience(everyone=True)
    if allowed.selector is None:
        raise MalformedError(
            (Nack.WRONG_SHAPE, "spec.allowedNamespaces.selector", "is missing: from is Selector")
        )
    try:
        selector = selector_of(
            allowed.selector.matchLabels or {},
            [
                (item.key, item.operator, tuple(item.values or ()))
                for item in allowed.selector.matchExpressions or []
            ],
        )
    except ValueError as error:
        field = "spec.allowedNamespaces.selector.matchExpressions"
        raise MalformedError((Nack.WRONG_SHAPE, field, str(error))) from error
    return Audience(selector=selector)
