"""Confirms with live reads that a user is not governed, where the watch cache may be behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from ...base.errors import HotpeersError
from ...base.names import NamespacedName
from ...spawnpolicy.identity import Identity, Standing, identify, of_orphan
from ...spawnpolicy.known import Known
from ...spawnpolicy.request import Subject
from ...spawnpolicy.review import Review
from .knowledge import Knowledge
from .live import Live, TooManyError
from .protocols import Governing

READ_SECONDS = 2.5
"""Timeout of the live reads for one decision."""


class NotReadyError(HotpeersError):
    """This replica cannot decide yet: its caches are incomplete or out of date."""


class Confirmation:
    """Reads the policies and agents that matter for one user."""

    def __init__(self, knowledge: Knowledge, live: Live, governing: Governing) -> None:
        self._knowledge = knowledge
        self._live = live
        self._governing = governing

    async def confirm(self, review: Review, identity: Identity) -> Identity:
        """Check with live reads that the user is not governed.

        This replica knows of no policy for the user. But the API server sent the request, so
        another replica may know of one.
        """
        subject = identity.subject
        if identity.standing is Standing.REFUSED or subject is None:
            return identity
        async with asyncio.timeout(READ_SECONDS):
            known = await self._known_now(subject)
            if identity.standing is Standing.ORPHAN:
                account = await self._live.account(subject.namespace, subject.service_account)
                identity = of_orphan(identity, account)
        again = identify(review.username, review.user_uid, known)
        # Other standings prove nothing: the policy of a spawned agent may be in a namespace that
        # was not read.
        if again.standing in {Standing.GOVERNED, Standing.REFUSED}:
            raise NotReadyError("a SpawnPolicy or Agent changed and was not read yet; try again")
        return identity

    async def _known_now(self, subject: Subject) -> Known:
        """The agents and policies now, as far as they matter for an account in its namespace.

        Read from the API server, because the watch cache may be behind.
        """
        account = NamespacedName(subject.namespace, subject.service_account)
        if not self._governing.spans(account):
            with suppress(TooManyError):
                return await self._live.known_in(subject.namespace)
        # A range of names sends requests of many accounts, and a namespace that is matched as a
        # whole may be large, so a list per request costs too much. Use the cache, and read only the
        # account's own agent: it may be too new for the cache.
        if not self._knowledge.fresh():
            raise NotReadyError("the state of the cluster is not known yet; try again")
        agent = await self._live.agent(subject.namespace, subject.service_account)
        if agent is None:
            return Known()
        # A namespace may have thousands of policies: take only those that name this account or
        # its agent.
        asking = replace(subject, agent=agent.name, agent_uid=agent.uid)
        return Known([agent], self._knowledge.known.governing(asking))
