"""The references of an Agent when kagent's controller translates it, and the probes of its pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.apiserver.client import Object

PORT = 8080
KAGENT_PROBE = {
    "httpGet": {"path": "/.well-known/agent-card.json", "port": "http"},
    "initialDelaySeconds": 15,
    "periodSeconds": 15,
    "timeoutSeconds": 15,
}
QUICK_PROBE = {**KAGENT_PROBE, "initialDelaySeconds": 0, "periodSeconds": 1}

Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""


class TranslationError(Exception):
    """An Agent that kagent would not run, or that nothing here can stand in for."""


@dataclass(frozen=True)
class Site:
    """The references of Agents.

    `models` are base URLs of an OpenAI API, for Agents whose ModelConfig is a name only. An object of
    that name comes first.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    probe: Mapping[str, Any] = field(default_factory=lambda: KAGENT_PROBE)
    """kagent's own; `QUICK_PROBE` where nothing is measured."""
    objects: Mapping[Key, Object] = field(default_factory=dict)
    """ModelConfigs, RemoteMCPServers and Agents as the API server has them."""

    def find(self, kind: str, namespace: str, name: str) -> Object:
        """The object that an Agent names; `TranslationError` if it is missing."""
        try:
            return self.objects[kind, namespace, name]
        except KeyError:
            raise TranslationError(f'{kind} "{name}" not found') from None


def by_key(kind: str, found: list[Object]) -> dict[Key, Object]:
    """The objects of a list, as a `Site` has them."""
    return {(kind, one["metadata"]["namespace"], one["metadata"]["name"]): one for one in found}
