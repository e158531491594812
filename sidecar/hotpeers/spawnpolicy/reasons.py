"""Why the guard denies a request."""

from __future__ import annotations

from ..base.reasons import Reason


class PolicyReason(Reason):
    """Why the guard denies a request."""

    POLICY_MISSING = "PolicyMissing", "No SpawnPolicy allows the subject anything."
    POLICY_INVALID = "PolicyInvalid", "The SpawnPolicy is not valid, and allows nothing."
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
        "The SpawnPolicy does not allow agents in this namespace.",
    )
    NAME_NOT_ALLOWED = (
        "NameNotAllowed",
        "The SpawnPolicy does not allow an agent of this name, or the name is reserved.",
    )
    NAME_OCCUPIED = "NameOccupied", "Something that kagent would overwrite has this name."
    NOT_SPAWNED = "NotSpawned", "The subject did not spawn this agent."
    FIELD_FORBIDDEN = "FieldForbidden", "No SpawnPolicy can allow this field, or this value of it."
    FIELD_MALFORMED = "FieldMalformed", "A field has the wrong type or a value that it cannot have."
    OBJECT_TOO_LARGE = "ObjectTooLarge", "The object, or a part of it, is larger than is looked at."
    TYPE_NOT_ALLOWED = "TypeNotAllowed", "The SpawnPolicy does not allow agents of this type."
    RUNTIME_NOT_ALLOWED = "RuntimeNotAllowed", "The SpawnPolicy does not allow this runtime."
    MODEL_NOT_ALLOWED = "ModelNotAllowed", "The SpawnPolicy does not allow this ModelConfig."
    IMAGE_NOT_ALLOWED = (
        "ImageNotAllowed",
        "The SpawnPolicy does not allow this image, or asks for its digest.",
    )
    TOOL_NOT_ALLOWED = (
        "ToolNotAllowed",
        "The SpawnPolicy does not allow this server of tools, or this tool of it.",
    )
    APPROVAL_REQUIRED = (
        "ApprovalRequired",
        "The SpawnPolicy allows the tool only with a person's approval of each call.",
    )
    AGENT_NOT_ALLOWED = "AgentNotAllowed", "The SpawnPolicy does not allow this agent as a tool."
    SKILL_NOT_ALLOWED = "SkillNotAllowed", "The SpawnPolicy does not allow skills from there."
    TEMPLATE_NOT_ALLOWED = (
        "TemplateNotAllowed",
        "The SpawnPolicy does not allow this template, or asks for one.",
    )
    TEMPLATE_UNKNOWN = "TemplateUnknown", "The template that the agent names cannot be read."
    TEMPLATE_CHANGED = "TemplateChanged", "The agent is not what its template says."
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
        "It asks for more of a resource than the SpawnPolicy allows.",
    )
    TTL_NOT_ALLOWED = "TtlNotAllowed", "It would live longer than the SpawnPolicy allows."
    TOO_MANY_AGENTS = "TooManyAgents", "As many agents as the SpawnPolicy allows are alive."
    TOO_MANY_CREATES = (
        "TooManyCreates",
        "As many agents as the SpawnPolicy allows were created of late.",
    )
    TOO_DEEP = (
        "TooDeep",
        "Agents that spawned agents spawn would be deeper than the SpawnPolicy allows.",
    )
    STAMP_FORGED = "StampForged", "Only the guard writes this label or annotation."
    NOT_AS_STAMPED = "NotAsStamped", "The object is not as the guard made it."
    CHANGED = "ConstantChanged", "An update changes what can never be changed."
    ACCOUNT_SHARED = (
        "AccountShared",
        "Several agents run as this account, and it is not known which of them asks.",
    )
    SUBJECT_UNCLEAR = "SubjectUnclear", "It is not known which agent, or which account, asks."
    REVIEW_INVALID = "ReviewInvalid", "The admission request was not understood, and is refused."
