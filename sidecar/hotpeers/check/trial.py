"""The dry run of an injection."""

from __future__ import annotations

from collections.abc import Iterator

from ..base.parts import part, text
from ..inject.annotations import INJECT, INJECTION_LABEL, SKIPPED
from ..inject.conflicts import is_injected
from .finding import Finding
from .quotas import is_of_quota
from .reasons import CheckReason
from .release import injecting_webhooks
from .snapshot import Json, Part, Snapshot
from .workloads import asking_namespaces, is_injectable

_PREFIX = "hotpeers-check-"


def trial_pod() -> Json:
    """A pod that asks for injection; the strictest pod security standard admits it. It never runs."""
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    amounts = {"cpu": "10m", "memory": "16Mi"}
    container = {
        "name": "agent",
        "image": "hotpeers-check",
        "command": ["python", "-c", "pass"],
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": context,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": _PREFIX, "annotations": {INJECT: "true"}},
        "spec": {"containers": [container]},
    }


def trial_namespace(snapshot: Snapshot, preferred: str) -> str:
    """Where to try: the user's namespace, else one that asks for injection, of those not excluded."""
    hooks = injecting_webhooks(snapshot)
    labels = {
        text(one, "metadata", "name"): part(one, "metadata", "labels")
        for one in snapshot.of(Part.NAMESPACES)
    }
    wanted = [snapshot.namespace or preferred, *asking_namespaces(snapshot), *sorted(labels)]
    if snapshot.namespace or not hooks or not labels:
        return wanted[0]
    good = [
        one
        for one in wanted
        if one in labels
        and is_injectable(labels[one], hooks)
        and labels[one].get(INJECTION_LABEL) != "disabled"
    ]
    return good[0] if good else wanted[0]


def find_failed_trial(snapshot: Snapshot) -> Iterator[Finding]:
    """The dry run was refused, or its pod has no sidecar."""
    trial = snapshot.trial
    if trial is None:
        return
    where = f"Namespace {trial.namespace}"
    if trial.pod is None:
        of_quota = is_of_quota(trial.refusal)
        reason = CheckReason.QUOTA_EXCEEDED if of_quota else CheckReason.INJECTION_UNTESTED
        yield Finding(reason, where, trial.refusal)
    elif not is_injected(trial.pod):
        skipped = text(trial.pod, "metadata", "annotations", SKIPPED)
        message = skipped or "the API server admitted a pod unchanged, though it asks for injection"
        yield Finding(CheckReason.INJECTION_NOT_DONE, where, message)
