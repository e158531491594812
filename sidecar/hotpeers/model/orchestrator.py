"""The custom resource `Orchestrator`: an agent that gets peers, from the hub or from an injected sidecar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, StrictStr

from hotpeers_shim.contract import DEFAULT_DEPTH, MAX_DEPTH, Nack

from ..base.names import NamespacedName
from ..base.parts import number
from ..base.view import MalformedError, View, read_view
from .audience import selector_of
from .cluster import LabelSelector
from .resource import DnsName, Metadata
from .selector import Selector

API_VERSION = "hotpeers.dev/v1alpha1"
EVERY_NAMESPACE = "*"
CONCURRENT_CALLS, CALLS_PER_MINUTE = 32, 600
"""The limits of an Orchestrator that sets none."""


def _present(value: Any) -> Any:
    return {} if value is None else value


def _listed(value: Any) -> Any:
    return [] if value is None else value


class _Limits(View):
    concurrentCalls: Annotated[StrictInt, Field(ge=1, le=1000)] = CONCURRENT_CALLS
    callsPerMinute: Annotated[StrictInt, Field(ge=1, le=100_000)] = CALLS_PER_MINUTE
    depth: Annotated[StrictInt, Field(ge=1, le=MAX_DEPTH)] = DEFAULT_DEPTH


class _Workload(View):
    apiVersion: Annotated[StrictStr, Field(min_length=1, max_length=316)]
    kind: Annotated[StrictStr, Field(min_length=1, max_length=63)]
    name: DnsName


class _Spec(View):
    workload: _Workload | None = None
    selector: LabelSelector | None = None
    namespaces: Annotated[list[StrictStr], Field(max_length=256), BeforeValidator(_listed)] = []
    tokenVersion: Annotated[StrictInt, Field(ge=1)] = 1
    tokenSecret: DnsName | None = None
    passUserHeaders: StrictBool = False
    remoteMCPServer: StrictBool = True
    limits: Annotated[_Limits, BeforeValidator(_present)] = _Limits()


class _Object(View):
    metadata: Metadata
    spec: Annotated[_Spec, BeforeValidator(_present)] = _Spec()


@dataclass(frozen=True, slots=True)
class Workload:
    """The workload of an injected pod, such as a Deployment."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True)
class Orchestrator:
    """An Orchestrator. With a `workload`, it shows the state of injected pods, and may not use the hub.

    `namespaces` is empty for its own namespace alone; it may hold `*`.

    `token_secret` is the name of the Secret with its token. `calls_per_minute` and
    `concurrent_calls` limit each replica of the hub. `depth` is the largest number of
    orchestrators in a chain of calls, this one included.
    """

    key: NamespacedName
    uid: str
    generation: int
    selector: Selector
    namespaces: frozenset[str]
    token_version: int
    token_secret: str
    passes_user_headers: bool
    has_tool_server: bool
    concurrent_calls: int
    calls_per_minute: int
    depth: int
    workload: Workload | None = None

    @property
    def uses_hub(self) -> bool:
        """Whether it has a token for the hub."""
        return self.workload is None

    @property
    def tool_server(self) -> str:
        """The name of kagent's RemoteMCPServer for it."""
        return f"{self.key.name}-hotpeers"


def read_orchestrator(data: Any) -> Orchestrator:
    """An `Orchestrator`. Raises `MalformedError`."""
    read = read_view(_Object, data)
    metadata, spec = read.metadata, read.spec
    if not metadata.uid or not metadata.namespace:
        raise MalformedError((Nack.WRONG_SHAPE, "metadata", "has no uid or no namespace"))
    workload = spec.workload
    return Orchestrator(
        key=NamespacedName(metadata.namespace, metadata.name),
        uid=metadata.uid,
        generation=number(data, "metadata", "generation"),
        selector=_selector(spec.selector),
        namespaces=frozenset(spec.namespaces),
        token_version=spec.tokenVersion,
        token_secret=spec.tokenSecret or f"{metadata.name}-hotpeers-token",
        passes_user_headers=spec.passUserHeaders,
        has_tool_server=spec.remoteMCPServer,
        concurrent_calls=spec.limits.concurrentCalls,
        calls_per_minute=spec.limits.callsPerMinute,
        depth=spec.limits.depth,
        workload=Workload(workload.apiVersion, workload.kind, workload.name) if workload else None,
    )


def _selector(given: LabelSelector | None) -> Selector:
    if given is None:
        return Selector()
    try:
        return selector_of(
            given.matchLabels or {},
            [
                (item.key, item.operator, tuple(item.values or ()))
                for item in given.matchExpressions or []
            ],
        )
    except ValueError as error:
        raise MalformedError((Nack.WRONG_SHAPE, "spec.selector", str(error))) from error
