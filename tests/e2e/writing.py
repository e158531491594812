"""Writes an object as kagent's controller does: read, change what is its own, and update.

Read in v0.10.0-rc3: `createOrUpdate` in reconciler/reconciler.go and translator/mutate.go. Annotations and
labels are merged, so none is ever removed; a Deployment that gives no replicas keeps those it has. The
update is sent even if nothing changed, because the API server's defaults are not in what kagent wants.
"""

from __future__ import annotations

from typing import Any

from kit.apiserver.client import Api, ApiError, Object

_NOT_FOUND = 404
_DATA = ("data", "stringData", "binaryData")
_DEPLOYMENT = ("minReadySeconds", "paused", "progressDeadlineSeconds", "revisionHistoryLimit")


def create_or_update(api: Api, desired: Object) -> Object:
    """Make an object so, and return it; `ApiError` (409) if another writer came between."""
    try:
        existing = api.read(desired)
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return api.create(desired)
    _mutate(existing, desired)
    return api.request("PUT", api.path(desired), existing)


def _mutate(existing: Object, desired: Object) -> None:
    had, wanted = existing["metadata"], desired["metadata"]
    _merge(had, wanted)
    if owners := wanted.get("ownerReferences"):
        had["ownerReferences"] = owners
    kind = desired["kind"]
    if kind in ("Secret", "ConfigMap"):
        _replace(existing, desired, *_DATA)
    elif kind == "Service":
        _replace(existing["spec"], desired["spec"], "ports", "selector")
    elif kind == "Deployment":
        _mutate_deployment(existing["spec"], desired["spec"])


def _mutate_deployment(existing: Object, desired: Object) -> None:
    if "replicas" in desired:
        existing["replicas"] = desired["replicas"]
    _replace(existing, desired, "strategy", *_DEPLOYMENT)
    _merge(existing["template"]["metadata"], desired["template"]["metadata"])
    existing["template"]["spec"] = desired["template"]["spec"]


def _merge(had: Object, wanted: Object) -> None:
    for key in ("annotations", "labels"):
        if merged := {**(had.get(key) or {}), **(wanted.get(key) or {})}:
            had[key] = merged


def _replace(existing: Object, desired: Object, *keys: Any) -> None:
    for key in keys:
        existing.pop(key, None)
        if key in desired:
            existing[key] = desired[key]
