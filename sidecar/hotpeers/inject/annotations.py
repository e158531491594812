"""Reads and checks the annotations `hotpeers.dev/*` of a pod."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hotpeers_shim.contract import MAX_DEPTH as MOST_DEPTH

from ..base.errors import SettingsError
from ..base.names import LABEL, NAME
from ..base.origin import UrlError
from ..base.settings import MOST_DRAIN_SECONDS, check_registry_url, parse_seconds, read_origins
from ..model.gateway import check_gateway
from ..model.selector import SelectorError, parse_selector
from .outcome import Skip
from .reasons import InjectReason
from .resources import RESOURCES, in_bytes, millicores

PREFIX = "hotpeers.dev/"
INJECT = f"{PREFIX}inject"
SELECTOR = f"{PREFIX}selector"
NAMESPACES = f"{PREFIX}namespaces"
CONTAINER = f"{PREFIX}container"
LOG_LEVEL = f"{PREFIX}log-level"
SPAWN = f"{PREFIX}spawn"
REGISTRY = f"{PREFIX}registry"
USER_HEADERS_TO = f"{PREFIX}user-headers-to"
REQUIRE_SIGNED = f"{PREFIX}require-signed"
CREDENTIALS = f"{PREFIX}credentials"
HOT_CONFIG = f"{PREFIX}hot-config"
WHEN_IDLE = "restart-when-idle"
"""A value of `HOT_CONFIG`, for an agent that reads its configuration only at its start."""
DRAIN_SECONDS = f"{PREFIX}drain-seconds"
BRIDGE = f"{PREFIX}bridge"
MAX_TOOLS = f"{PREFIX}max-tools"
PINNED_PEERS = f"{PREFIX}pinned-peers"
KAGENT_GATEWAY = f"{PREFIX}kagent-gateway"
MAX_DEPTH = f"{PREFIX}max-depth"
AUDIT = f"{PREFIX}audit"
TRACES = f"{PREFIX}traces"
STATUS = f"{PREFIX}status"
"""The controller sets it on an injected pod: JSON with `container`, `image`, `version`."""
SKIPPED = f"{PREFIX}skipped"
"""The controller sets it on a pod that it skips: the reason word and its sentence."""
INJECTED_LABEL = f"{PREFIX}injected"
"""Set to "true" on an injected pod. The controller finds its pods by this label."""
INJECTION_LABEL = f"{PREFIX}injection"
"""On a Namespace: `enabled` injects all its kagent agents. Values other than these two are ignored."""
DISABLED = "disabled"
"""No pod of the Namespace is injected, and no account there gets the rights of injection."""
EVERY_NAMESPACE = "*"

_KNOWN = {INJECT, SELECTOR, NAMESPACES, CONTAINER, LOG_LEVEL, SPAWN, REGISTRY}
_KNOWN |= {USER_HEADERS_TO, REQUIRE_SIGNED, CREDENTIALS, HOT_CONFIG, DRAIN_SECONDS, BRIDGE}
_KNOWN |= {MAX_TOOLS, PINNED_PEERS, KAGENT_GATEWAY, MAX_DEPTH, AUDIT, TRACES}
_KNOWN |= {f"{PREFIX}{name}" for name in RESOURCES}
_KNOWN |= {STATUS, SKIPPED, f"{PREFIX}url", f"{PREFIX}pin-address"}
INHERITED = frozenset(_KNOWN - {INJECT, STATUS, SKIPPED, f"{PREFIX}url", f"{PREFIX}pin-address"})
"""The annotations that pods inherit from a Namespace that opts in."""
_KEYS = re.compile(r"((secret|configmap)/)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Without `$`: kubelet would replace `$(NAME)` in a variable.
_PIN = re.compile(r"[-A-Za-z0-9._*]{1,253}(/[-A-Za-z0-9._*]{1,253})?")
_MOST_PINS = 100
# The two tools that reach every peer count too.
_LEAST_TOOLS, _MOST_TOOLS = 2, 10_000
_SWITCHES = ("", "false", "true")
_MAX_URL = 500
# With less, the liveness probe would kill a sidecar before it has started.
_LEAST = {"cpu-request": "1m", "cpu-limit": "50m", "memory-request": "1Mi", "memory-limit": "96Mi"}
_LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Wishes:
    """The settings that a pod requests. "", () and None mean the default."""

    selector: str = ""
    namespaces: tuple[str, ...] = ()
    container: str = ""
    log_level: str = ""
    spawn: bool = False
    registry: str = ""
    user_headers_to: str = ""
    kagent_gateway: str = ""
    keys: str = ""
    credentials: str = ""
    hot_config: bool = False
    restarts: bool = False
    """Whether the agent is restarted with a new configuration when it is idle."""
    drain_seconds: int | None = None
    bridge: bool | None = None
    """Whether the agent gets its peers by the bridge; None: if it runs on kagent's Go runtime."""
    max_tools: int | None = None
    pinned_peers: tuple[str, ...] = ()
    """Names of peers, in which `*` stands for any text; without a namespace, in the pod's own."""
    max_depth: int | None = None
    """The largest number of orchestrators in a chain of calls."""
    audit: bool | None = None
    """Whether each call of a peer is logged; None: as the controller is set."""
    traces: bool | None = None
    """Whether calls of peers are traced; None: as the controller is set."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Resource amounts for the injected containers, by the names of `RESOURCES`."""
    warnings: tuple[str, ...] = ()


