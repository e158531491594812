"""The rights that `hotpeers check` asks for are granted by the chart, with any of its values."""

from __future__ import annotations

from typing import Any

import pytest

from hotpeers.check.release import consoles, controllers, hubs
from hotpeers.check.rights import wanted_rights
from hotpeers.check.snapshot import Part, Right, Snapshot
from kit.chart.helm import Helm

Object = dict[str, Any]
DEFAULT = 60
"""Fewer rights of a default installation would mean that a role is not read any more."""


def grants(rule: Object, right: Right) -> bool:
    names = rule.get("resourceNames")
    return (
        right.group in rule["apiGroups"]
        and right.resource in rule["resources"]
        and right.verb in rule["verbs"]
        and (not names or right.name in names)
    )


def granted(objects: list[Object], right: Right) -> bool:
    roles = {(one["kind"], one["metadata"]["name"]): one for one in objects if "rules" in one}
    for one in objects:
        for subject in one.get("subjects") or ():
            user = f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}"
            place = one["metadata"].get("namespace", "")
            if user == right.account and place in ("", right.namespace):
                role = roles.get((one["roleRef"]["kind"], one["roleRef"]["name"]))
                if role and any(grants(rule, right) for rule in role["rules"]):
                    return True
    return False


@pytest.mark.parametrize(
    ("release", "values"),
    [
        ("hotpeers", []),
        ("mine", ["hub.enabled=true", "console.enabled=true"]),
        ("hotpeers", ["certificates.certManager.enabled=true", "hub.enabled=true"]),
        ("hotpeers", ["guard.enabled=false"]),
        ("hotpeers", ["hold.enabled=false"]),
        ("hotpeers", ["rbac.auto=false"]),
        ("x", ["guard.enabled=false", "hold.enabled=false", "rbac.auto=false"]),
    ],
)
def test_chart_grants_each_right(helm: Helm, release: str, values: list[str]) -> None:
    objects = helm.render(*values, release=release, namespace="elsewhere")
    deployments = tuple(one for one in objects if one["kind"] == "Deployment")
    given = Snapshot(objects={Part.RELEASES: deployments})
    assert len(controllers(given)) == 1
    assert len(hubs(given)) == ("hub.enabled=true" in values)
    assert len(consoles(given)) == ("console.enabled=true" in values)
    rights = wanted_rights(given)
    assert [str(right) for right in rights if not granted(objects, right)] == []
    assert values or len(rights) > DEFAULT
