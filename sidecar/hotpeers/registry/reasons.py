"""Why agentregistry, or the cluster asked in its place, gave no answer that can be used."""

from __future__ import annotations

from ..base.reasons import Reason


class RegistryReason(Reason):
    """Why agentregistry, or the cluster asked in its place, gave no answer that can be used."""

    REGISTRY_UNREACHABLE = (
        "RegistryUnreachable",
        "agentregistry cannot be reached, or did not answer in time.",
    )
    REGISTRY_FAILED = "RegistryFailed", "agentregistry refused the request, or failed to answer it."
    REGISTRY_ANSWER_BAD = (
        "RegistryAnswerBad",
        "What agentregistry answered is not what its API promises, or is too large.",
    )
    TEMPLATE_NOT_FOUND = "TemplateNotFound", "agentregistry has nothing of that name and tag."
    TEMPLATE_NOT_MAPPED = (
        "TemplateNotMapped",
        "The entry of agentregistry cannot be made a kagent Agent.",
    )
    ADMISSION_DENIED = (
        "AdmissionDenied",
        "A rule of the cluster denies the object; its message says what it wants.",
    )
    ADMISSION_SILENT = (
        "AdmissionSilent",
        "A guard of the cluster could not be asked, so that the request was refused.",
    )
    OBJECT_INVALID = "ObjectInvalid", "The API server finds a field of the object wrong."
    OBJECT_NOT_FOUND = "ObjectNotFound", "There is no such object, or no such kind of object."
    RIGHT_MISSING = "RightMissing", "This identity has no right to do that."
    FIELD_TAKEN = "FieldTaken", "Another writer owns a field of the object; nothing was changed."
    OUTCOME_UNKNOWN = (
        "OutcomeUnknown",
        "No answer came in time, so that it is not known whether it was done.",
    )
