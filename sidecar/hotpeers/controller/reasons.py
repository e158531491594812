"""What is wrong in a controller."""

from __future__ import annotations

from ..base.reasons import Reason


class ControllerReason(Reason):
    """What is wrong in a controller."""

    SOURCES_UNREADABLE = (
        "SourcesUnreadable",
        "The pod's Agent or Namespace could not be read; delete the pod to try again.",
    )
    CERTIFICATE_INVALID = (
        "CertificateInvalid",
        "The certificate and its key cannot be served with; those before them stay.",
    )
    CERTIFICATES_BAD = (
        "CertificatesBad",
        "The Secret of the certificates is not ours or damaged; it is left alone.",
    )
    BINDING_TAKEN = "BindingTaken", "Another binding of that name exists, and is left alone."
    ROLE_MISSING = (
        "RoleMissing",
        "A ClusterRole of hotpeers does not exist, so that nobody is bound to it.",
    )
    READERS_NOT_INVITED = (
        "ReadersNotInvited",
        "The annotation hotpeers.dev/readers of the namespace leaves it out.",
    )
    INJECTION_DISABLED = (
        "InjectionDisabled",
        "Nothing may be injected in this namespace, and no account of it is bound.",
    )
    GUARD_MISSING = (
        "GuardMissing",
        "A webhook configuration of the guard does not exist, so that nothing is admitted.",
    )
    GUARD_OPEN = (
        "GuardOpen",
        "A webhook configuration of the guard was changed so that requests pass by it.",
    )
    STAMP_UNREADABLE = (
        "StampUnreadable",
        "A stamp of a spawned agent cannot be read; the agent is left alone.",
    )
    DELETION_UNKNOWN = (
        "DeletionUnknown",
        "What becomes of the agents of a policy that is gone is not known; they stay.",
    )
    TOO_MANY_EVENTS = "TooManyEvents", "The subject has written as many Events as it may of late."
    GUARD_NOT_READY = (
        "GuardNotReady",
        "The guard does not know all agents and policies yet; the request is refused.",
    )
    GUARD_FAILED = (
        "GuardFailed",
        "A fault of hotpeers, or no answer in time; the request is refused.",
    )
    TOO_BUSY = "TooBusy", "Too many requests at once, of one subject or at the port; try again."
    COUNTS_BUSY = (
        "CountsBusy",
        "What is admitted could not be written down in time, and so is not admitted.",
    )
    LEDGER_AHEAD = (
        "LedgerAhead",
        "The ledger was written by a clock that is ahead of this one; nothing is admitted.",
    )
    LEDGER_BAD = "LedgerBad", "The ledger of a SpawnPolicy cannot be read; nothing is admitted."
    LEDGER_FULL = "LedgerFull", "The ledger of a SpawnPolicy has no place for another agent."
    LEDGER_LOST = (
        "LedgerLost",
        "The ledger of a SpawnPolicy was lost; nothing is admitted for a minute.",
    )
    HOLD_UNREADABLE = (
        "HoldUnreadable",
        "The Deployment has the label of a hold, and is not one that can be held.",
    )
    HELD_AGAIN = (
        "HeldAgain",
        "The webhook held what the controller released: it does not know its user.",
    )
