"""A strict model of SpawnPolicy, because a policy that is misread would allow too much.

An unknown field is an error. A value that a list does not contain is denied, so every default is the
one that allows least.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from .quantity import parse_quantity

API_VERSION = "hotpeers.dev/v1alpha1"
KIND = "SpawnPolicy"
MAX_SECONDS = 30 * 86_400
_DURATION = re.compile(r"([0-9]{1,7}[smh]){1,3}")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)

RESERVED_KEYS = re.compile(
    r"(.*\.)?(hotpeers\.dev|kagent\.dev|k8s\.io|kubernetes\.io|amazonaws\.com|gke\.io|googleapis\.com"
    r"|azure\.com|workload\.identity|hashicorp\.com|istio\.io|linkerd\.io|helm\.sh|argoproj\.io"
    r"|cncf\.io|projectcalico\.org|cilium\.io|io\.cilium|opentelemetry\.io|datadoghq\.com|dapr\.io|kuma\.io"
    r"|banzaicloud\.io|1password\.io|1password\.com|cloud\.google\.com|oraclecloud\.com|fluxcd\.io)/.*"
    r"|azure\.workload\.identity/.*|app|kagent"
)
"""Keys that grant rights, steer other controllers or select pods. No policy can allow them.

kagent copies an Agent's annotations to its ServiceAccount. There, a key of a cloud's workload identity
acts as a credential. kagent's Services select pods by `app` and `kagent`.
"""

RESERVED_ENV = re.compile(
    r"(LD_|DYLD_|GLIBC_|GCONV_|OPENSSL_|PERL|RUBY|UV_|PIP_|GRPC_|CURL_|PYTHON|KAGENT|HOTPEERS|OTEL_|GO|GIT_|SSL_|NODE_|JAVA_|KUBE|AWS_|GOOGLE_|AZURE_)"
    r".*|.*(_PROXY|_proxy|_URL|_URI|_BASE|_ENDPOINT|_HOST|_KEY|_TOKEN|_SECRET|_PASSWORD|_CA_BUNDLE)"
    r"|PATH|HOME|SHELL|IFS|ENV|BASH_ENV|TMPDIR|HOSTALIASES|RES_OPTIONS|LOCALDOMAIN|NLSPATH|LOCPATH|SSLKEYLOGFILE"
)
"""Variables that change which program runs or which servers it calls. No policy can allow them."""

RESERVED_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})


def _matching(pattern: str, what: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        # Use fullmatch: `$` also matches before a line feed at the end.
        if not compiled.fullmatch(value):
            raise ValueError(f"{value[:80]!r} is not {what}")
        return value

    return AfterValidator(check)


def _seconds(value: str) -> str:
    if not _DURATION.fullmatch(value) or not 0 < seconds_of(value) <= MAX_SECONDS:
        raise ValueError(f'{value[:40]!r} is not a time such as "30m" or "1h30m", up to 720h')
    return value


def seconds_of(duration: str) -> int:
    """A duration of a policy in seconds."""
    return sum(int(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"[0-9]+[smh]", duration))


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a key of a label or annotation")
    if is_reserved_key(value):
        raise ValueError(
            f"{value[:80]!r} gives rights or steers controllers; no policy can allow it"
        )
    return value


def is_reserved_key(key: str) -> bool:
    """Whether no policy can allow this key. Some `app.kubernetes.io` keys are exempt."""
    if key.startswith("app.kubernetes.io/"):
        return key.removeprefix("app.kubernetes.io/") in {
            "name",
            "instance",
            "managed-by",
            "part-of",
        }
    return RESERVED_KEYS.fullmatch(key.lower()) is not None


def _environment(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,127}", value):
        raise ValueError(
            f"{value[:80]!r} is not a name of a variable: upper case letters, digits, _"
        )
    if RESERVED_ENV.fullmatch(value):
        raise ValueError(f"{value!r} changes what runs or whom it talks to; no policy can allow it")
    return value


def _namespace(value: str) -> str:
    if value in RESERVED_NAMESPACES:
        raise ValueError(f"{value!r} is Kubernetes' own; nothing is spawned there")
    return value


def _quantity(value: str | int) -> str:
    parse_quantity(value)
    return str(value)


Namespace = Annotated[StrictStr, _matching(_LABEL, "the name of a namespace")]
TargetNamespace = Annotated[Namespace, AfterValidator(_namespace)]
Name = Annotated[
    StrictStr, Field(max_length=253), _matching(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", "a name")
]
NamePattern = Annotated[
    StrictStr,
    _matching(
        r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?|[a-z][-a-z0-9]{0,60}\*", 'a name, or a beginning and "*"'
    ),
]
ToolName = Annotated[StrictStr, _matching(r"\*|[A-Za-z0-9_.:/-]{1,128}", "a tool's name")]
Repository = Annotated[
    StrictStr,
    Field(max_length=255),
    _matching(
        r"[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+", "host/repository of an image"
    ),
]
Tag = Annotated[StrictStr, _matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "a tag")]
GitUrl = Annotated[
    StrictStr,
    Field(max_length=512),
    _matching(r"https://[a-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._/-]+", "an https URL"),
]
GitRef = Annotated[
    StrictStr, _matching(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", "a branch, tag or commit")
]
S3Prefix = Annotated[
    StrictStr,
    Field(max_length=512),
    _matching(r"s3://[a-z0-9.-]+/([A-Za-z0-9._-]+/)*", 'a prefix that ends in "/"'),
]
Key = Annotated[StrictStr, Field(max_length=317), AfterValidator(_key)]
Duration = Annotated[StrictStr, AfterValidator(_seconds)]
Quantity = Annotated[StrictStr | StrictInt, AfterValidator(_quantity)]
Text = Annotated[StrictStr, Field(max_length=256)]
_RegistryName = Annotated[
    StrictStr,
    Field(max_length=255),
    _matching(r"[A-Za-z0-9][A-Za-z0-9._/-]*@[A-Za-z0-9][A-Za-z0-9._-]*", "name@tag"),
]


class Strict(BaseModel):
    """A part of a SpawnPolicy. An unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SubjectRef(Strict):
    """A governed subject: an Agent or a ServiceAccount in the policy's namespace."""

    kind: Literal["Agent", "ServiceAccount"]
    name: Name


