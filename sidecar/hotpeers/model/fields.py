"""Finds unknown fields, so that a misspelt field is not ignored silently.

A `Peer` is a kind of hotpeers, so each unknown field is reported. A kagent `Agent` and an agent card
have fields for other programs. Of these, a field is reported only if it resembles one that hotpeers
reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Any

from hotpeers_shim.contract import MAX_SKILLS, clean_text

from ..base.parts import part
from .resource import (
    A2AConfig,
    AgentResource,
    AgentSkill,
    AgentSpec,
    Declarative,
    PeerResource,
    PeerSpec,
)

Finding = tuple[str, str]
"""The path of a field, and its error message."""

_MOST = 200
_MOST_OF_ONE = 20
_OBJECT = ("apiVersion", "kind", "status")
# metav1.ObjectMeta of k8s.io/apimachinery.
_METADATA = (
    *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation"),
    *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels"),
    *("annotations", "ownerReferences", "finalizers", "managedFields"),
)
_CARD = ("name", "description", "url", "skills", "supportedInterfaces", "additionalInterfaces")
_CARD_OTHERS = ("supported_interfaces", "additional_interfaces")


class Spelling:
    """Finds unknown fields in the documents of one file.

    Comparing names is slow, and a hostile file may have many. After `_MOST` unknown names no more are
    compared.
    """

    def __init__(self) -> None:
        self._left = _MOST

    def unknown_in_peer(self, data: dict[str, Any]) -> list[Finding]:
        """The unknown fields in a `Peer`."""
        parts = (
            ("", data, (*_OBJECT, *PeerResource.model_fields)),
            ("metadata", data.get("metadata"), _METADATA),
            ("spec", data.get("spec"), tuple(PeerSpec.model_fields)),
        )
        return [
            (_path(path, key), f"is not a field of a Peer; {self._advice(key, known)}")
            for path, section, known in parts
            if isinstance(section, dict)
            for key in _others(section, known)
        ]

    def misspelt_in_agent(self, data: dict[str, Any]) -> list[Finding]:
        """The fields of an `Agent` that resemble a field that is read and missing."""
        spec = part(data, "spec")
        declarative = part(spec, "declarative")
        config = part(declarative, "a2aConfig")
        place = "spec.declarative"
        return [
            *self._misspelt("", data, AgentResource.model_fields, _OBJECT),
            *self._misspelt("metadata", part(data, "metadata"), _METADATA),
            *self._misspelt("spec", spec, AgentSpec.model_fields),
            *self._misspelt(place, declarative, Declarative.model_fields),
            *self._misspelt(f"{place}.a2aConfig", config, A2AConfig.model_fields),
            *self._of_skills(f"{place}.a2aConfig.skills", config.get("skills")),
        ]

    def misspelt_in_card(self, data: dict[str, Any]) -> list[Finding]:
        """The fields of an agent card that resemble a field that is read and missing."""
        return [
            *self._misspelt("", data, _CARD, _CARD_OTHERS),
            *self._of_skills("skills", data.get("skills")),
        ]

    def _of_skills(self, path: str, skills: Any) -> Iterator[Finding]:
        for number, skill in enumerate(skills[:MAX_SKILLS] if isinstance(skills, list) else ()):
            fields = AgentSkill.model_fields
            yield from self._misspelt(f"{path}[{number}]", part(skill), fields)

    def _misspelt(
        self, path: str, data: dict[str, Any], read: Iterable[str], others: Iterable[str] = ()
    ) -> Iterator[Finding]:
        lacking = [name for name in read if name not in data]
        for key in _others(data, (*read, *others)) if lacking else ():
            meant = self._nearest(key, lacking, 0.8)
            if meant:
                yield _path(path, key), f"is not read; did you mean {meant!r}?"

    def _advice(self, key: str, known: tuple[str, ...]) -> str:
        meant = self._nearest(key, known, 0.6)
        return f"did you mean {meant!r}?" if meant else f"it has {', '.join(sorted(known))}"

    def _nearest(self, key: str, names: Iterable[str], cutoff: float) -> str:
        if self._left == 0:
            return ""
        self._left -= 1
        by_plain = {_plain(name): name for name in names}
        found = get_close_matches(_plain(key), by_plain, n=1, cutoff=cutoff)
        return by_plain[found[0]] if found else ""


def _others(data: dict[str, Any], known: Iterable[str]) -> list[str]:
    names = frozenset(known)
    unknown = (clean_text(str(key), 80) for key in data if key not in names)
    return list(islice(unknown, _MOST_OF_ONE))


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _path(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
