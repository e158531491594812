"""The shape of manifests that are injected without a cluster: only the fields that the injection reads.

The API server checks them before it calls the webhook.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from ..base.view import MalformedError, View, read_view
from ..model.resource import DnsName, Texts

_Object = dict[StrictStr, Any]


class _User(View):
    runAsUser: StrictInt | None = None


class _Variable(View):
    name: StrictStr
    value: StrictStr | None = None


class _Port(View):
    containerPort: StrictInt


class _Mount(View):
    name: StrictStr
    mountPath: StrictStr


class _Named(View):
    name: StrictStr


class _Resources(View):
    requests: _Object | None = None
    limits: _Object | None = None


class _Container(_Named):
    image: StrictStr | None = None
    command: list[StrictStr] | None = None
    args: list[StrictStr] | None = None
    env: list[_Variable] | None = None
    ports: list[_Port] | None = None
    volumeMounts: list[_Mount] | None = None
    resources: _Resources | None = None
    securityContext: _User | None = None
    lifecycle: _Object | None = None


class _PodSpec(View):
    containers: Annotated[list[_Container], Field(min_length=1)]
    initContainers: list[_Container] | None = None
    volumes: list[_Named] | None = None
    securityContext: _User | None = None
    nodeSelector: Texts = {}
    os: _Object | None = None
    resources: _Resources | None = None
    restartPolicy: StrictStr | None = None
    hostNetwork: StrictBool | None = None
    automountServiceAccountToken: StrictBool | None = None
    serviceAccountName: StrictStr | None = None
    terminationGracePeriodSeconds: StrictInt | None = None


class _PodMetadata(View):
    labels: Texts = {}
    annotations: Texts = {}


class _Template(View):
    metadata: _PodMetadata | None = None
    spec: _PodSpec


class _Metadata(_PodMetadata):
    name: DnsName | None = None
    generateName: StrictStr | None = Field(default=None, max_length=253)
    namespace: DnsName | Literal[""] | None = None


class _Manifest(View):
    metadata: _Metadata


class _Deployment(View):
    annotations: Texts = {}


class _Deployed(View):
    deployment: _Deployment | None = None
    runtime: StrictStr | None = None


class _AgentSpec(_Deployed):
    type: StrictStr | None = None
    declarative: _Deployed | None = None
    byo: _Deployed | None = None


class _Agent(_Manifest):
    spec: _AgentSpec


def fault_of_object(document: Any) -> str:
    """What is wrong with the metadata of an object, and where; "" if nothing is."""
    return _fault(_Manifest, document, ())


def fault_of_template(template: Any, path: tuple[str, ...]) -> str:
    """What is wrong with the pod template at `path` of its document; "" if nothing is."""
    return _fault(_Template, template, path)


def fault_of_agent(document: Any) -> str:
    """What is wrong with an Agent of kagent; "" if nothing is."""
    return _fault(_Agent, document, ())


def _fault(kind: type[View], data: Any, path: tuple[str, ...]) -> str:
    try:
        read_view(kind, data)
    except MalformedError as error:
        _, place, wrong = error.findings[0]
        field = ".".join((*path, place)).strip(".")
        if wrong.startswith("string is needed") and wrong.endswith(("int", "float", "bool")):
            wrong += "; put quotes around it"
        return f"{field}: {wrong}"
    return ""
