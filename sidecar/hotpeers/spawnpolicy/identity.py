"""Who asks: told by the account of a request and what is known, by nothing that it holds.

An account whose agent was spawned stays governed also while, and after, that agent is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ..base.reasons import Reason
from .decision import Denial
from .known import Known
from .origin import KnownAgent
from .reasons import PolicyReason
from .request import AGENT_GROUP, AGENT_KIND, Subject
from .stamps import POLICY, part

_ACCOUNT = re.compile(r"system:serviceaccount:([-a-z0-9]{1,63}):([-a-z0-9.]{1,253})")


class Standing(StrEnum):
    """How one who asks stands to the guard."""

    GOVERNED = "Governed"
    REFUSED = "Refused"
    FREE = "Free"
    """No policy is known to be about it: configurations lag behind, or it is no subject any more."""
    ORPHAN = "Orphan"
    """Free, unless its ServiceAccount turns out to be what is left of an agent: see `of_orphan`."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `denial` says why, where that is enough to refuse whatever is asked."""

    standing: Standing
    subject: Subject | None = None
    denial: Denial | None = None


_NOBODY = Identity(Standing.FREE)


def identify(username: str, uid: str, known: Known) -> Identity:
    """Who asks, by the user name and uid of the request. Only ServiceAccounts can be subjects."""
    found = _ACCOUNT.fullmatch(username)
    if found is None:
        return _NOBODY
    namespace, account = found.groups()
    alone = Subject(namespace, account, uid)
    agents = known.agents_as(namespace, account)
    named = bool(known.governing(alone))
    if len(agents) > 1:
        return _shared(alone, agents, known, named=named)
    if agents:
        return _of_agent(alone, agents[0], known)
    if named:
        return _alone(alone)
    left = known.left_by(namespace, account)
    if left and known.governing(replace(alone, agent=left)):
        wrong = (
            f"the Agent {left} of a SpawnPolicy ran as {namespace}/{account}, and does no longer"
        )
        return _refused(
            PolicyReason.POLICY_MISSING, wrong, alone, "a few minutes, or the Agent as it was"
        )
    return Identity(Standing.ORPHAN, alone)


def of_orphan(identity: Identity, account: Any) -> Identity:
    """Who asks, once the ServiceAccount was read: it, or None where there is none any more."""
    subject = identity.subject
    assert subject is not None, "an orphan has an account"  # noqa: S101
    metadata = part(account, "metadata")
    owners = metadata.get("ownerReferences")
    of_an_agent = any(
        isinstance(one, dict)
        and one.get("kind") == AGENT_KIND
        and str(one.get("apiVersion")).partition("/")[0] == AGENT_GROUP
        for one in (owners if isinstance(owners, list) else ())
    )
    # kagent writes an agent's annotations on its account too; what was orphaned has no owner.
    of_an_agent |= POLICY in part(metadata, "annotations")
    same = not subject.service_account_uid or metadata.get("uid") == subject.service_account_uid
    if account is None or of_an_agent or not same:
        wrong = f"the agent of {subject.namespace}/{subject.service_account} is gone"
        return _refused(PolicyReason.POLICY_MISSING, wrong, subject)
    return Identity(Standing.FREE, subject)


def _of_agent(alone: Subject, agent: KnownAgent, known: Known) -> Identity:
    subject = replace(alone, agent=agent.name, agent_uid=agent.uid)
    if not known.is_spawned(agent):
        governed = known.governing(subject)
        return Identity(Standing.GOVERNED if governed else Standing.FREE, subject)
    if known.policy(agent.policy) is None:
        wrong = f"the SpawnPolicy that {agent.title} was spawned under is gone"
        return _refused(PolicyReason.POLICY_MISSING, wrong, subject)
    if not agent.depth:
        wrong = f"the depth of {agent.title} cannot be read"
        return _refused(PolicyReason.SUBJECT_UNCLEAR, wrong, subject)
    return Identity(Standing.GOVERNED, replace(subject, policy=agent.policy, depth=agent.depth))


def _shared(alone: Subject, agents: Sequence[KnownAgent], known: Known, *, named: bool) -> Identity:
    """Several agents run as one account: it is the subject itself, or the guard cannot tell who asks."""
    spawned = any(known.is_spawned(one) for one in agents)
    if named and not spawned:
        return _alone(alone)
    subjects = (replace(alone, agent=one.name, agent_uid=one.uid) for one in agents)
    if not spawned and not any(map(known.governing, subjects)):
        # The API server sends whole ranges of names: nothing is known about these agents.
        return Identity(Standing.FREE, alone)
    names = ", ".join(sorted(one.name for one in agents)[:3])
    more = f" and {len(agents) - 3} more" if len(agents) > 3 else ""
    wrong = f"{alone.namespace}/{alone.service_account} is the account of {names}{more}"
    instead = "one account for each agent, or a SpawnPolicy that names the account"
    return _refused(PolicyReason.ACCOUNT_SHARED, wrong, alone, instead)


def _alone(alone: Subject) -> Identity:
    if not alone.service_account_uid:
        # What it spawns is told apart by this uid; a user who only takes the name has none.
        wrong = f"the request has no uid of {alone.namespace}/{alone.service_account}"
        return _refused(PolicyReason.SUBJECT_UNCLEAR, wrong, alone, "a token of the account")
    return Identity(Standing.GOVERNED, alone)


def _refused(reason: Reason, wrong: str, subject: Subject, instead: str = "") -> Identity:
    return Identity(Standing.REFUSED, subject, Denial(reason, "", wrong, instead))
