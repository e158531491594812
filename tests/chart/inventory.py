"""What there is in a cluster, by discovery: to see what a release leaves behind."""

from __future__ import annotations

from cluster.client import Api, ApiError

Item = tuple[str, str, str, str]
"""Version, plural, namespace and name of an object."""
# What the API server makes for itself, some of it only a while after it is ready.
_PASSING = {"apiservices", "events", "flowschemas", "ipaddresses", "namespaces", "servicecidrs"}
_PASSING |= {"prioritylevelconfigurations"}
_OWN = {"default", "kube-node-lease", "kube-public", "kube-system"}


def inventory(api: Api) -> set[Item]:
    """Everything that can be listed."""
    versions = ["v1"]
    for group in api.request("GET", "/apis")["groups"]:
        versions.append(group["preferredVersion"]["groupVersion"])
    found: set[Item] = set()
    for version in versions:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        try:
            resources = api.request("GET", root)["resources"]
        except ApiError:
            continue  # a group that has just gone is in the list for a moment
        for resource in resources:
            plural = resource["name"]
            if "list" not in resource["verbs"] or plural in _PASSING:
                continue
            for item in api.request("GET", f"{root}/{plural}")["items"]:
                metadata = item["metadata"]
                if (place := metadata.get("namespace", "")) not in _OWN:
                    found.add((version, plural, place, metadata["name"]))
    return found
