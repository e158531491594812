"""The interface between hot configuration and the agent's framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Runtime(Protocol):
    """The framework's operations on a configuration. Each method may raise any exception."""

    def validate(self, data: dict[str, Any]) -> Any:
        """The configuration object for the JSON object `data`."""

    def facts(self, config: Any) -> dict[str, Any]:
        """The fields of a configuration object as plain values that can be compared."""

    def build(self, config: Any) -> None:
        """Make an agent from `config`, as each request does, and discard it."""

    def fields(self, config: Any) -> dict[str, Any]:
        """The fields of a configuration object, as input of `assign`."""

    def assign(self, target: Any, values: Mapping[str, Any]) -> None:
        """Set fields of a configuration object."""

    def explain(self, error: Exception) -> str:
        """The error in one line, without the values of the configuration."""
