"""What hot configuration needs of the agent's framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Runtime(Protocol):
    """What the agent's framework does with a configuration. Each method may raise anything."""

    def validate(self, data: dict[str, Any]) -> Any:
        """A configuration object of the JSON object `data`."""

    def facts(self, config: Any) -> dict[str, Any]:
        """The fields of a configuration object as plain values, which can be compared."""

    def build(self, config: Any) -> None:
        """Make an agent of it, as each request does, and throw it away."""

    def fields(self, config: Any) -> dict[str, Any]:
        """The fields of a configuration object, as `assign` takes them."""

    def assign(self, target: Any, values: Mapping[str, Any]) -> None:
        """Set fields of a configuration object."""

    def explain(self, error: Exception) -> str:
        """What is wrong, in one line without the values of the configuration."""
