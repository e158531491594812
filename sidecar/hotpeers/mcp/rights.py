"""Finds namespaces in which this identity may create agents, to suggest them in an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..kube.client import Client
from ..kube.errors import KubeError
from ..registry.fault import Fault
from ..registry.reasons import RegistryReason

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_MAX_ASKED = 20
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of this identity. `known` returns the namespaces to check.

    An identity without the right to list namespaces must know their names from another source.
    """

    client: Client
    known: Callable[[], Iterable[str]]

    @asynccontextmanager
    async def explained(self) -> AsyncIterator[None]:
        """Add the namespaces in which agents may be created to a `Fault` about a missing right."""
        try:
            yield
        except Fault as fault:
            if fault.reason is not RegistryReason.RIGHT_MISSING:
                raise
            raise await self._explain(fault) from fault

    async def _explain(self, fault: Fault) -> Fault:
        try:
            async with asyncio.timeout(_SECONDS):
                known = await asyncio.to_thread(lambda: sorted(set(self.known()) - {""}))
                known = known[:_MAX_ASKED]
                answers = await asyncio.gather(*map(self._may, known))
        except (KubeError, TimeoutError):
            return fault
        allowed = [name for name, may in zip(known, answers, strict=True) if may]
        if allowed:
            where = f"you may create agents in: {', '.join(allowed)}"
            advice = f"Use one of these namespaces: {', '.join(allowed)}. {fault.advice}"
        else:
            where = f"you may not create agents in any of: {', '.join(known)}"
            advice = fault.advice
        return Fault(fault.reason, f"{fault.message}; {where}", advice)

    async def _may(self, namespace: str) -> bool:
        attributes = {"group": "kagent.dev", "resource": "agents", "verb": "create"}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**attributes, "namespace": namespace}},
        }
        answer = await self.client.post(_REVIEWS, review)
        status = answer.get("status") if isinstance(answer, dict) else None
        return isinstance(status, dict) and status.get("allowed") is True
