"""Parses config.json, with limits on its size."""

from __future__ import annotations

from typing import Any

from ..contract import Rejection
from ..contract.codec import parse_object
from ..contract.fields import ShapeError

MAX_BYTES = 2 * 1024 * 1024
"""The limit for each file of a configuration. A Kubernetes Secret holds at most 1 MiB in total."""
MAX_VALUES = 200_000
"""The limit of JSON values in config.json. Each value costs memory, even if it is small."""


def parse_document(raw: bytes) -> dict[str, Any] | Rejection:
    """The object in config.json, or a `Rejection` with the reason why it cannot be read.

    It accepts the same JSON as `json.load`, which kagent-adk uses (`cli.py`, 0.7 to 0.10).
    """
    try:
        return parse_object(raw, MAX_BYTES, most_values=MAX_VALUES)
    except ShapeError as error:
        return error.rejection
