"""The failure of a tool: a reason word, a message, and advice about the next step."""

from __future__ import annotations

from hotpeers_shim.contract import clean_text

from ..base.reasons import Reason
from ..kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError, UnreachableError
from ..kube.reasons import KubeReason
from .reasons import RegistryReason

_MAX_MESSAGE = 4096
_LATER = "Nothing was changed. Try again later."
# For these reasons the outcome of a write is known, whatever the status: the server answered the request.
_SAY_WHAT_HAPPENED = (
    RegistryReason.ADMISSION_DENIED,
    RegistryReason.ADMISSION_SILENT,
    RegistryReason.OBJECT_INVALID,
)
# The message about a webhook that does not answer. Admission precedes storage, so nothing is stored.
_SILENT = "failed calling webhook"
_DENIALS = ("admission webhook ", "ValidatingAdmissionPolicy ", "denied the request")


class Fault(Exception):
    """An expected failure. `advice` is text for a model."""

    def __init__(self, reason: Reason, message: str, advice: str = "") -> None:
        super().__init__(clean_text(message, _MAX_MESSAGE))
        self.reason = reason
        self.advice = advice

    @property
    def message(self) -> str:
        """A description of the failure."""
        return str(self)


def fault_of(error: KubeError, what: str) -> Fault:
    """The failure of a request that wrote nothing. `what` names the request."""
    reason, advice = _classify(error)
    return Fault(reason, f"{what}: {error.detail}", advice)


def fault_of_write(error: KubeError, what: str) -> Fault:
    """The failure of a write request. Without an answer, it is unknown whether the write was done."""
    fault = fault_of(error, what)
    if fault.reason in _SAY_WHAT_HAPPENED or 0 < error.status < 500:
        return fault
    advice = "Look with list_spawned_agents; the same request can be repeated safely."
    return Fault(RegistryReason.OUTCOME_UNKNOWN, fault.message, advice)


def _classify(error: KubeError) -> tuple[Reason, str]:
    return _classify_admission(error) or _classify_answer(error)


def _classify_admission(error: KubeError) -> tuple[Reason, str] | None:
    # A denial by admission can have any status. Only its message distinguishes it from a denial by
    # RBAC and from a failed validation.
    if error.status and any(mark in error.detail for mark in _DENIALS):
        return (
            RegistryReason.ADMISSION_DENIED,
            "Change what the message names and apply again. What it does not allow cannot be had "
            "in another way: tell the user if the task needs it.",
        )
    if _SILENT in error.detail:
        return (
            RegistryReason.ADMISSION_SILENT,
            "Nothing was changed. Try again in a minute; if it stays so, tell the user that an "
            "operator has to look at it.",
        )
    return None


def _classify_answer(error: KubeError) -> tuple[Reason, str]:
    if isinstance(error, ForbiddenError):
        return (
            RegistryReason.RIGHT_MISSING,
            "Do not try again: an operator has to grant this right.",
        )
    if isinstance(error, NotFoundError):
        return RegistryReason.OBJECT_NOT_FOUND, "Check apiVersion, kind, namespace and name."
    if isinstance(error, ConflictError):
        return (
            RegistryReason.FIELD_TAKEN,
            "Use another name, or leave out the fields that the message names.",
        )
    # The API server answers an unknown field of metadata with 500 (Kubernetes 1.36).
    if error.status in (400, 422) or "not declared in schema" in error.detail:
        return (
            RegistryReason.OBJECT_INVALID,
            "Correct the fields that the message names and apply again.",
        )
    lost = isinstance(error, UnreachableError)
    return KubeReason.API_UNREACHABLE if lost else error.reason, _LATER
