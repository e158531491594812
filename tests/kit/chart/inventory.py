"""All objects of a cluster, by discovery: shows what a release leaves behind."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from kit.apiserver.client import Api, ApiError
from kit.waiting import TookTooLongError, until

Item = tuple[str, str, str, str]
"""Version, plural, namespace and name of an object."""
# Objects that the API server creates itself, some of them after it is ready.
_PASSING = {"apiservices", "events", "flowschemas", "ipaddresses", "namespaces", "servicecidrs"}
_PASSING |= {"prioritylevelconfigurations"}
_OWN = {"default", "kube-node-lease", "kube-public", "kube-system"}

_SECONDS = 60.0


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


def left_over(api: Api, before: set[Item], *, may_be: Collection[str] = ()) -> set[Item]:
    """Objects that did not exist before. Waits for kinds other than `may_be` to disappear.

    A deleted CRD disappears only after its objects, with a delay.
    """

    def settled() -> bool:
        return all(plural in may_be for _, plural, _, _ in inventory(api) - before)

    with suppress(TookTooLongError):
        until("what was deleted to go", settled, _SECONDS)
    return inventory(api) - before
