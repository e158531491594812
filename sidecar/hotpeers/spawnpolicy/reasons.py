"""Why the guard denies a request."""

from __future__ import annotations

from ..base.reasons import Reason


class PolicyReason(Reason):
    """Why the guard denies a request."""

    POLICY_MISSING = "PolicyMissing", "No SpawnPolicy allows this subject to do anything."
    POLICY_INVALID = "PolicyInvalid", "The SpawnPolicy is invalid and therefore allows nothing."
    RESOURCE_NOT_ALLOWED = (
        "ResourceNotAllowed",
        "A governed subject may write kagent Agents (v1alpha2), and nothing else.",
    )
    OPERATION_NOT_ALLOWED = (
        "OperationNotAllowed",
        "A governed subject may create, update and delete single agents only.",
    )
    TARGET_NOT_ALLOWED = (
        "TargetNotAllowed",
        "The SpawnPolicy does not allow the agent's namespace: targetNamespaces does not list it.",
    )
    NAME_NOT_ALLOWED = (
        "NameNotAllowed",
        "The SpawnPolicy does not allow an agent of this name, or the name is reserved.",
    )
    NAME_OCCUPIED = "NameOccupied", "Another object has this name, and kagent would overwrite it."
    NOT_SPAWNED = "NotSpawned", "The subject did not spawn this agent."
    FIELD_FORBIDDEN = "FieldForbidden", "No SpawnPolicy can allow this field or this value."
    FIELD_MALFORMED = "FieldMalformed", "The field has the wrong type or an invalid value."
    OBJECT_TOO_LARGE = "ObjectTooLarge", "The object, or a part of it, exceeds the size limit."
    TYPE_NOT_ALLOWED = "TypeNotAllowed", "The SpawnPolicy does not allow agents of this type."
    RUNTIME_NOT_ALLOWED = "RuntimeNotAllowed", "The SpawnPolicy does not allow this runtime."
    MODEL_NOT_ALLOWED = "ModelNotAllowed", "The SpawnPolicy does not allow this ModelConfig."
    IMAGE_NOT_ALLOWED = (
        "ImageNotAllowed",
        "The SpawnPolicy does not allow this image, or requires its digest.",
    )
    TOOL_NOT_ALLOWED = (
        "ToolNotAllowed",
        "The SpawnPolicy does not allow this tool server, or this tool of it.",
    )
    APPROVAL_REQUIRED = (
        "ApprovalRequired",
        "The SpawnPolicy allows this tool only if a person approves each call.",
    )
    AGENT_NOT_ALLOWED = "AgentNotAllowed", "The SpawnPolicy does not allow this agent as a tool."
    SKILL_NOT_ALLOWED = "SkillNotAllowed", "The SpawnPolicy does not allow skills from this source."
    TEMPLATE_NOT_ALLOWED = (
        "TemplateNotAllowed",
        "The SpawnPolicy does not allow this template, or requires a template.",
    )
    TEMPLATE_UNKNOWN = "TemplateUnknown", "The template that the agent names cannot be read."
    TEMPLATE_CHANGED = (
        "TemplateChanged",
        "The agent differs from the template that its annotation hotpeers.dev/template names.",
    )
    PROMPT_TOO_LONG = (
        "PromptTooLong",
        "The system message or all other text is longer than the SpawnPolicy allows.",
    )
    METADATA_NOT_ALLOWED = (
        "MetadataNotAllowed",
        "The SpawnPolicy does not allow this label or annotation.",
    )
    ENVIRONMENT_NOT_ALLOWED = (
        "EnvironmentNotAllowed",
        "The SpawnPolicy does not allow this variable.",
    )
    RESOURCES_EXCEEDED = (
        "ResourcesExceeded",
        "The agent requests more of a resource than the SpawnPolicy allows.",
    )
    TTL_NOT_ALLOWED = "TtlNotAllowed", "The agent would live longer than the SpawnPolicy allows."
    TOO_MANY_AGENTS = (
        "TooManyAgents",
        "The number of living agents has reached the SpawnPolicy's limit.",
    )
    TOO_MANY_CREATES = (
        "TooManyCreates",
        "The number of recently created agents has reached the SpawnPolicy's limit.",
    )
    TOO_DEEP = (
        "TooDeep",
        "The chain of agents that spawn agents would be longer than the SpawnPolicy allows.",
    )
    STAMP_FORGED = "StampForged", "Only the guard may write this label or annotation."
    NOT_AS_STAMPED = "NotAsStamped", "The object differs from what the guard wrote."
    CHANGED = "ConstantChanged", "The update changes a field that cannot change."
    ACCOUNT_SHARED = (
        "AccountShared",
        "Several agents use this ServiceAccount, so the guard cannot identify the agent that asks.",
    )
    SUBJECT_UNCLEAR = "SubjectUnclear", "The guard cannot identify the agent or account that asks."
    REVIEW_INVALID = (
        "ReviewInvalid",
        "The guard could not parse the admission request and denied it.",
    )