class Templates(Strict):
    """The templates from which an agent may be made."""

    required: StrictBool = True
    registry: tuple[_RegistryName, ...] = Field(default=(), max_length=256)
    agents: tuple[Name, ...] = Field(default=(), max_length=64)

    def keys(self) -> tuple[str, ...]:
        """The templates as values of the annotation `hotpeers.dev/template`."""
        return (
            *(f"registry:{one}" for one in self.registry),
            *(f"agent:{one}" for one in self.agents),
        )


class Image(Strict):
    """One image repository, and its tags or digests that may run."""

    repository: Repository
    tags: tuple[Tag, ...] = Field(default=(), max_length=64)
    requireDigest: StrictBool = True


class McpServer(Strict):
    """A tool server. Without a namespace, it is in the namespace of the spawned agent."""

    kind: Literal["RemoteMCPServer", "MCPServer", "Service"] = "RemoteMCPServer"
    name: Name
    namespace: Namespace | None = None
    tools: tuple[ToolName, ...] = Field(default=(), max_length=256)
    requireApproval: tuple[ToolName, ...] = Field(default=(), max_length=256)
    allowedHeaders: tuple[
        Annotated[StrictStr, _matching(r"[a-z0-9-]{1,64}", "a header in lower case")], ...
    ] = Field(default=(), max_length=32)


class AgentTool(Strict):
    """Agents that may be tools. Without a namespace, they are in the namespace of the spawned agent."""

    name: NamePattern
    namespace: Namespace | None = None


class GitSource(Strict):
    """A git repository of skills, and its allowed refs."""

    url: GitUrl
    refs: tuple[GitRef, ...] = Field(min_length=1, max_length=32)


