"""Differences between two Deployments, other than the hash of the configuration."""

from __future__ import annotations

from ..base.parts import Json, items, part
from .names import CONFIG_HASH, HELD_ANNOTATIONS, HELD_LABEL


def rolls_anyway(old: Json, new: Json) -> bool:
    """Whether the templates of two Deployments differ in more than the config-hash.

    Both must come from an API server's call of a webhook, where defaults and empty values have one
    form. A template without annotations equals one with empty annotations.
    """
    return _rest(part(old, "spec", "template")) != _rest(part(new, "spec", "template"))


def _rest(template: Json) -> Json:
    metadata = part(template, "metadata")
    annotations = {
        key: value for key, value in part(metadata, "annotations").items() if key != CONFIG_HASH
    }
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**template, "metadata": {**kept, "annotations": annotations}}


def changes_beside(old: Json, new: Json) -> bool:
    """Whether fields outside the template differ, such as labels, annotations or replicas.

    The label and annotations of a hold are ignored. kagent repeatedly writes all its fields of a
    Deployment. A change of other fields comes from another author, for example `kubectl annotate` or
    `kubectl edit`, who kept the hash that was there.
    """
    return _beside(old) != _beside(new)


def _beside(deployment: Json) -> tuple[Json, ...]:
    metadata, marks = part(deployment, "metadata"), (HELD_LABEL, *HELD_ANNOTATIONS)
    labels, annotations = (
        {key: value for key, value in part(metadata, field).items() if key not in marks}
        for field in ("labels", "annotations")
    )
    lists = {field: items(metadata, field) for field in ("ownerReferences", "finalizers")}
    spec = {key: value for key, value in part(deployment, "spec").items() if key != "template"}
    return labels, annotations, lists, spec
