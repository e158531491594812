"""The kinds of objects that a source follows in a cluster."""

from __future__ import annotations

from ...kube.informer.kind import Kind, Version
from ...model.cluster import (
    read_agent,
    read_agent_v1alpha3,
    read_namespace,
    read_peer,
    read_service,
)
from ...model.gateway import GATEWAY_AGENT, gateway_reader
from ...model.snapshot import Candidate

AGENT = Kind[Candidate](
    "Agent",
    "kagent.dev",
    "agents",
    (Version("v1alpha2", read_agent), Version("v1alpha3", read_agent_v1alpha3)),
)


def gateway_agents(gateway: str) -> Kind[Candidate]:
    """The Agents of kagent 1.x, which are called through its `gateway`."""
    read = gateway_reader(gateway)
    return Kind[Candidate](GATEWAY_AGENT, "api.kagent.dev", "agents", (Version("v1alpha3", read),))


PEER = Kind[Candidate]("Peer", "hotpeers.dev", "peers", (Version("v1alpha1", read_peer),))
SERVICE = Kind[Candidate]("Service", "", "services", (Version("v1", read_service),))
NAMESPACE = Kind[dict[str, str]]("Namespace", "", "namespaces", (Version("v1", read_namespace),))