def read_annotations(annotations: Mapping[str, str]) -> Wishes | Skip | None:
    """The settings in the annotations, or None if they do not request injection."""
    asked = annotations.get(INJECT, "").strip()
    if asked in ("", "false"):
        return None
    try:
        _check(INJECT, asked, asked == "true", 'only "true" and "false" are allowed')
        return _wishes(annotations)
    except _BadValueError as error:
        return Skip(InjectReason.ANNOTATION_INVALID, str(error))


class _BadValueError(Exception):
    """A value that is not allowed."""


def _check(name: str, value: str, good: bool, allowed: str) -> None:
    if not good:
        raise _BadValueError(f"{name}: {value[:80]!r}: {allowed}")


def _wishes(annotations: Mapping[str, str]) -> Wishes:
    selector = annotations.get(SELECTOR, "")
    try:
        selector = parse_selector(selector).text
    except SelectorError as error:
        raise _BadValueError(f"{SELECTOR}: {str(error)[:100]}") from error
    listed = annotations.get(NAMESPACES, "")
    namespaces = read_namespaces(listed)
    if namespaces is None:
        raise _BadValueError(f"{NAMESPACES}: {listed[:80]!r}: names, with commas, or * are needed")
    container = annotations.get(CONTAINER, "").strip()
    good = not container or LABEL.fullmatch(container) is not None
    _check(CONTAINER, container, good, "the name of a container is needed")
    level = annotations.get(LOG_LEVEL, "").strip().lower()
    good = not level or level in _LOG_LEVELS
    _check(LOG_LEVEL, level, good, f"one of {', '.join(_LOG_LEVELS)} is needed")
    registry = annotations.get(REGISTRY, "").strip()
    if not _is_registry(registry):
        # Do not quote the URL: it may contain a password.
        raise _BadValueError(f"{REGISTRY}: an http(s) URL without user and query is needed")
    keys = annotations.get(REQUIRE_SIGNED, "").strip()
    good = not keys or _KEYS.fullmatch(keys) is not None
    _check(REQUIRE_SIGNED, keys, good, "NAME of a Secret, secret/NAME or configmap/NAME is needed")
    credentials = annotations.get(CREDENTIALS, "").strip()
    good = not credentials or NAME.fullmatch(credentials) is not None
    _check(CREDENTIALS, credentials, good, "the name of a Secret is needed")
    return Wishes(
        selector=selector,
        namespaces=namespaces,
        container=container,
        log_level=level,
        spawn=_switch(annotations, SPAWN),
        registry=registry,
        user_headers_to=_user_headers_to(annotations),
        kagent_gateway=_kagent_gateway(annotations),
        keys=keys,
        credentials=credentials,
        hot_config=_hot_config(annotations) == "true",
        restarts=_hot_config(annotations) == WHEN_IDLE,
        drain_seconds=_drain_seconds(annotations),
        bridge=_choice(annotations, BRIDGE),
        max_tools=_max_tools(annotations),
        pinned_peers=_pinned_peers(annotations),
        max_depth=_max_depth(annotations),
        audit=_choice(annotations, AUDIT),
        traces=_choice(annotations, TRACES),
        resources=_resources(annotations),
        warnings=tuple(_warnings(annotations)),
    )


def _switch(annotations: Mapping[str, str], name: str) -> bool:
    text = annotations.get(name, "").strip()
    _check(name, text, text in _SWITCHES, 'only "true" and "false" are allowed')
    return text == "true"


def _choice(annotations: Mapping[str, str], name: str) -> bool | None:
    """A switch that may be left to a default."""
    return _switch(annotations, name) if annotations.get(name, "").strip() else None


def _hot_config(annotations: Mapping[str, str]) -> str:
    text = annotations.get(HOT_CONFIG, "").strip()
    allowed = f'only "true", "false" and "{WHEN_IDLE}" are allowed'
    _check(HOT_CONFIG, text, text in (*_SWITCHES, WHEN_IDLE), allowed)
    return text


