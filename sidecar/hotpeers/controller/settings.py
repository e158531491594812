"""The settings of `hotpeers controller`, checked once."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..base.errors import SettingsError
from ..base.origin import check_peer_url
from ..base.settings import MOST_DRAIN_SECONDS, Listen, check_server_url, parse_listen
from ..hold.window import parse_window
from ..inject.outcome import Injection
from ..model.gateway import check_gateway
from ..model.selector import parse_selector

_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?|[eE][0-9]+)?")
_MOST_SECONDS = 60.0

Name = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
SecretKey = Annotated[
    str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/[-._A-Za-z0-9]{1,253})?$")
]
Account = Annotated[str, Field(pattern=r"^[!-~]{0,317}$")]
Requirements = dict[str, dict[str, str]]


def _requirements(text: str) -> dict[str, Any]:
    """Parse the JSON of a ResourceRequirements. Raises ValueError."""
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from error
    parts = found if isinstance(found, dict) else {"": found}
    if not set(parts) <= {"requests", "limits"} or not all(
        isinstance(part, dict) for part in parts.values()
    ):
        raise ValueError('is no object of the objects "requests" and "limits"')
    quantities = [pair for part in parts.values() for pair in part.items()]
    for name, amount in quantities:
        if not _QUANTITY.fullmatch(str(amount)):
            raise ValueError(f"{name}: {amount!r} is no quantity")
    return {part: {n: str(amount) for n, amount in found[part].items()} for part in found}


def _selector(text: str) -> str:
    """Check and normalize a label selector. Raises ValueError."""
    return parse_selector(text).text


def _endpoint(text: str) -> str:
    """Check the URL of an OTLP receiver; "" is allowed. Raises ValueError."""
    return check_peer_url(text) if text else ""


def _window(text: str) -> str:
    """Check a time window. Raises ValueError."""
    parse_window(text)
    return text


class ControllerSettings(BaseModel):
    """The settings of `hotpeers controller`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Listen
    health_listen: Listen | None = None
    namespace: Name = ""
    """The controller's namespace; "" means that of the pod, or of the kubeconfig's context."""
    identity: str = Field(default_factory=socket.gethostname)
    service: Name = "hotpeers-controller"
    webhook_configuration: Name = "hotpeers-injector"
    guard_configuration: Name = "hotpeers-guard"
    """The name of both webhook configurations of the guard; "" disables the guard."""
    hold_configuration: Name = "zz-hotpeers-hold"
    """The webhook configuration that holds rollouts; "" disables holds."""
    account: Account = ""
    """The user name of the controller's own requests; "" if it is unknown."""
    hold_ack_seconds: float = Field(default=20.0, ge=1, le=600)
    """How long a Ready pod may take to apply a new configuration."""
    hold_repay: bool = True
    hold_idle_seconds: float = Field(default=600.0, ge=1, le=7 * 86400)
    """How long each pod must have been idle before its Deployment is rolled."""
    hold_window: Annotated[str, AfterValidator(_window)] = ""
    """The time window in which a Deployment may be rolled; "" means always."""
    check_secrets: Literal["auto", "true", "false"] = "auto"
    """Whether to check for a Secret with an agent's name; "auto" checks if RBAC allows it."""
    policies_per_namespace: int = Field(default=64, ge=1, le=512)
    subjects_per_namespace: int = Field(default=256, ge=1, le=512)
    kagent_gateway: Annotated[str, AfterValidator(check_gateway)] = ""
    """URL at which the Agents of kagent 1.x are called; "" for the sidecar's own default."""
    registry_url: str = ""
    """URL of the agentregistry with templates and tools for spawning; "" if there is none."""
    registry_token_file: Path | None = None
    orchestrator_token_secret: SecretKey = ""
    """NAME/KEY of a Secret in the orchestrator's namespace, with a token for its tools."""
    certificate_secret: Name = "hotpeers-certificates"  # noqa: S105 - its name
    certificate_dir: Path | None = None
    client_ca: Path | None = None
    """The CA that must have signed a webhook caller's certificate; None accepts any caller."""
    lease: Name = "hotpeers-controller"
    bind_readers: bool = True
    injection_namespaces: Annotated[str, AfterValidator(_selector)] = ""
    """A selector of the Namespaces whose accounts may be bound; "" selects all."""
    orchestrators: bool = True
    """Whether each injected workload gets an Orchestrator, whose status its sidecars write."""
    hub_url: str = ""
    """URL at which orchestrators reach the hub; "" if there is no hub."""
    hub_key_secret: Name = "hotpeers-hub-key"  # noqa: S105 - its name
    hub_timeout: str = Field(default="60s", pattern=r"^[1-9][0-9]{0,4}s$")
    """How long the tool servers of orchestrators wait for an answer of the hub."""
    image: str
    canary_image: str = ""
    """The image for pods of Namespaces in the channel "canary"; "" for the same as elsewhere."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    native_sidecars: Literal["auto", "true", "false"] = "auto"
    sidecar_resources: Annotated[Requirements, BeforeValidator(_requirements)]
    audit_calls: bool = False
    """Whether injected agents log each call of a peer."""
    trace_calls: bool = False
    """Whether injected agents trace their calls of peers."""
    traces_endpoint: Annotated[str, AfterValidator(_endpoint)] = ""
    """URL of the OTLP receiver for the spans of bridges."""
    max_drain_seconds: int = Field(default=600, ge=0, le=MOST_DRAIN_SECONDS)
    """The longest drain that an injected pod may request; 0 disables draining."""
    drain_seconds: float = Field(default=5.0, ge=0, le=_MOST_SECONDS)
    kubeconfig: str = ""
    context: str = ""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def has_duties(self) -> bool:
        """Whether the controller maintains anything in the cluster."""
        own = self.certificate_dir is None
        others = self.bind_readers or self.orchestrators or self.guards or self.holds
        return own or others or bool(self.hub_url)

    @property
    def guards(self) -> bool:
        """Whether SpawnPolicies are enforced."""
        return bool(self.guard_configuration)

    @property
    def holds(self) -> bool:
        """Whether rollouts of hot configurations are held."""
        return bool(self.hold_configuration)

    @property
    def needs_cluster(self) -> bool:
        """Whether these settings require an API server."""
        return self.has_duties or self.native_sidecars == "auto"

    def injection(self, *, native_sidecars: bool, reads_image: bool) -> Injection:
        """What is injected into pods."""
        return Injection(
            image=self.image,
            image_pull_policy=self.image_pull_policy,
            native_sidecars=native_sidecars,
            reads_image=reads_image,
            resources=self.sidecar_resources,
            registry_url=self.registry_url,
            kagent_gateway=self.kagent_gateway,
            audit=self.audit_calls,
            traces=self.trace_calls,
            traces_endpoint=self.traces_endpoint,
            max_drain_seconds=self.max_drain_seconds,
            token_secret=self.orchestrator_token_secret,
            reports=self.orchestrators,
        )

    @classmethod
    def parse_injection(cls, **raw: str | None) -> Self:
        """Check the settings of injected containers alone, as `parse` does."""
        rest = dict.fromkeys((*_MAY_BE_EMPTY[:3], "health_listen"), "none")
        return cls.parse(listen=":9443", log_level="info", **rest, **raw)

    @classmethod
    def parse(cls, **raw: str | None) -> Self:
        """Check the values of flags and environment. `SettingsError` names the invalid one."""
        text = {name: (value or "").strip() for name, value in raw.items()}
        listen = parse_listen(text.pop("listen"))
        if listen is None:
            raise SettingsError(
                "--listen (HOTPEERS_LISTEN): the webhook needs an address: HOST:PORT, not none"
            )
        health = parse_listen(text.pop("health_listen"), "--health-listen (HOTPEERS_HEALTH_LISTEN)")
        if not text["image"]:
            raise SettingsError("--image (HOTPEERS_IMAGE) is missing: name the image to inject")
        for name in ("webhook_configuration", "guard_configuration", "hold_configuration"):
            if text[name] == "none":
                text[name] = ""
        if text["registry_url"]:
            check_server_url(text["registry_url"])
        if text.get("hub_url"):
            check_server_url(text["hub_url"], "--hub-url (HOTPEERS_HUB_URL)")
        # An empty value means "use the default", except where it disables a feature.
        given = {name: value for name, value in text.items() if value or name in _MAY_BE_EMPTY}
        given["log_level"] = given["log_level"].lower()
        try:
            return cls.model_validate({**given, "listen": listen, "health_listen": health})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            flag = f"--{name.replace('_', '-')} (HOTPEERS_{name.upper()})"
            wrong = first["msg"].removeprefix("Value error, ")
            if first["type"] == "string_pattern_mismatch":
                wrong = (
                    "is no NAME/KEY of a Secret"
                    if name == "orchestrator_token_secret"
                    else "is no name of an object in Kubernetes (lower case letters, digits, - and .)"
                )
            raise SettingsError(f"{flag}: {str(text.get(name))[:80]!r}: {wrong}") from error


_MAY_BE_EMPTY = (
    "webhook_configuration",
    "guard_configuration",
    "hold_configuration",
    "sidecar_resources",
)
