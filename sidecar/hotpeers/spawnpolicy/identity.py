"""Identifies the sender of a request by its account and the watch cache, never by the request's object.

The account of a spawned agent stays governed while that agent is being deleted, and afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ..base.parts import part
from ..base.reasons import Reason
from .decision import Denial
from .known import Known
from .origin import KnownAgent
from .reasons import PolicyReason
from .request import AGENT_GROUP, AGENT_KIND, Subject
from .stamps import POLICY

_ACCOUNT = re.compile(r"system:serviceaccount:([-a-z0-9]{1,63}):([-a-z0-9.]{1,253})")


class Standing(StrEnum):
    """Whether the guard governs the sender of a request."""

    GOVERNED = "Governed"
    REFUSED = "Refused"
    FREE = "Free"
    """No known policy names it. The webhook configuration lags, or it is no longer a subject."""
    ORPHAN = "Orphan"
    """Free, unless its ServiceAccount belonged to an agent that is gone; see `of_orphan`."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The sender of a request. `denial` is set if every request of this sender is denied."""

    standing: Standing
    subject: Subject | None = None
    denial: Denial | None = None


_NOBODY = Identity(Standing.FREE)


def identify(username: str, uid: str, known: Known) -> Identity:
    """The sender, from the user name and uid of the request. Only ServiceAccounts can be subjects."""
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
    """The final identity of an orphan. `account` is its ServiceAccount, or None if it does not exist."""
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
    # An orphaned account has no owner reference. It still has the annotations of its agent, because
    # kagent copies them to the account.
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
    """Identify an account that several agents run as.

    If a policy governs any of the agents but does not name the account itself, the guard cannot
    determine which agent sent the request, and denies it.
    """
    spawned = any(known.is_spawned(one) for one in agents)
    if named and not spawned:
        return _alone(alone)
    subjects = (replace(alone, agent=one.name, agent_uid=one.uid) for one in agents)
    if not spawned and not any(map(known.governing, subjects)):
        # No policy governs these agents. The API server sends the request because match conditions
        # contain ranges of names.
        return Identity(Standing.FREE, alone)
    names = ", ".join(sorted(one.name for one in agents)[:3])
    more = f" and {len(agents) - 3} more" if len(agents) > 3 else ""
    wrong = f"{alone.namespace}/{alone.service_account} is the account of {names}{more}"
    instead = "one account for each agent, or a SpawnPolicy that names the account"
    return _refused(PolicyReason.ACCOUNT_SHARED, wrong, alone, instead)


def _alone(alone: Subject) -> Identity:
    if not alone.service_account_uid:
        # This uid is stamped on the agents that the account spawns. A user who only impersonates the
        # account's name has no uid.
        wrong = f"the request has no uid of {alone.namespace}/{alone.service_account}"
        return _refused(PolicyReason.SUBJECT_UNCLEAR, wrong, alone, "a token of the account")
    return Identity(Standing.GOVERNED, alone)


def _refused(reason: Reason, wrong: str, subject: Subject, instead: str = "") -> Identity:
    return Identity(Standing.REFUSED, subject, Denial(reason, "", wrong, instead))
