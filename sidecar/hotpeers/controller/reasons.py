"""The reasons of problems in a controller."""

from __future__ import annotations

from ..base.reasons import Reason


class ControllerReason(Reason):
    """A reason of a problem in a controller."""

    SOURCES_UNREADABLE = (
        "SourcesUnreadable",
        "The pod's Agent or Namespace could not be read; delete the pod to retry.",
    )
    CERTIFICATE_INVALID = (
        "CertificateInvalid",
        "The certificate and its key cannot be used; the earlier ones stay in use.",
    )
    CERTIFICATES_BAD = (
        "CertificatesBad",
        "The Secret of the certificates is damaged or not ours; it is not changed.",
    )
    BINDING_TAKEN = (
        "BindingTaken",
        "A binding of this name exists that hotpeers did not create; it is not changed.",
    )
    ROLE_MISSING = (
        "RoleMissing",
        "A ClusterRole of hotpeers is missing, so no binding to it is made.",
    )
    READERS_NOT_INVITED = (
        "ReadersNotInvited",
        "The annotation hotpeers.dev/readers of a peer namespace does not admit the orchestrator.",
    )
    INJECTION_DISABLED = (
        "InjectionDisabled",
        "Injection is disabled in this namespace, so its accounts get no binding.",
    )
    ORCHESTRATOR_TAKEN = (
        "OrchestratorTaken",
        "An Orchestrator of the hub has the name of an injected workload, whose state is not shown.",
    )
    WORKLOAD_HIDDEN = (
        "WorkloadHidden",
        "Injected workloads of different kinds have the same name; the state of only one is shown.",
    )
    GUARD_MISSING = (
        "GuardMissing",
        "A webhook configuration of the guard is missing, so nothing is admitted.",
    )
    GUARD_OPEN = (
        "GuardOpen",
        "A webhook configuration of the guard was changed and lets requests bypass the guard.",
    )
    STAMP_UNREADABLE = (
        "StampUnreadable",
        "An annotation hotpeers.dev/… of a spawned agent has an invalid value; the agent stays as it is.",
    )
    DELETION_UNKNOWN = (
        "DeletionUnknown",
        "The deletionPolicy of a deleted SpawnPolicy is unknown; its agents stay.",
    )
    TOO_MANY_EVENTS = (
        "TooManyEvents",
        "The subject has reached its limit of Events or of status reports.",
    )
    GUARD_NOT_READY = (
        "GuardNotReady",
        "The guard has not read all agents and policies yet; the request is denied.",
    )
    GUARD_FAILED = (
        "GuardFailed",
        "hotpeers has a bug here, or did not answer in time; the request is denied.",
    )
    TOO_BUSY = "TooBusy", "There are too many requests at once, of this subject or in total; retry."
    COUNTS_BUSY = "CountsBusy", "The slot could not be reserved in time, so the request is denied."
    LEDGER_AHEAD = "LedgerAhead", "The ledger has a time ahead of this clock; nothing is admitted."
    LEDGER_BAD = "LedgerBad", "The ledger of a SpawnPolicy is unreadable; nothing is admitted."
    LEDGER_FULL = "LedgerFull", "The ledger of a SpawnPolicy has no room for another agent."
    LEDGER_LOST = (
        "LedgerLost",
        "The ledger of a SpawnPolicy was lost; nothing is admitted for a minute.",
    )
    HOLD_UNREADABLE = "HoldUnreadable", "The Deployment has the label of a hold but cannot be held."
    HUB_KEY_BAD = (
        "HubKeyBad",
        "The Secret of the hub's key is missing or holds something else, so the hub accepts no token.",
    )
    TOKEN_SECRET_TAKEN = (
        "TokenSecretTaken",
        "The Secret for the token of an Orchestrator belongs to somebody else; it is not changed.",
    )
    TOOL_SERVER_TAKEN = (
        "ToolServerTaken",
        "A RemoteMCPServer of this name exists that hotpeers did not create; it is not changed.",
    )
    ORCHESTRATOR_FAILED = (
        "OrchestratorFailed",
        "An object of an Orchestrator cannot be written.",
    )
    HELD_AGAIN = (
        "HeldAgain",
        "The webhook held a release of the controller: it does not recognize the controller's user.",
    )
    POLICY_FAULTY = (
        "Invalid",
        "The SpawnPolicy is invalid: it allows nothing, and its subjects stay governed.",
    )
    NOT_GOVERNED = (
        "NotGoverned",
        "The subjects of the SpawnPolicy are not in the guard's webhook configurations yet.",
    )
    ACCOUNT_NOT_NAMED = (
        "AccountNotNamed",
        "An orchestrator runs as another account than its own, and is not governed there.",
    )
    COUNTING = (
        "Counting",
        "The ledger of the SpawnPolicy was lost, so it admits no agent for a minute.",
    )
    BEYOND_LIMIT = (
        "LimitExceeded",
        "The namespace has too many SpawnPolicies or subjects, so this one is not served.",
    )