class Skills(Strict):
    """The allowed sources of skills."""

    images: tuple[Image, ...] = Field(default=(), max_length=64)
    git: tuple[GitSource, ...] = Field(default=(), max_length=64)
    s3: tuple[S3Prefix, ...] = Field(default=(), max_length=64)
    gitAuthSecrets: tuple[Name, ...] = Field(default=(), max_length=16)
    imagePullSecrets: tuple[Name, ...] = Field(default=(), max_length=16)


class MetadataKey(Strict):
    """A label or annotation that may be set. Without values, any value is allowed."""

    key: Key
    values: tuple[Text, ...] = Field(default=(), max_length=64)


class Creates(Strict):
    """The maximum number of agents that may be created in any window of this length."""

    count: StrictInt = Field(ge=1, le=10_000)
    window: Duration


class Ttl(Strict):
    """The lifetime of a spawned agent."""

    default: Duration
    max: Duration


class Resources(Strict):
    """The maximum requests and limits of one container."""

    cpu: Quantity
    memory: Quantity


class Limits(Strict):
    """Limits of the number, creation rate, depth, lifetime and size of agents."""

    maxAgents: StrictInt = Field(ge=1, le=10_000)
    creates: Creates
    maxDepth: StrictInt = Field(default=1, ge=1, le=8)
    ttl: Ttl
    maxReplicas: StrictInt = Field(default=1, ge=1, le=100)
    resources: Resources | None = None


class PolicySpec(Strict):
    """The `spec` of a SpawnPolicy."""

    mode: Literal["Enforce", "Audit"] = "Enforce"
    deletionPolicy: Literal["Delete", "Retain"] = "Delete"
    subjects: tuple[SubjectRef, ...] = Field(default=(), max_length=32)
    targetNamespaces: tuple[TargetNamespace, ...] = Field(default=(), max_length=32)
    names: tuple[NamePattern, ...] = Field(default=(), max_length=32)
    templates: Templates | None = None
    types: tuple[Literal["Declarative", "BYO"], ...] = Field(default=(), max_length=2)
    runtimes: tuple[Literal["python", "go"], ...] = Field(default=(), max_length=2)
    modelConfigs: tuple[Name, ...] = Field(default=(), max_length=64)
    images: tuple[Image, ...] = Field(default=(), max_length=64)
    mcpServers: tuple[McpServer, ...] = Field(default=(), max_length=64)
    agentTools: tuple[AgentTool, ...] = Field(default=(), max_length=64)
    skills: Skills = Skills()
    environment: tuple[Annotated[StrictStr, AfterValidator(_environment)], ...] = Field(
        default=(), max_length=64
    )
    labels: tuple[MetadataKey, ...] = Field(default=(), max_length=64)
    annotations: tuple[MetadataKey, ...] = Field(default=(), max_length=64)
    maxPromptLength: StrictInt = Field(default=0, ge=0, le=65_536)
    a2aConfig: StrictBool = False
    allowOrchestrators: StrictBool = False
    podSecurity: Literal["", "restricted"] = ""
    limits: Limits | None = None


class SpawnPolicy(Strict):
    """One policy, with the name and namespace of its object."""

    name: Name
    namespace: Namespace
    spec: PolicySpec
    broken: str = ""
    """Why the object is invalid, or "". An invalid policy governs its subjects and allows nothing."""
    dropped: frozenset[int] = frozenset()
    """Keys of subjects that were removed from `spec` to save memory. They stay governed."""

    @property
    def key(self) -> str:
        """`namespace/name`, as in the stamp `hotpeers.dev/policy`."""
        return f"{self.namespace}/{self.name}"

    @cached_property
    def subject_keys(self) -> frozenset[int]:
        """The key (see `subject_key`) of each subject.

        Cached, because each change of a policy reads all policies of its namespace, which may be
        thousands.
        """
        return self.dropped.union(subject_key(one.kind, one.name) for one in self.spec.subjects)

    def names_subject(self, kind: str, name: str) -> bool:
        """Whether the policy has this subject."""
        return subject_key(kind, name) in self.subject_keys


def subject_key(kind: str, name: str) -> int:
    """A number that stands for a subject's kind and name, to save memory.

    It is Python's hash, which is keyed per process, so an attacker cannot construct a collision.
    """
    return hash((kind, name))