def _drain_seconds(annotations: Mapping[str, str]) -> int | None:
    text = annotations.get(DRAIN_SECONDS, "").strip()
    if not text:
        return None
    seconds = parse_seconds(text)
    allowed = f"a whole number of seconds from 0 to {MOST_DRAIN_SECONDS} is needed"
    _check(DRAIN_SECONDS, text, seconds is not None, allowed)
    return seconds


def _max_tools(annotations: Mapping[str, str]) -> int | None:
    text = annotations.get(MAX_TOOLS, "").strip()
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    allowed = f"a whole number from {_LEAST_TOOLS} to {_MOST_TOOLS} is needed"
    _check(MAX_TOOLS, text, _LEAST_TOOLS <= number <= _MOST_TOOLS, allowed)
    return number


def _pinned_peers(annotations: Mapping[str, str]) -> tuple[str, ...]:
    text = annotations.get(PINNED_PEERS, "")
    pins = tuple(dict.fromkeys(text.replace(",", " ").split()))
    for pin in pins:
        good = _PIN.fullmatch(pin) is not None
        _check(PINNED_PEERS, pin, good, "names as namespace/name, with commas, are needed")
    few = f"at most {_MOST_PINS} names are allowed"
    _check(PINNED_PEERS, f"{len(pins)} names", len(pins) <= _MOST_PINS, few)
    return pins


def _max_depth(annotations: Mapping[str, str]) -> int | None:
    text = annotations.get(MAX_DEPTH, "").strip()
    if not text:
        return None
    good = len(text) <= 4 and text.isascii() and text.isdigit() and 0 < int(text) <= MOST_DEPTH
    _check(MAX_DEPTH, text, good, f"a whole number from 1 to {MOST_DEPTH} is needed")
    return int(text)


def _resources(annotations: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, (_, resource) in RESOURCES.items():
        text = annotations.get(f"{PREFIX}{name}", "").strip()
        if not text:
            continue
        least, unit = _LEAST[name], millicores if resource == "cpu" else in_bytes
        amount, bound = unit(text), unit(least)
        good = amount is not None and bound is not None and amount >= bound
        _check(f"{PREFIX}{name}", text, good, f"an amount of at least {least} is needed")
        found[name] = text
    for resource, read in (("cpu", millicores), ("memory", in_bytes)):
        request, limit = (found.get(f"{resource}-{kind}") for kind in ("request", "limit"))
        if request and limit:
            good = (read(request) or 0) <= (read(limit) or 0)
            _check(f"{PREFIX}{resource}-request", request, good, f"it is above the limit {limit}")
    return found


def _user_headers_to(annotations: Mapping[str, str]) -> str:
    listed = annotations.get(USER_HEADERS_TO, "")
    try:
        origins = read_origins(listed)
    except UrlError as error:
        raise _BadValueError(f"{USER_HEADERS_TO}: {str(error)[:200]}") from error
    return ",".join(sorted(map(str, origins)))


def _kagent_gateway(annotations: Mapping[str, str]) -> str:
    url = annotations.get(KAGENT_GATEWAY, "").strip()
    try:
        return check_gateway(url) if url else ""
    except UrlError as error:
        raise _BadValueError(f"{KAGENT_GATEWAY}: {str(error)[:200]}") from error


def _is_registry(url: str) -> bool:
    if len(url) > _MAX_URL or not url.isascii() or not url.isprintable():
        return False
    try:
        check_registry_url(url or "http://none")
    except SettingsError:
        return False
    return True


def read_namespaces(text: str) -> tuple[str, ...] | None:
    """The namespaces of `hotpeers.dev/namespaces`: `("*",)` for all, None if it is malformed."""
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if EVERY_NAMESPACE in names:
        names = (EVERY_NAMESPACE, *(name for name in names if name != EVERY_NAMESPACE))
    if any(name != EVERY_NAMESPACE and not LABEL.fullmatch(name) for name in names):
        return None
    return names[:1] if names[:1] == (EVERY_NAMESPACE,) else names


def _warnings(annotations: Mapping[str, str]) -> list[str]:
    unknown = [
        name for name in sorted(annotations) if name.startswith(PREFIX) and name not in _KNOWN
    ]
    return [f"{name[:100]} is no annotation of hotpeers, and is ignored" for name in unknown]


def is_marked(pod: Mapping[str, Any]) -> bool:
    """Whether the pod was injected before, also if its sidecar was removed since."""
    metadata = pod.get("metadata") or {}
    marks = {*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})}
    return bool(marks & {INJECTED_LABEL, STATUS})
