"""Deployments as kagent makes them and as an API server sends them to a webhook."""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]

A, B, C = "1111", "2222", "3333"


def deployment(
    config: str | None = A, *, held: tuple[str, str] | None = None, **spec: Any
) -> Object:
    """One of kagent 0.10 with API defaults; `held` is (wanted, template)."""
    annotations = {"hotpeers.dev/inject": "true", "hotpeers.dev/hot-config": "true"}
    if config is not None:
        annotations["kagent.dev/config-hash"] = config
    labels = {"app": "kagent", "kagent": "lead", "app.kubernetes.io/name": "lead"}
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "lead",
            "namespace": "team",
            "uid": "u-1",
            "labels": dict(labels),
            "ownerReferences": [
                {
                    "apiVersion": "kagent.dev/v1alpha2",
                    "kind": "Agent",
                    "name": "lead",
                    "uid": "a-1",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "kagent", "kagent": "lead"}},
            "template": {
                "metadata": {"labels": dict(labels), "annotations": annotations},
                "spec": {
                    "containers": [{"name": "kagent", "image": "app:0.10.4", "resources": {}}],
                    "restartPolicy": "Always",
                },
            },
            **spec,
        },
    }
    if held is not None:
        made["metadata"]["labels"]["hotpeers.dev/held"] = "true"
        made["metadata"]["annotations"] = {
            "hotpeers.dev/held-config-hash": held[0],
            "hotpeers.dev/held-template-hash": held[1],
            "hotpeers.dev/held-since": "2026-11-28T10:00:00Z",
        }
    return made


def updated(old: Object, config: str | None, **template: Any) -> Object:
    """As kagent updates it: labels and annotations that are there stay."""
    new = copy.deepcopy(old)
    annotations = new["spec"]["template"]["metadata"]["annotations"]
    annotations.pop("kagent.dev/config-hash", None)
    if config is not None:
        annotations["kagent.dev/config-hash"] = config
    annotations.update(template.pop("annotations", {}))
    new["spec"]["template"]["spec"].update(template)
    return new
