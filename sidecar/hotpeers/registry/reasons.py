"""Why agentregistry, or the cluster asked in its place, gave no answer that can be used."""

from __future__ import annotations

from ..base.reasons import Reason


class RegistryReason(Reason):
    """Why agentregistry, or the cluster asked in its place, gave no answer that can be used."""

    REGISTRY_UNREACHABLE = (
        "RegistryUnreachable",
        "agentregistry is unreachable, or did not answer in time.",
    )
    REGISTRY_FAILED = (
        "RegistryFailed",
        "agentregistry answered the request with an error.",
    )
    REGISTRY_ANSWER_BAD = (
        "RegistryAnswerBad",
        "The answer of agentregistry does not follow its API, or is too large.",
    )
    TEMPLATE_NOT_FOUND = "TemplateNotFound", "agentregistry has no entry of this name and tag."
    TEMPLATE_NOT_MAPPED = (
        "TemplateNotMapped",
        "The agentregistry entry cannot be converted to a kagent Agent.",
    )
    ADMISSION_DENIED = (
        "AdmissionDenied",
        "An admission rule of the cluster denies the object; the message gives the rule.",
    )
    ADMISSION_SILENT = (
        "AdmissionSilent",
        "An admission webhook of the cluster is unreachable, so the API server denied the request.",
    )
    OBJECT_INVALID = "ObjectInvalid", "The API server rejects the object: a field is invalid."
    OBJECT_NOT_FOUND = "ObjectNotFound", "The object, or its kind, does not exist."
    RIGHT_MISSING = "RightMissing", "This identity is not authorized to do that."
    FIELD_TAKEN = (
        "FieldTaken",
        "Another field manager owns a field of the object; nothing was changed.",
    )
    OUTCOME_UNKNOWN = (
        "OutcomeUnknown",
        "No answer came in time, so it is unknown whether the request was carried out.",
    )
