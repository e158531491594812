"""Writes to every resource and subresource that an API server serves, with every verb."""

from __future__ import annotations

from cluster.admission.outcome import APPLY, MERGE, Attempt
from cluster.admission.world import Resource, resources
from kit.apiserver.client import Api, ApiError, Object

# Admission of these never reaches a webhook; see `test_rights`.
EXEMPT = "admissionregistration.k8s.io/"
# Questions about oneself, which store nothing.
_ALLOWED = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
_NAMESPACE = "team"
_UNDELETABLE = {"default", "system-cluster-critical"}
_NEVER_DRY = {
    *("NodeProxyOptions", "PodAttachOptions", "PodExecOptions"),
    *("PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions"),
}


def attempts(api: Api) -> dict[str, Attempt]:
    """Create, apply, patch, replace and delete one of each, and delete all of each."""
    found: dict[str, Attempt] = {}
    for one in resources(api):
        if not one.version.startswith(EXEMPT) and one.name not in _ALLOWED:
            for what, request in _of(api, one):
                found[f"{what} {one.version} {one.name}"] = request
    return found


def _of(api: Api, one: Resource) -> list[tuple[str, Attempt]]:
    namespace = _NAMESPACE if one.namespaced else ""
    agents = one.version == "kagent.dev/v1alpha2" and one.name == "agents"
    if agents:
        return []  # a corpus of their own
    target = _existing(api, one)
    version, kind = one.asks
    body: Object = {"apiVersion": version, "kind": kind, "metadata": {"name": target or "evil"}}
    found = []
    if "create" in one.verbs and ("/" not in one.name or target):
        name = target if "/" in one.name else ""
        found.append(("create", Attempt("POST", one.path(namespace, name), body)))
        dry = f"{one.path(namespace, name)}?dryRun=All"
        if one.kind not in _NEVER_DRY:
            found.append(("create dry", Attempt("POST", dry, body)))
    if target and "patch" in one.verbs:
        change = {"metadata": {"labels": {"evil": "yes"}}}
        path = one.path(_place(one, target), target)
        found.append(("patch", Attempt("PATCH", path, change, MERGE)))
    if target and "delete" in one.verbs and "/" not in one.name and target not in _UNDELETABLE:
        found.append(("delete", Attempt("DELETE", one.path(_place(one, target), target))))
    # A collection without objects calls no webhook when it is deleted.
    if target and "deletecollection" in one.verbs:
        found.append(("delete all", Attempt("DELETE", one.path(namespace))))
    if "patch" in one.verbs and "/" not in one.name:
        path = f"{one.path(namespace, 'evil')}?fieldManager=evil"
        fresh = {**body, "metadata": {"name": "evil"}}
        found.append(("apply", Attempt("PATCH", path, fresh, APPLY)))
    return found


def _place(one: Resource, target: str) -> str:
    return _NAMESPACE if one.namespaced and target else ""


def _existing(api: Api, one: Resource) -> str:
    """The name of one that is there, which a subresource needs."""
    plural = one.name.partition("/")[0]
    path = Resource(one.version, plural, "", frozenset(), one.namespaced, ("", "")).path(
        _NAMESPACE if one.namespaced else ""
    )
    try:
        items = api.request("GET", f"{path}?limit=1").get("items") or []
    except ApiError:
        return ""
    return str(items[0]["metadata"]["name"]) if items else ""
