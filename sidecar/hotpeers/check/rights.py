"""Rights that the controller, the hub, the console or the installing user lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product

from ..base.parts import items, text
from .finding import Finding
from .packaged import roles
from .reasons import CheckReason
from .release import Release, consoles, controllers, hubs
from .snapshot import Json, Right, Snapshot

_SHOWN = 12
_INSTALLED = (
    ("apps", "deployments", True),
    ("", "services", True),
    ("", "serviceaccounts", True),
    ("", "secrets", True),
    ("coordination.k8s.io", "leases", True),
    ("rbac.authorization.k8s.io", "roles", True),
    ("rbac.authorization.k8s.io", "rolebindings", True),
    ("rbac.authorization.k8s.io", "clusterroles", False),
    ("rbac.authorization.k8s.io", "clusterrolebindings", False),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", False),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", False),
    ("apiextensions.k8s.io", "customresourcedefinitions", False),
)


def installing_rights(namespace: str) -> list[Right]:
    """The rights of a user who installs the chart in a namespace."""
    return [
        Right("", "create", group, resource, namespace=namespace if is_namespaced else "")
        for group, resource, is_namespaced in _INSTALLED
    ]


def wanted_rights(snapshot: Snapshot) -> list[Right]:
    """The rights that the accounts of the installation need, by its settings."""
    found: list[Right] = []
    for release in controllers(snapshot):
        found += _of(release, _without(roles("controller"), release), _names(release))
        if release.has("HOTPEERS_HUB_URL"):
            found += _of(release, roles("orchestrators"), _names(release))
    for release in hubs(snapshot):
        key = release.settings.get("HOTPEERS_KEY_SECRET", "").rpartition("/")[2]
        found += _of(release, roles("hub"), {"hotpeers-hub-key": key or "hotpeers-hub-key"})
    for release in consoles(snapshot):
        found += _of(release, roles("console"), {})
    return list(dict.fromkeys(found))


def find_missing_rights(snapshot: Snapshot) -> Iterator[Finding]:
    """One finding for each account that lacks rights."""
    denied: dict[str, list[Right]] = {}
    for right, allowed in snapshot.rights.items():
        if not allowed:
            denied.setdefault(right.account, []).append(right)
    for account, lacking in denied.items():
        actions = list(_actions(lacking))
        more = f"; and {len(actions) - _SHOWN} more" if len(actions) > _SHOWN else ""
        message = f"it may not: {'; '.join(actions[:_SHOWN])}{more}"
        if account:
            name = account.removeprefix("system:serviceaccount:").replace(":", "/")
            where = f"ServiceAccount {name}"
            yield Finding(CheckReason.ACCOUNT_RIGHT_MISSING, where, message)
        else:
            message = message.replace("it may", "you may", 1)
            yield Finding(CheckReason.INSTALL_FORBIDDEN, "your account", message)


def _actions(rights: Iterable[Right]) -> Iterator[str]:
    """One text for all verbs on the same objects."""
    verbs: dict[Right, list[str]] = {}
    for right in sorted(rights):
        verbs.setdefault(replace(right, verb=""), []).append(right.verb)
    for right, those in verbs.items():
        yield f"{', '.join(those)}{right}"


def _names(release: Release) -> dict[str, str]:
    """The names of the manifests' objects in this release; "" for those that it does not use."""
    settings = release.settings

    def name(variable: str, default: str) -> str:
        found = settings.get(variable, default)
        return "" if found == "none" else found

    own = not release.settings.get("HOTPEERS_CERTIFICATE_DIR")
    return {
        "hotpeers-certificates": release.certificate_secret if own else "",
        "hotpeers-controller": name("HOTPEERS_LEASE", "hotpeers-controller"),
        "hotpeers-injector": name("HOTPEERS_WEBHOOK_CONFIGURATION", "hotpeers-injector"),
        "zz-hotpeers-hold": name("HOTPEERS_HOLD_CONFIGURATION", "zz-hotpeers-hold") if own else "",
        "hotpeers-guard": name("HOTPEERS_GUARD_CONFIGURATION", "hotpeers-guard"),
        "hotpeers-hub-key": name("HOTPEERS_HUB_KEY_SECRET", "hotpeers-hub-key"),
    }


def _without(objects: Iterable[Json], release: Release) -> Iterator[Json]:
    """The roles of the controller without those of features that are off."""
    settings = release.settings
    off = {
        "hotpeers-controller-guard": settings.get("HOTPEERS_GUARD_CONFIGURATION") == "none",
        "hotpeers-controller-hold": settings.get("HOTPEERS_HOLD_CONFIGURATION") == "none",
        "hotpeers-controller-workloads": settings.get("HOTPEERS_ORCHESTRATORS") == "false",
        "hotpeers-controller-readers": settings.get("HOTPEERS_BIND_READERS") == "false",
    }
    for one in objects:
        if off.get(text(one, "metadata", "name")):
            continue
        if off["hotpeers-controller-guard"] and one["kind"] == "Role":
            # The ledgers of SpawnPolicies.
            rules = [rule for rule in one["rules"] if "configmaps" not in rule["resources"]]
            yield {**one, "rules": rules}
        else:
            yield one


def _of(release: Release, objects: Iterable[Json], names: Mapping[str, str]) -> Iterator[Right]:
    for one in objects:
        if one["kind"] not in ("Role", "ClusterRole"):
            continue
        namespace = release.namespace if one["kind"] == "Role" else ""
        for rule in one["rules"]:
            written = items(rule, "resourceNames")
            wanted = [names.get(name, name) for name in written] if written else [""]
            kept = [name for name in wanted if name or not written]
            every = product(rule["apiGroups"], rule["resources"], kept, rule["verbs"])
            for group, resource, name, verb in every:
                yield Right(release.user, verb, group, resource, name, namespace)
