"""Namespaces of single tests. No controller empties them, so that it is done here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from kit.apiserver.client import Api, ApiError, Object


def create_namespace(api: Api, name: str, labels: Mapping[str, str] | None = None) -> Object:
    """Create a namespace."""
    metadata = {"name": name, "labels": dict(labels or {})}
    return api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def remove_namespace(api: Api, name: str) -> None:
    """Remove the objects that the product reads in a namespace, and the namespace itself."""
    paths = [f"/api/v1/namespaces/{name}/services"]
    for crd in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")["items"]:
        spec = crd["spec"]
        version = next(one["name"] for one in spec["versions"] if one["storage"])
        place = f"/apis/{spec['group']}/{version}/namespaces/{name}/{spec['names']['plural']}"
        paths += [place] if spec["scope"] == "Namespaced" else []
    for path in paths:
        # A custom resource that is being removed has no more objects.
        with suppress(ApiError):
            api.request("DELETE", path)
    with suppress(ApiError):
        api.request("DELETE", f"/api/v1/namespaces/{name}")
        # In the place of the controller that would say that the namespace is empty now.
        left = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        api.request("PUT", f"/api/v1/namespaces/{name}/finalize", left)
