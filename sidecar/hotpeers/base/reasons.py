"""The closed vocabulary of why something is not offered, not read or not written.

The same word stands in status, metric and log, and each has its sentence here. The words that the
shim says are part of it: `hotpeers_shim.contract` owns those, so that one word means one thing.
"""

from __future__ import annotations

from enum import StrEnum

from hotpeers_shim.contract import (
    CALL_PROBLEM_SENTENCES,
    CONFIG_PROBLEM_SENTENCES,
    NACK_SENTENCES,
    PEER_PROBLEM_SENTENCES,
    CallProblem,
    ConfigProblem,
    Nack,
    PeerProblem,
)


class Reason(StrEnum):
    """The sidecar's own words. The sentence of each is in `SENTENCES`."""

    CARD_INVALID = "CardInvalid"
    CARD_ORIGIN_MISMATCH = "CardOriginMismatch"
    CARD_UNAVAILABLE = "CardUnavailable"
    INTERFACE_MISSING = "InterfaceMissing"
    CARD_UNSIGNED = "CardUnsigned"
    CARD_SIGNATURE_BAD = "CardSignatureBad"
    CARD_KEYS_UNREADABLE = "CardKeysUnreadable"
    IS_ORCHESTRATOR = "IsOrchestrator"
    NAME_COLLISION = "NameCollision"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    NOT_SELECTED = "NotSelected"
    URL_MISSING = "UrlMissing"
    NOT_YAML = "NotYaml"
    DUPLICATE_KEY = "DuplicateKey"
    SOURCE_MISSING = "SourceMissing"
    SOURCE_UNREADABLE = "SourceUnreadable"
    UNKNOWN_KIND = "UnknownKind"
    SHIM_NOT_INSTALLED = "ShimNotInstalled"
    SHIM_NOT_LOADED = "ShimNotLoaded"
    PROJECTION_FAILED = "ProjectionFailed"
    WATCH_UNAVAILABLE = "WatchUnavailable"
    NOT_READY = "NotReady"
    NAMESPACE_NOT_INVITED = "NamespaceNotInvited"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    NOT_SERVED = "NotServed"
    API_UNREACHABLE = "ApiUnreachable"
    API_BUSY = "ApiBusy"
    API_FAILED = "ApiFailed"
    WATCH_CUT = "WatchCut"
    WATCH_SILENT = "WatchSilent"
    WATCH_EXPIRED = "WatchExpired"
    CREDENTIALS_UNREADABLE = "CredentialsUnreadable"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    CREDENTIALS_NOT_DELIVERED = "CredentialsNotDelivered"
    TOKEN_UNAVAILABLE = "TokenUnavailable"  # noqa: S105 - a word
    ANNOTATION_INVALID = "AnnotationInvalid"
    CONTAINER_NOT_FOUND = "ContainerNotFound"
    SOURCES_UNREADABLE = "SourcesUnreadable"
    CONTAINER_UNCLEAR = "ContainerUnclear"
    SIDECAR_ENDLESS = "SidecarEndless"
    NOT_PYTHON = "NotPython"
    NOT_LINUX = "NotLinux"
    PYTHON_ISOLATED = "PythonIsolated"
    PYTHON_PATH_NOT_LITERAL = "PythonPathNotLiteral"
    PYTHON_PATH_REFERENCED = "PythonPathReferenced"
    ENVIRONMENT_TAKEN = "EnvironmentTaken"
    NAME_TAKEN = "NameTaken"
    MOUNT_PATH_TAKEN = "MountPathTaken"
    STATIC_POD = "StaticPod"
    NO_SERVICE_ACCOUNT = "NoServiceAccount"
    REGISTRY_UNKNOWN = "RegistryUnknown"
    HOST_NETWORK = "HostNetwork"
    DRAIN_ON_HOST_NETWORK = "DrainOnHostNetwork"
    DRAIN_SHORTENED = "DrainShortened"
    PRE_STOP_TAKEN = "PreStopTaken"
    HOT_CONFIG_NOT_MOUNTED = "HotConfigNotMounted"
    REQUEST_INVALID = "RequestInvalid"
    INJECTION_FAILED = "InjectionFailed"
    CERTIFICATE_INVALID = "CertificateInvalid"
    CERTIFICATES_BAD = "CertificatesBad"
    BINDING_TAKEN = "BindingTaken"
    ROLE_MISSING = "RoleMissing"
    READERS_NOT_INVITED = "ReadersNotInvited"
    INJECTION_DISABLED = "InjectionDisabled"
    GUARD_MISSING = "GuardMissing"
    GUARD_OPEN = "GuardOpen"
    STAMP_UNREADABLE = "StampUnreadable"
    DELETION_UNKNOWN = "DeletionUnknown"
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    REGISTRY_FAILED = "RegistryFailed"
    REGISTRY_ANSWER_BAD = "RegistryAnswerBad"
    TEMPLATE_NOT_FOUND = "TemplateNotFound"
    TEMPLATE_NOT_MAPPED = "TemplateNotMapped"
    MANIFEST_REFUSED = "ManifestRefused"
    ADMISSION_DENIED = "AdmissionDenied"
    ADMISSION_SILENT = "AdmissionSilent"
    OBJECT_INVALID = "ObjectInvalid"
    OBJECT_NOT_FOUND = "ObjectNotFound"
    RIGHT_MISSING = "RightMissing"
    FIELD_TAKEN = "FieldTaken"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    NOT_SPAWNED_HERE = "NotSpawnedHere"
    ORCHESTRATOR_UNKNOWN = "OrchestratorUnknown"
    AGENT_NOT_ACCEPTED = "AgentNotAccepted"
    AGENT_UNREACHABLE = "AgentUnreachable"
    AGENT_SILENT = "AgentSilent"
    POLICY_MISSING = "PolicyMissing"
    POLICY_INVALID = "PolicyInvalid"
    RESOURCE_NOT_ALLOWED = "ResourceNotAllowed"
    OPERATION_NOT_ALLOWED = "OperationNotAllowed"
    TARGET_NOT_ALLOWED = "TargetNotAllowed"
    NAME_NOT_ALLOWED = "NameNotAllowed"
    NAME_OCCUPIED = "NameOccupied"
    NOT_SPAWNED = "NotSpawned"
    UNKNOWN_FIELD = "UnknownField"
    FIELD_FORBIDDEN = "FieldForbidden"
    FIELD_MALFORMED = "FieldMalformed"
    OBJECT_TOO_LARGE = "ObjectTooLarge"
    TYPE_NOT_ALLOWED = "TypeNotAllowed"
    RUNTIME_NOT_ALLOWED = "RuntimeNotAllowed"
    MODEL_NOT_ALLOWED = "ModelNotAllowed"
    IMAGE_NOT_ALLOWED = "ImageNotAllowed"
    TOOL_NOT_ALLOWED = "ToolNotAllowed"
    APPROVAL_REQUIRED = "ApprovalRequired"
    AGENT_NOT_ALLOWED = "AgentNotAllowed"
    SKILL_NOT_ALLOWED = "SkillNotAllowed"
    TEMPLATE_NOT_ALLOWED = "TemplateNotAllowed"
    TEMPLATE_UNKNOWN = "TemplateUnknown"
    TEMPLATE_CHANGED = "TemplateChanged"
    PROMPT_TOO_LONG = "PromptTooLong"
    TOO_MANY_EVENTS = "TooManyEvents"
    METADATA_NOT_ALLOWED = "MetadataNotAllowed"
    ENVIRONMENT_NOT_ALLOWED = "EnvironmentNotAllowed"
    RESOURCES_EXCEEDED = "ResourcesExceeded"
    TTL_NOT_ALLOWED = "TtlNotAllowed"
    TOO_MANY_AGENTS = "TooManyAgents"
    TOO_MANY_CREATES = "TooManyCreates"
    TOO_DEEP = "TooDeep"
    STAMP_FORGED = "StampForged"
    NOT_AS_STAMPED = "NotAsStamped"
    CHANGED = "ConstantChanged"
    ACCOUNT_SHARED = "AccountShared"
    SUBJECT_UNCLEAR = "SubjectUnclear"
    GUARD_NOT_READY = "GuardNotReady"
    GUARD_FAILED = "GuardFailed"
    REVIEW_INVALID = "ReviewInvalid"
    TOO_BUSY = "TooBusy"
    COUNTS_BUSY = "CountsBusy"
    LEDGER_AHEAD = "LedgerAhead"
    LEDGER_BAD = "LedgerBad"
    LEDGER_FULL = "LedgerFull"
    LEDGER_LOST = "LedgerLost"
    HELD_REFUSED = "HeldConfigRefused"
    HELD_RESTART = "HeldConfigNeedsRestart"
    ACK_MISSING = "AckMissing"
    ROLLOUT_STUCK = "RolloutStuck"
    HOLD_UNREADABLE = "HoldUnreadable"
    HELD_AGAIN = "HeldAgain"


