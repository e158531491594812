"""What differs between two pod templates, but for the hash of the configuration."""

from __future__ import annotations

from .names import CONFIG_HASH
from .parts import Json, part


def rolls_anyway(old: Json, new: Json) -> bool:
    """Whether the templates of two Deployments differ in more than the config-hash.

    Both as an API server sends them to a webhook: it has written defaults, and what is empty, in one
    way. A template without annotations is one with none.
    """
    return _rest(part(old, "spec", "template")) != _rest(part(new, "spec", "template"))


def _rest(template: Json) -> Json:
    metadata = part(template, "metadata")
    annotations = {
        key: value for key, value in part(metadata, "annotations").items() if key != CONFIG_HASH
    }
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**template, "metadata": {**kept, "annotations": annotations}}
