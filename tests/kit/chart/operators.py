"""Definitions of other people's kinds that the chart makes objects of.

They take any fields: that the fields are right is for those who wrote the kinds to say. They say
that the chart's objects go where such objects go.
"""

from __future__ import annotations

from kit.apiserver.client import Api, Object
from kit.apiserver.resources import is_served
from kit.waiting import until

_KINDS = (
    ("cert-manager.io", "v1", "Certificate", "certificates"),
    ("cert-manager.io", "v1", "Issuer", "issuers"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
    ("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    ("kagent.dev", "v1alpha2", "RemoteMCPServer", "remotemcpservers"),
)


def install_operators(api: Api) -> None:
    """Define cert-manager's, Prometheus Operator's and kagent's kinds, as far as the chart uses them."""
    definitions = [_definition(*kind) for kind in _KINDS]
    for definition in definitions:
        api.apply(definition)
    for definition in definitions:
        name = definition["metadata"]["name"]
        until(f"{name} to be served", lambda crd=definition: is_served(api, crd), 60.0)


def _definition(group: str, version: str, kind: str, plural: str) -> Object:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
