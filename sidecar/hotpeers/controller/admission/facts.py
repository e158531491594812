"""Reads the facts of one request: whether its name is taken, and the template that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...base.parts import part
from ...kube.errors import KubeError
from ...spawnpolicy.request import (
    AGENT_GROUP,
    AGENT_RESOURCE,
    AGENT_VERSION,
    Facts,
    Phase,
    Request,
)
from ...spawnpolicy.review import Review
from ...spawnpolicy.schema.policy import SpawnPolicy
from ...spawnpolicy.stamps import TEMPLATE
from .confirmation import READ_SECONDS
from .knowledge import Knowledge
from .live import Live
from .looks import Looks
from .protocols import Templates


class FactReader:
    """Reads facts from the API server and the registry. Raises `KubeError` or `TimeoutError`."""

    def __init__(self, knowledge: Knowledge, live: Live, templates: Templates | None) -> None:
        self._knowledge = knowledge
        self._live = live
        self._looks = Looks(live)
        self._templates = templates

    def expect(self, request: Request) -> None:
        """Begin to read whether the name of a request is taken, for a later `found`."""
        known = self._knowledge.known.has_agent(request.namespace, request.name)
        self._looks.begin(request.namespace, request.name, known=known)

    async def found(
        self,
        request: Request,
        governing: Sequence[SpawnPolicy],
        facts: Facts,
        key: str,
        *,
        must: bool,
    ) -> Facts:
        """Add facts that are read now. A failed read is an error only if `must` is true.

        `must` is false if all policies only audit.
        """
        creating = request.operation == "CREATE" and request.phase is Phase.VALIDATING
        try:
            async with asyncio.timeout(READ_SECONDS):
                occupied, template = await asyncio.gather(
                    self._occupied(request) if creating else _nothing(),
                    self._template(key, governing[0].namespace, request.object),
                )
        except (KubeError, TimeoutError):
            if must:
                raise
            return facts
        templates = {} if template is None else {key: template}
        return replace(facts, occupied=occupied, templates=templates)

    async def _occupied(self, request: Request) -> tuple[str, ...]:
        place, name = request.namespace, request.name
        known = self._knowledge.known.has_agent(place, name)
        return await self._looks.occupied(place, name, known=known)

    async def _template(self, key: str, home: str, wanted: Any) -> dict[str, Any] | None:
        kind, _, name = key.partition(":")
        if kind == "agent":
            return await self._live.agent_spec(home, name)
        if kind == "registry" and self._templates is not None:
            return await self._templates.spec_of(key, wanted)
        return None


async def _nothing() -> tuple[str, ...]:
    return ()


def template_key(request: Request, governing: Sequence[SpawnPolicy]) -> str:
    """The template that an agent names; "" if it names none, or no policy allows that one."""
    if request.operation not in ("CREATE", "UPDATE") or not is_agent(request):
        return ""
    # An update without the annotation is compared with the template of the old object.
    told = [
        part(part(one, "metadata"), "annotations") for one in (request.object, request.old_object)
    ]
    key = next((one[TEMPLATE] for one in told if TEMPLATE in one), None)
    allowed = (one.spec.templates.keys() for one in governing if one.spec.templates)
    return key if isinstance(key, str) and any(key in keys for keys in allowed) else ""


def is_agent(request: Request | Review) -> bool:
    """Whether a request is about an Agent itself, and not about a subresource."""
    return (request.group, request.version, request.resource, request.subresource) == (
        AGENT_GROUP,
        AGENT_VERSION,
        AGENT_RESOURCE,
        "",
    )