Word = Reason | Nack | PeerProblem | CallProblem | ConfigProblem
"""Any word of the vocabulary."""

_OWN_SENTENCES = {
    Reason.CARD_INVALID: "What stands in place of the agent card is not one.",
    Reason.CARD_ORIGIN_MISMATCH: "The agent card sends calls to another origin than the peer's.",
    Reason.CARD_UNAVAILABLE: "The agent card was not read yet, or cannot be read now.",
    Reason.INTERFACE_MISSING: "The agent card names no address, binding and version that can be called.",
    Reason.CARD_UNSIGNED: "The agent card has no signature, and the orchestrator requires one.",
    Reason.CARD_SIGNATURE_BAD: "No signature of the agent card is valid under the required keys.",
    Reason.CARD_KEYS_UNREADABLE: "The keys that agent cards must be signed with cannot be read.",
    Reason.IS_ORCHESTRATOR: "It is the orchestrator itself.",
    Reason.NAME_COLLISION: "A peer that comes before it has the same tool name.",
    Reason.NAMESPACE_NOT_ALLOWED: "Its namespace is not among those that are allowed.",
    Reason.NOT_SELECTED: "Its labels do not match the selector.",
    Reason.URL_MISSING: "It does not say where its A2A server is.",
    Reason.NOT_YAML: "The file is not valid YAML, or nests or repeats more than is safe to read.",
    Reason.DUPLICATE_KEY: "A key is there twice in one mapping; readers differ on which one counts.",
    Reason.SOURCE_MISSING: "The directory of peers does not exist; what was read before stays.",
    Reason.SOURCE_UNREADABLE: "The source could not be read; what was read before stays.",
    Reason.UNKNOWN_KIND: "It is neither a Peer, nor a kagent Agent, nor an agent card.",
    Reason.SHIM_NOT_INSTALLED: "The shim is not in the pod; an agent that started without it has no peers.",
    Reason.SHIM_NOT_LOADED: (
        "No process of the agent has loaded the shim, so that it has no peers: "
        "it is no Python program, or imports no google-adk."
    ),
    Reason.PROJECTION_FAILED: "The peer file could not be written; the one before stays.",
    Reason.WATCH_UNAVAILABLE: "Changes cannot be watched; they are looked for every few seconds.",
    Reason.NOT_READY: "It has not been ready yet.",
    Reason.NAMESPACE_NOT_INVITED: "Its allowedNamespaces leave out the orchestrator's namespace.",
    Reason.UNAUTHORIZED: "The API server does not know who asks: the credentials are bad or old.",
    Reason.FORBIDDEN: "The API server forbids to list or watch it; what was read before stays.",
    Reason.NOT_SERVED: "The API server does not serve it now; what was read before stays.",
    Reason.API_UNREACHABLE: "The API server cannot be reached; what was read before stays.",
    Reason.API_BUSY: "The API server asks to come back later; what was read before stays.",
    Reason.API_FAILED: "The API server failed to answer; what was read before stays.",
    Reason.WATCH_CUT: "A watch was cut; it goes on where it was.",
    Reason.WATCH_SILENT: "Nothing came of a watch for too long; it goes on over a new connection.",
    Reason.WATCH_EXPIRED: "A watch fell too far behind; everything is listed anew.",
    Reason.CREDENTIALS_UNREADABLE: "The document of credentials cannot be read; those before it stay.",
    Reason.CREDENTIALS_INVALID: "The document of credentials is not valid; those before it stay.",
    Reason.CREDENTIALS_NOT_DELIVERED: "Credentials cannot be given to the agent's user alone; none are.",
    Reason.TOKEN_UNAVAILABLE: "No OAuth2 token could be fetched; the one before is used while it is valid.",
    Reason.ANNOTATION_INVALID: "An annotation of the pod has a value that is not allowed.",
    Reason.CONTAINER_NOT_FOUND: "The pod has no container of the name that its annotation gives.",
    Reason.SOURCES_UNREADABLE: "The pod's Agent or Namespace could not be read; delete the pod to try again.",
    Reason.CONTAINER_UNCLEAR: "Which container of the pod is the agent's cannot be told.",
    Reason.SIDECAR_ENDLESS: "Before Kubernetes 1.29, a sidecar would keep this pod from ending.",
    Reason.NOT_PYTHON: "The agent is not a Python program, and cannot load the shim.",
    Reason.NOT_LINUX: "The pod is not for Linux.",
    Reason.PYTHON_ISOLATED: "Python is started with -I, -E or -S, and would not load the shim.",
    Reason.PYTHON_PATH_NOT_LITERAL: "PYTHONPATH comes from elsewhere (valueFrom), and cannot be extended.",
    Reason.PYTHON_PATH_REFERENCED: "The container refers to PYTHONPATH, and would see what is added to it.",
    Reason.ENVIRONMENT_TAKEN: "The container sets a variable that would be set by the injection.",
    Reason.NAME_TAKEN: "The pod has a container or volume with a name that would be injected.",
    Reason.MOUNT_PATH_TAKEN: "A mount of the container leaves no place for one of those injected.",
    Reason.STATIC_POD: "The pod is a static one, which is made by its node and cannot be changed.",
    Reason.NO_SERVICE_ACCOUNT: "The pod has no ServiceAccount, and its sidecar could not ask the API server.",
    Reason.REGISTRY_UNKNOWN: "No agentregistry is known, so that there are no tools for spawning.",
    Reason.HOST_NETWORK: "On the network of its node others could call the pod's tools for spawning.",
    Reason.DRAIN_ON_HOST_NETWORK: (
        "On the network of its node the sidecar has no port, and turns are not waited for."
    ),
    Reason.DRAIN_SHORTENED: "The operator allows no longer drain; turns are waited for as long as that.",
    Reason.PRE_STOP_TAKEN: "The container has a preStop hook of its own, and turns are not waited for.",
    Reason.HOT_CONFIG_NOT_MOUNTED: (
        "No volume that follows its source holds config.json, and changes of it take a restart."
    ),
    Reason.REQUEST_INVALID: "The admission request was not understood; the pod is admitted as it is.",
    Reason.INJECTION_FAILED: "A fault of hotpeers; the pod is admitted as it is.",
    Reason.CERTIFICATE_INVALID: "The certificate and its key cannot be served with; those before them stay.",
    Reason.CERTIFICATES_BAD: "The Secret of the certificates is not ours or damaged; it is left alone.",
    Reason.BINDING_TAKEN: "Another binding of that name exists, and is left alone.",
    Reason.ROLE_MISSING: "A ClusterRole of hotpeers does not exist, so that nobody is bound to it.",
    Reason.READERS_NOT_INVITED: "The annotation hotpeers.dev/readers of the namespace leaves it out.",
    Reason.INJECTION_DISABLED: "Nothing may be injected in this namespace, and no account of it is bound.",
    Reason.GUARD_MISSING: "A webhook configuration of the guard does not exist, so that nothing is admitted.",
    Reason.GUARD_OPEN: "A webhook configuration of the guard was changed so that requests pass by it.",
    Reason.STAMP_UNREADABLE: "A stamp of a spawned agent cannot be read; the agent is left alone.",
    Reason.DELETION_UNKNOWN: "What becomes of the agents of a policy that is gone is not known; they stay.",
    Reason.REGISTRY_UNREACHABLE: "agentregistry cannot be reached, or did not answer in time.",
    Reason.REGISTRY_FAILED: "agentregistry refused the request, or failed to answer it.",
    Reason.REGISTRY_ANSWER_BAD: "What agentregistry answered is not what its API promises, or is too large.",
    Reason.TEMPLATE_NOT_FOUND: "agentregistry has nothing of that name and tag.",
    Reason.TEMPLATE_NOT_MAPPED: "The entry of agentregistry cannot be made a kagent Agent.",
    Reason.MANIFEST_REFUSED: "The manifest is not exactly one plain object that can be applied.",
    Reason.ADMISSION_DENIED: "A rule of the cluster denies the object; its message says what it wants.",
    Reason.ADMISSION_SILENT: "A guard of the cluster could not be asked, so that the request was refused.",
    Reason.OBJECT_INVALID: "The API server finds a field of the object wrong.",
    Reason.OBJECT_NOT_FOUND: "There is no such object, or no such kind of object.",
    Reason.RIGHT_MISSING: "This identity has no right to do that.",
    Reason.FIELD_TAKEN: "Another writer owns a field of the object; nothing was changed.",
    Reason.OUTCOME_UNKNOWN: "No answer came in time, so that it is not known whether it was done.",
    Reason.NOT_SPAWNED_HERE: "The agent bears no stamp of this orchestrator, and is left alone.",
    Reason.ORCHESTRATOR_UNKNOWN: "It was not said which orchestrator this is.",
    Reason.AGENT_NOT_ACCEPTED: "kagent does not accept the agent as it is.",
    Reason.AGENT_UNREACHABLE: "The agent cannot be reached over A2A, or does not speak it.",
    Reason.AGENT_SILENT: "The agent did not answer in time.",
    Reason.POLICY_MISSING: "No SpawnPolicy allows the subject anything.",
    Reason.POLICY_INVALID: "The SpawnPolicy is not valid, and allows nothing.",
    Reason.RESOURCE_NOT_ALLOWED: "A governed subject may write kagent Agents (v1alpha2), and nothing else.",
    Reason.OPERATION_NOT_ALLOWED: "A governed subject may create, update and delete single agents only.",
    Reason.TARGET_NOT_ALLOWED: "The SpawnPolicy does not allow agents in this namespace.",
    Reason.NAME_NOT_ALLOWED: "The SpawnPolicy does not allow an agent of this name, or the name is reserved.",
    Reason.NAME_OCCUPIED: "Something that kagent would overwrite has this name.",
    Reason.NOT_SPAWNED: "The subject did not spawn this agent.",
    Reason.UNKNOWN_FIELD: "The field is not known: what it was meant to say would be lost.",
    Reason.FIELD_FORBIDDEN: "No SpawnPolicy can allow this field, or this value of it.",
    Reason.FIELD_MALFORMED: "A field has the wrong type or a value that it cannot have.",
    Reason.OBJECT_TOO_LARGE: "The object, or a part of it, is larger than is looked at.",
    Reason.TYPE_NOT_ALLOWED: "The SpawnPolicy does not allow agents of this type.",
    Reason.RUNTIME_NOT_ALLOWED: "The SpawnPolicy does not allow this runtime.",
    Reason.MODEL_NOT_ALLOWED: "The SpawnPolicy does not allow this ModelConfig.",
    Reason.IMAGE_NOT_ALLOWED: "The SpawnPolicy does not allow this image, or asks for its digest.",
    Reason.TOOL_NOT_ALLOWED: "The SpawnPolicy does not allow this server of tools, or this tool of it.",
    Reason.APPROVAL_REQUIRED: "The SpawnPolicy allows the tool only with a person's approval of each call.",
    Reason.AGENT_NOT_ALLOWED: "The SpawnPolicy does not allow this agent as a tool.",
    Reason.SKILL_NOT_ALLOWED: "The SpawnPolicy does not allow skills from there.",
    Reason.TEMPLATE_NOT_ALLOWED: "The SpawnPolicy does not allow this template, or asks for one.",
    Reason.TEMPLATE_UNKNOWN: "The template that the agent names cannot be read.",
    Reason.TEMPLATE_CHANGED: "The agent is not what its template says.",
    Reason.PROMPT_TOO_LONG: "The system message or all other text is longer than the SpawnPolicy allows.",
    Reason.TOO_MANY_EVENTS: "The subject has written as many Events as it may of late.",
    Reason.METADATA_NOT_ALLOWED: "The SpawnPolicy does not allow this label or annotation.",
    Reason.ENVIRONMENT_NOT_ALLOWED: "The SpawnPolicy does not allow this variable.",
    Reason.RESOURCES_EXCEEDED: "It asks for more of a resource than the SpawnPolicy allows.",
    Reason.TTL_NOT_ALLOWED: "It would live longer than the SpawnPolicy allows.",
    Reason.TOO_MANY_AGENTS: "As many agents as the SpawnPolicy allows are alive.",
    Reason.TOO_MANY_CREATES: "As many agents as the SpawnPolicy allows were created of late.",
    Reason.TOO_DEEP: "Agents that spawned agents spawn would be deeper than the SpawnPolicy allows.",
    Reason.STAMP_FORGED: "Only the guard writes this label or annotation.",
    Reason.NOT_AS_STAMPED: "The object is not as the guard made it.",
    Reason.CHANGED: "An update changes what can never be changed.",
    Reason.ACCOUNT_SHARED: "Several agents run as this account, and it is not known which of them asks.",
    Reason.SUBJECT_UNCLEAR: "It is not known which agent, or which account, asks.",
    Reason.GUARD_NOT_READY: "The guard does not know all agents and policies yet; the request is refused.",
    Reason.GUARD_FAILED: "A fault of hotpeers, or no answer in time; the request is refused.",
    Reason.REVIEW_INVALID: "The admission request was not understood, and is refused.",
    Reason.TOO_BUSY: "Too many requests at once, of one subject or at the port; try again.",
    Reason.COUNTS_BUSY: "What is admitted could not be written down in time, and so is not admitted.",
    Reason.LEDGER_AHEAD: "The ledger was written by a clock that is ahead of this one; nothing is admitted.",
    Reason.LEDGER_BAD: "The ledger of a SpawnPolicy cannot be read; nothing is admitted.",
    Reason.LEDGER_FULL: "The ledger of a SpawnPolicy has no place for another agent.",
    Reason.LEDGER_LOST: "The ledger of a SpawnPolicy was lost; nothing is admitted for a minute.",
    Reason.HELD_REFUSED: "The agent refuses its new configuration, and keeps the one before it.",
    Reason.HELD_RESTART: "The new configuration changes something that the agent reads at its start only.",
    Reason.ACK_MISSING: "A pod did not say in time that it has the new configuration.",
    Reason.ROLLOUT_STUCK: "A rollout of the Deployment does not get on.",
    Reason.HOLD_UNREADABLE: "The Deployment has the label of a hold, and is not one that can be held.",
    Reason.HELD_AGAIN: "The webhook held what the controller released: it does not know its user.",
}

SENTENCES: dict[Word, str] = dict(
    [
        *_OWN_SENTENCES.items(),
        *NACK_SENTENCES.items(),
        *PEER_PROBLEM_SENTENCES.items(),
        *CALL_PROBLEM_SENTENCES.items(),
        *CONFIG_PROBLEM_SENTENCES.items(),
    ]
)
"""The sentence of each word of the vocabulary."""
