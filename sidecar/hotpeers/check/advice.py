"""What to do about each finding, how bad it is, and where it is documented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..base.reasons import Reason
from ..controller.reasons import ControllerReason
from .reasons import CheckReason as R

_CONTROLLER = "cluster-objects.md#what-the-controller-keeps-in-the-cluster"
_INJECTION = "injection.md"


class Severity(StrEnum):
    """How bad a finding is; only an error makes the command fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Advice:
    """`page` is a page of docs/reference, with an anchor if it is about one section."""

    remedy: str
    severity: Severity = Severity.ERROR
    page: str = "check.md"


_WARNING, _NOTE = Severity.WARNING, Severity.NOTE

ADVICE: Mapping[Reason, Advice] = {
    R.CLUSTER_TOO_OLD: Advice("Upgrade Kubernetes to 1.28 or newer."),
    R.KUBELET_TOO_OLD: Advice(
        "Upgrade the kubelet, or set sidecar.native=false in the chart (--native-sidecars false).",
        _NOTE,
        _INJECTION,
    ),
    R.CLOCK_SKEWED: Advice(
        "Synchronize both clocks by NTP: certificates and tokens depend on them.", _WARNING
    ),
    R.READ_FORBIDDEN: Advice("Run the check as a user who may, or ask for the right.", _WARNING),
    R.READ_FAILED: Advice("Run the check again; look at the log of the API server.", _WARNING),
    R.INSTALL_FORBIDDEN: Advice("Install as a user with these rights, such as cluster-admin."),
    R.CONTROLLER_MISSING: Advice(
        "Install the chart (docs/install.md), or turn it on by the value enabled=true. "
        "Before that, use --pre."
    ),
    R.INSTALLED_TWICE: Advice("Uninstall one of them: a cluster has one release."),
    R.CONSOLE_SCALED: Advice(
        "Scale its Deployment to 1, and remove what has scaled it: the console has no more than one pod.",
        _WARNING,
    ),
    R.VERSIONS_DIFFER: Advice(
        "Restart its workload at a quiet time: kubectl rollout restart.", _WARNING, _INJECTION
    ),
    R.IMAGE_NOT_PULLED: Advice(
        "Push the image to a registry that the nodes reach, and set image.repository, image.tag and "
        "the pull secrets. Injected pods pull with the secrets of their own namespace."
    ),
    R.WEBHOOK_MISSING: Advice(
        "Install or upgrade the chart: helm upgrade, with enabled=true if it is off.",
        page=_CONTROLLER,
    ),
    R.WEBHOOK_UNREACHABLE: Advice(
        "See why the controller's pods are not ready: kubectl describe and kubectl logs.",
        page=_CONTROLLER,
    ),
    R.NETWORK_POLICY_BLOCKS: Advice(
        "Admit all addresses to the port of the webhook (9443): the API server is not a pod. "
        "The chart's networkPolicy.enabled does so."
    ),
    R.CERTIFICATE_EXPIRED: Advice(
        "Look at the controller's log: it renews certificates. To recreate them, scale it to 0, empty "
        "the Secret, and scale it up. With cert-manager, look at its Certificate.",
        page=_CONTROLLER,
    ),
    R.CA_BUNDLE_WRONG: Advice(
        "The controller writes the caBundle once it leads: look at its log. With cert-manager, look "
        "at cainjector. No other tool may write this field.",
        page=_CONTROLLER,
    ),
    R.DEFINITION_MISSING: Advice(
        "Upgrade the chart with crds.install=true, or kubectl apply -f k8s/crds.",
        page="cluster-objects.md",
    ),
    R.DEFINITION_OLD: Advice(
        "Apply the CustomResourceDefinitions of this version: kubectl apply -f k8s/crds.",
        page="cluster-objects.md",
    ),
    R.ACCOUNT_RIGHT_MISSING: Advice(
        "Apply the roles of the installed version again: helm upgrade, or k8s/rbac.",
        page=_CONTROLLER,
    ),
    R.INJECTION_NOT_DONE: Advice(
        "Fix the other errors first. If there are none, look at the controller's log, and whether "
        "the API server can connect to it.",
        page=_INJECTION,
    ),
    R.INJECTION_UNTESTED: Advice(
        "Choose a namespace with --namespace where you may create pods.", _WARNING, _INJECTION
    ),
    R.NAMESPACE_EXCLUDED: Advice(
        "Move the workload, or remove the namespace from webhook.excludedNamespaces or its label "
        "hotpeers.dev/injection=disabled.",
        page=_INJECTION,
    ),
    R.POD_SKIPPED: Advice("Change the pod template as the reason says.", _WARNING, _INJECTION),
    R.POD_NOT_INJECTED: Advice(
        "Restart its workload: kubectl rollout restart.", _WARNING, _INJECTION
    ),
    R.GO_WITHOUT_BRIDGE: Advice(
        "Remove the annotation hotpeers.dev/bridge.", page="injection.md#the-bridge"
    ),
    R.CREDENTIALS_MISSING: Advice(
        "Create the Secret; the running sidecar reads it.", page="calls.md#credentials"
    ),
    R.QUOTA_EXCEEDED: Advice(
        "Raise the ResourceQuota, or lower the amounts by the annotations hotpeers.dev/cpu-request "
        "and so on.",
        _WARNING,
        "injection.md#amounts",
    ),
    R.POLICY_WITHOUT_SUBJECTS: Advice(
        "Name the orchestrators in spec.subjects.", _WARNING, "spawn-policy.md"
    ),
    R.HUB_TOKEN_MISSING: Advice(
        "Look at the status of the Orchestrator, and enable the hub (hub.enabled).",
        page="mcp.md#the-hub",
    ),
    R.HUB_TOKEN_WRONG: Advice(
        "Delete the Secret; the controller writes it again. Then restart the clients that read it.",
        page="mcp.md#the-hub",
    ),
    ControllerReason.READERS_NOT_INVITED: Advice(
        "Annotate the namespace: kubectl annotate namespace NAME hotpeers.dev/readers=NAMESPACE.",
        page=_CONTROLLER,
    ),
    ControllerReason.INJECTION_DISABLED: Advice(
        "Remove the label hotpeers.dev/injection=disabled from the namespace, or these pods.",
        _WARNING,
        _CONTROLLER,
    ),
}
"""For each reason that a finding can have."""
