"""What `hotpeers check` finds."""

from __future__ import annotations

from ..base.reasons import Reason


class CheckReason(Reason):
    """What `hotpeers check` finds."""

    CLUSTER_TOO_OLD = "ClusterTooOld", "The API server is older than Kubernetes 1.28."
    KUBELET_TOO_OLD = (
        "KubeletTooOld",
        "A node's kubelet is older than 1.29: it has no native sidecars.",
    )
    CLOCK_SKEWED = (
        "ClockSkewed",
        "The clocks of this machine and of the API server differ by more than 30 seconds.",
    )
    READ_FORBIDDEN = "ReadForbidden", "You may not read what some checks need; they are left out."
    READ_FAILED = (
        "ReadFailed",
        "Some checks could not be done: the API server did not answer, or an object has an unexpected shape.",
    )
    INSTALL_FORBIDDEN = "InstallForbidden", "You may not create objects that an installation needs."
    CONTROLLER_MISSING = "ControllerMissing", "There is no Deployment of the controller."
    INSTALLED_TWICE = (
        "InstalledTwice",
        "There is more than one controller or injecting webhook configuration of hotpeers.",
    )
    CONSOLE_SCALED = (
        "ConsoleScaled",
        "The console has more than one pod, and each knows only its own sessions.",
    )
    VERSIONS_DIFFER = (
        "VersionsDiffer",
        "A pod has a sidecar of another image or version than new pods get.",
    )
    IMAGE_NOT_PULLED = "ImageNotPulled", "A node cannot pull the image of a container of hotpeers."
    WEBHOOK_MISSING = "WebhookMissing", "There is no webhook configuration that injects pods."
    WEBHOOK_UNREACHABLE = (
        "WebhookUnreachable",
        "The Service of a webhook has no ready endpoint, so that pods start without injection.",
    )
    NETWORK_POLICY_BLOCKS = (
        "NetworkPolicyBlocks",
        "NetworkPolicies keep the API server from the port of the webhook.",
    )
    CERTIFICATE_EXPIRED = "CertificateExpired", "A certificate of the webhook is not valid now."
    CA_BUNDLE_WRONG = (
        "CaBundleWrong",
        "The caBundle of a webhook is missing or has not signed the webhook's certificate.",
    )
    DEFINITION_MISSING = "DefinitionMissing", "A CustomResourceDefinition of hotpeers is missing."
    DEFINITION_OLD = (
        "DefinitionOld",
        "A CustomResourceDefinition lacks fields that this version of hotpeers uses.",
    )
    ACCOUNT_RIGHT_MISSING = (
        "AccountRightMissing",
        "The controller, the hub or the console lacks a right of its manifest.",
    )
    INJECTION_NOT_DONE = (
        "InjectionNotDone",
        "A pod that asks for injection gets no sidecar in a dry run.",
    )
    INJECTION_UNTESTED = "InjectionUntested", "The dry run of an injection was refused."
    NAMESPACE_EXCLUDED = (
        "NamespaceExcluded",
        "Pods ask for injection in a namespace that the webhook excludes.",
    )
    POD_SKIPPED = "PodSkipped", "A pod asks for injection and was skipped; its annotation says why."
    POD_NOT_INJECTED = (
        "PodNotInjected",
        "A pod asks for injection and has no sidecar: the webhook did not answer when it was created.",
    )
    GO_WITHOUT_BRIDGE = (
        "GoWithoutBridge",
        "An Agent with kagent's Go runtime has the bridge switched off, and so gets no peers.",
    )
    CREDENTIALS_MISSING = (
        "CredentialsMissing",
        "The Secret that hotpeers.dev/credentials names does not exist.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "A quota leaves no room for the containers of an injected pod.",
    )
    POLICY_WITHOUT_SUBJECTS = (
        "PolicyWithoutSubjects",
        "A SpawnPolicy names no subjects, and so governs no agent.",
    )
    HUB_TOKEN_MISSING = (
        "HubTokenMissing",
        "The Secret with the token of an Orchestrator does not exist.",
    )
    HUB_TOKEN_WRONG = (
        "HubTokenWrong",
        "The hub rejects the token in the Secret of an Orchestrator.",
    )
