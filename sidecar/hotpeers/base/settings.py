"""Settings that several programs share. A `SettingsError` names the flag of the invalid one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from .errors import SettingsError
from .origin import Origin, UrlError, check_peer_url, origin_of

EVERY_NAMESPACE = "*"
MOST_DRAIN_SECONDS = 86_400
_PORT = 8090
_HOST = re.compile(r"[a-z0-9]([-a-z0-9_.]{0,251}[a-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class Listen(BaseModel):
    """Where the HTTP server listens; an empty host means every address."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_seconds(text: str) -> int | None:
    """The maximum duration of a drain in whole seconds; None if `text` is invalid."""
    good = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if good and int(text) <= MOST_DRAIN_SECONDS else None


def read_origins(text: str) -> frozenset[Origin]:
    """The origins in a list separated by commas or spaces; raises `UrlError` for an invalid one."""
    origins = set()
    for url in text.replace(",", " ").split():
        origin = origin_of(check_peer_url(url))
        # Reject a path: it would look as if only that path were allowed.
        if urlsplit(url).path not in ("", "/"):
            raise UrlError(f"{url!r} has a path; an origin is scheme, host and port")
        origins.add(origin)
    return frozenset(origins)


def parse_orchestrator(text: str, flag: str = "--orchestrator (HOTPEERS_ORCHESTRATOR)") -> str:
    """Check the namespace/name of an orchestrator; "" is allowed. Raises `SettingsError`.

    `flag` names the setting in messages.
    """
    parts = text.split("/")
    if text and (len(parts) != 2 or not all(NAMESPACE.fullmatch(part) for part in parts)):
        raise SettingsError(f"{flag}: {text!r} is not of the form namespace/name")
    return text


def default_listen(environment: Mapping[str, str]) -> str:
    """The default address of a sidecar: all addresses in a pod, otherwise only loopback.

    In a pod, probes connect to the address of the pod.
    """
    # kubelet sets this variable in each container.
    in_a_pod = "KUBERNETES_SERVICE_HOST" in environment
    return f":{_PORT}" if in_a_pod else f"127.0.0.1:{_PORT}"


def parse_listen(text: str, flag: str = "--listen (HOTPEERS_LISTEN)") -> Listen | None:
    """The address to listen on; None for "none" and "". Raises `SettingsError` with the flag."""
    if text in ("", "none"):
        return None
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"{flag}: {text!r} is not of the form host:port, :port or none")
    return Listen(host=host.strip("[]"), port=int(port))


def parse_hosts(text: str) -> frozenset[str]:
    """The host names in a list separated by commas or spaces. Raises `SettingsError`."""
    names = frozenset(text.replace(",", " ").lower().split())
    for name in names:
        if not _HOST.fullmatch(name):
            raise SettingsError(
                f"--allowed-hosts (HOTPEERS_ALLOWED_HOSTS): {name[:80]!r} is not the name of a host; "
                "a name has neither scheme nor port"
            )
    return names


def is_loopback(host: str) -> bool:
    """Whether only this host can connect to an address that is bound."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_server_url(url: str, flag: str = "--registry-url (HOTPEERS_REGISTRY_URL)") -> None:
    """Check the URL of a server, by default of an agentregistry. Raises `SettingsError`."""
    if not url:
        raise SettingsError(f"{flag} is missing: name the agentregistry, such as http://host:12121")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username or parts.password:
        raise SettingsError(f"{flag}: not an http(s) URL without user, query and fragment")


_Form = Literal["text", "json"]
_Level = Literal["debug", "info", "warning", "error"]


def parse_logging(form: str, level: str) -> tuple[_Form, _Level]:
    """Format and level of the logs. Raises `SettingsError`."""
    forms: dict[str, _Form] = {one: one for one in get_args(_Form)}
    levels: dict[str, _Level] = {one: one for one in get_args(_Level)}
    if form not in forms:
        raise SettingsError(f"--log-format (HOTPEERS_LOG_FORMAT): {form!r} is not 'text' or 'json'")
    if level.lower() not in levels:
        raise SettingsError(
            f"--log-level (HOTPEERS_LOG_LEVEL): {level!r} is not one of {', '.join(levels)}"
        )
    return forms[form], levels[level.lower()]
