"""The image of some namespaces: which webhook the API server calls for a pod, by labels."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.chart.test_render import MUTATING, environment, one
from hotpeers.model.audience import selector_of
from kit.chart.helm import Helm, HelmError, Object

NAME = "kubernetes.io/metadata.name"


def called(objects: list[Object], **labels: str) -> list[str]:
    """The paths that are called for a pod of a namespace with these labels, each with its name."""
    given = {NAME: "team", **{f"hotpeers.dev/{name}": value for name, value in labels.items()}}
    found = []
    for webhook in one(objects, MUTATING, "-injector")["webhooks"]:
        selector: dict[str, Any] = webhook["namespaceSelector"]
        terms = [
            (it["key"], it["operator"], tuple(it["values"])) for it in selector["matchExpressions"]
        ]
        if selector_of(selector.get("matchLabels", {}), terms).matches(given):
            found.append(webhook["clientConfig"]["service"]["path"])
    return found


@pytest.mark.parametrize(
    ("labels", "path"),
    [
        ({}, "/inject"),
        ({"injection": "enabled"}, "/inject/namespace"),
        ({"channel": "canary"}, "/inject/canary"),
        ({"channel": "canary", "injection": "enabled"}, "/inject/namespace/canary"),
        # Another channel is none.
        ({"channel": "stable"}, "/inject"),
        ({"channel": "stable", "injection": "enabled"}, "/inject/namespace"),
    ],
)
def test_each_namespace_has_one_webhook(helm: Helm, labels: dict[str, str], path: str) -> None:
    objects = helm.render('sidecar.canary.tag="next"')
    assert called(objects, **labels) == [path]
    # Without a canary the label has no effect: its namespaces are as any other.
    plain = helm.render()
    assert called(plain, **labels) == [path.removesuffix("/canary")]


@pytest.mark.parametrize("labels", [{}, {"channel": "canary"}])
def test_namespace_where_injection_is_disabled_has_none(helm: Helm, labels: dict[str, str]) -> None:
    objects = helm.render('sidecar.canary.tag="next"')
    assert called(objects, injection="disabled", **labels) == []


def test_webhooks_of_a_canary_differ_in_nothing_else(helm: Helm) -> None:
    webhooks = one(helm.render('sidecar.canary.tag="next"'), MUTATING, "-injector")["webhooks"]
    assert len({it["name"] for it in webhooks}) == 4
    for it in webhooks:
        name = it["name"].removeprefix("canary.")
        (plain,) = (other for other in webhooks if other["name"] == name)
        different = {key for key in it if it[key] != plain[key]}
        assert different <= {"name", "clientConfig", "namespaceSelector"}


@pytest.mark.parametrize(
    ("sets", "image"),
    [
        (('sidecar.canary.tag="2"',), "hotpeers:2"),
        (('image.repository="r/h"', 'sidecar.canary.tag="2"'), "r/h:2"),
        (('sidecar.image.repository="near/h"', 'sidecar.canary.tag="2"'), "near/h:2"),
        (('sidecar.image.tag="1"', 'sidecar.canary.repository="new/h"'), "new/h:1"),
        ((f'sidecar.canary.digest="sha256:{"0" * 64}"',), f"hotpeers:0.1.0@sha256:{'0' * 64}"),
    ],
)
def test_empty_fields_are_those_of_the_sidecar(
    helm: Helm, sets: tuple[str, ...], image: str
) -> None:
    assert environment(helm.render(*sets))["HOTPEERS_CANARY_IMAGE"] == image


def test_no_image_is_named_without_a_canary(helm: Helm) -> None:
    assert "HOTPEERS_CANARY_IMAGE" not in environment(helm.render())


def test_image_of_a_canary_is_checked(helm: Helm) -> None:
    with pytest.raises(HelmError, match="repository"):
        helm.render('sidecar.canary.repository="A B"')
