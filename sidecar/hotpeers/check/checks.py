"""The list of all checks, and what they need to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .certificates import find_bad_bundles
from .cluster import find_old_cluster, find_old_kubelets, find_skew
from .definitions import find_definitions
from .finding import Finding, Severity
from .hub import find_bad_tokens
from .policies import find_idle_policies
from .quotas import find_full_quotas, find_rejected_pods
from .reasons import CheckReason
from .release import consoles, controllers, hubs, injectors
from .releases import (
    find_installed_twice,
    find_missing_controller,
    find_other_versions,
    find_unpulled_images,
)
from .rights import find_missing_rights
from .snapshot import Part, Snapshot
from .trial import find_failed_trial
from .webhooks import find_blocking_policies, find_missing_webhook, find_unreachable
from .workloads import (
    find_excluded,
    find_go_without_bridge,
    find_missing_credentials,
    find_missing_invitations,
    find_not_injected,
    find_skipped,
)

Find = Callable[[Snapshot], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check. Without the parts `needs` it is left out; without `uses` it finds less."""

    title: str
    find: Find
    needs: tuple[Part, ...] = ()
    uses: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A check, its findings, and the missing parts; `left_out` if it could not be done at all."""

    check: Check
    findings: tuple[Finding, ...]
    missing: tuple[Part, ...]
    left_out: bool


BEFORE = (
    Check("the version of Kubernetes is supported", find_old_cluster),
    Check("the clocks agree", find_skew, (Part.CLOCK,)),
    Check("kubelets can run native sidecars", find_old_kubelets, (Part.NODES,)),
    Check("you may install hotpeers", find_missing_rights, (Part.OWN_RIGHTS,)),
)
"""The checks before an installation."""

_RIGHTS = Check("the accounts have their rights", find_missing_rights, (Part.RELEASES, Part.RIGHTS))
_ALWAYS = (
    *BEFORE[:3],
    Check("the controller is installed", find_missing_controller, (Part.RELEASES,)),
    Check("hotpeers is installed once", find_installed_twice, (Part.RELEASES, Part.WEBHOOKS)),
    Check("the custom resources are defined", find_definitions, (Part.DEFINITIONS,)),
    Check("the webhook that injects pods exists", find_missing_webhook, (Part.WEBHOOKS,)),
)
"""The checks that also make sense if nothing is installed: they say what is missing."""
AFTER = (
    *_ALWAYS,
    Check("the webhooks can be reached", find_unreachable, (Part.WEBHOOKS, Part.SLICES)),
    Check(
        "no NetworkPolicy is in the way",
        find_blocking_policies,
        (Part.RELEASES, Part.NETWORK_POLICIES),
    ),
    Check(
        "the certificates are valid, and the caBundles fit",
        find_bad_bundles,
        (Part.WEBHOOKS,),
        (Part.RELEASES, Part.CERTIFICATES),
    ),
    _RIGHTS,
    Check("an injection works (dry run)", find_failed_trial, (), (Part.NAMESPACES,)),
    Check("images can be pulled", find_unpulled_images, (Part.PODS,), (Part.OWN_PODS,)),
    Check(
        "sidecars have the version of the controller",
        find_other_versions,
        (Part.PODS, Part.RELEASES),
    ),
    Check(
        "no namespace that asks is excluded",
        find_excluded,
        (Part.WEBHOOKS, Part.NAMESPACES),
        (Part.WORKLOADS, Part.PODS),
    ),
    Check("no pod was skipped", find_skipped, (Part.PODS,)),
    Check(
        "each pod that asks is injected",
        find_not_injected,
        (Part.PODS, Part.WEBHOOKS, Part.NAMESPACES),
    ),
    Check("agents on the Go runtime have the bridge", find_go_without_bridge, (Part.AGENTS,)),
    Check("namespaces invite who asks", find_missing_invitations, (Part.PODS, Part.NAMESPACES)),
    Check(
        "Secrets of credentials exist", find_missing_credentials, (), (Part.CREDENTIALS, Part.PODS)
    ),
    Check("quotas have room", find_full_quotas, (Part.QUOTAS,), (Part.WORKLOADS, Part.RELEASES)),
    Check("no quota rejected a pod", find_rejected_pods, (Part.EVENTS,), (Part.WORKLOADS,)),
    Check("SpawnPolicies have subjects", find_idle_policies, (Part.POLICIES,)),
    Check(
        "the hub's tokens are valid",
        find_bad_tokens,
        (Part.ORCHESTRATORS, Part.RELEASES),
        (Part.TOKENS, Part.HUB_KEY),
    ),
)
"""The checks after an installation."""
_OPTIONAL = (Part.HUB_KEY,)
"""Only few users may read these; without them a check finds a little less, which is no fault."""


def checks_after(snapshot: Snapshot) -> tuple[Check, ...]:
    """The checks of an installation. If it is certain that there is none, only those that say so.

    The hub and the console go on while the controller is off.
    """
    known = snapshot.knows(Part.RELEASES, Part.WEBHOOKS)
    if not known or controllers(snapshot) or injectors(snapshot):
        return AFTER
    goes_on = hubs(snapshot) or consoles(snapshot)
    return (*_ALWAYS, _RIGHTS) if goes_on else _ALWAYS


def run_checks(snapshot: Snapshot, checks: Iterable[Check]) -> list[Done]:
    """The results of all checks, in their order."""
    found = []
    for check in checks:
        missing = tuple(one for one in (*check.needs, *check.uses) if one in snapshot.unread)
        left_out = any(one in snapshot.unread for one in check.needs)
        findings = () if left_out else _findings(check, snapshot)
        found.append(Done(check, findings, missing, left_out))
    return found


def _findings(check: Check, snapshot: Snapshot) -> tuple[Finding, ...]:
    """The findings of a check. An object with fields of wrong types ends only the checks that read it."""
    try:
        return tuple(check.find(snapshot))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        wrong = f"an object has an unexpected shape ({type(error).__name__}: {error})"
        return (Finding(CheckReason.READ_FAILED, f"the check that {check.title}", wrong),)


def unread_findings(snapshot: Snapshot) -> list[Finding]:
    """A finding for each part that could not be read."""
    found = []
    for one, why in snapshot.unread.items():
        reason = CheckReason.READ_FORBIDDEN if why.forbidden else CheckReason.READ_FAILED
        level = Severity.NOTE if one in _OPTIONAL else None
        found.append(Finding(reason, str(one), why.message, level=level))
    return found
