"""Parses config.json within bounds."""

from __future__ import annotations

from typing import Any

from ..contract import Rejection
from ..contract.codec import parse_object
from ..contract.fields import ShapeError

MAX_BYTES = 2 * 1024 * 1024
"""Largest file of a configuration that is read. A Secret of Kubernetes holds 1 MiB in all."""
MAX_VALUES = 200_000
"""Most JSON values in config.json: each costs memory, whatever its size."""


def parse_document(raw: bytes) -> dict[str, Any] | Rejection:
    """Return the object in config.json, or a `Rejection` that says why it cannot be read.

    It accepts what `json.load` accepts, which is how kagent-adk reads the file (`cli.py`, 0.7 to 0.10).
    """
    try:
        return parse_object(raw, MAX_BYTES, most_values=MAX_VALUES)
    except ShapeError as error:
        return error.rejection
