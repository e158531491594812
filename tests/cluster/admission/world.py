"""A snapshot of everything that an API server stores, for comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from kit.apiserver.client import Api, Object

# Written by programs at any time: Events of denials, Leases, the API server's own objects.
_OWN = ("/events", "/leases", "/flowschemas", "/prioritylevelconfigurations", "/apiservices")


@dataclass(frozen=True)
class Resource:
    """One entry of discovery; `path` is that of all its objects."""

    version: str
    name: str
    kind: str
    verbs: frozenset[str]
    namespaced: bool
    asks: tuple[str, str]
    """apiVersion and kind of the body that it takes."""

    @property
    def root(self) -> str:
        """The path of its group and version."""
        return f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of its collection, or of one object; that of a subresource needs the name."""
        plural, _, subresource = self.name.partition("/")
        within = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        parts = [f"{self.root}{within}/{plural}", name, subresource]
        return "/".join(one for one in parts if one)


def resources(api: Api) -> Iterator[Resource]:
    """All that it serves, in every version, subresources too."""
    versions = ["v1"]
    for group in api.request("GET", "/apis")["groups"]:
        versions += [one["groupVersion"] for one in group["versions"]]
    for version in versions:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for one in api.request("GET", root)["resources"]:
            given = (one.get("group", ""), one.get("version", ""))
            asked = "/".join(part for part in given if part) or version
            yield Resource(
                version,
                one["name"],
                one["kind"],
                frozenset(one["verbs"]),
                one["namespaced"],
                (asked, one["kind"]),
            )


def world(api: Api) -> dict[str, str]:
    """The content of each object by its path."""
    found: dict[str, str] = {}
    for one in resources(api):
        if "list" not in one.verbs or one.path().endswith(_OWN):
            continue
        for item in api.request("GET", one.path())["items"] or []:
            metadata = item["metadata"]
            if "hotpeers.dev/ledger" not in (metadata.get("labels") or {}):
                place = f"{one.path()} {metadata.get('namespace', '')}/{metadata['name']}"
                found[place] = _said(one, item)
    return found


def _said(one: Resource, item: Object) -> str:
    """The object without managed fields, counts of denials and governed accounts."""
    metadata = {**item["metadata"], "managedFields": None, "resourceVersion": None}
    whole = {**item, "metadata": metadata}
    if one.name == "spawnpolicies":
        whole["status"] = None
    if metadata["name"] == "hotpeers-guard" and "webhooks" in item:
        metadata |= {"annotations": None, "generation": None}
        whole["webhooks"] = [{**hook, "matchConditions": None} for hook in item["webhooks"]]
    return json.dumps(whole, sort_keys=True)


def difference(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    """The objects that exist in only one snapshot, or differ."""
    return {
        place: (before.get(place, ""), after.get(place, ""))
        for place in sorted({*before, *after})
        if before.get(place) != after.get(place)
    }
