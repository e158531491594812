"""The validated settings of a sidecar. Only the commands read flags and environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from socket import gethostname
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..base.errors import SettingsError
from ..base.origin import Origin, UrlError
from ..base.settings import (
    EVERY_NAMESPACE,
    MOST_DRAIN_SECONDS,
    NAMESPACE,
    Listen,
    parse_hosts,
    parse_listen,
    parse_orchestrator,
    parse_seconds,
    read_origins,
)
from ..model.gateway import DEFAULT_GATEWAY, parse_gateway
from ..model.selector import Selector, SelectorError, parse_selector

DEFAULT_CLUSTER_SELECTOR = "hotpeers.dev/peer=true"
"""The default label selector of a Kubernetes source."""
_DEFAULT_CARD_BYTES = 1024 * 1024
_LEAST_CARD_BYTES, _MOST_CARD_BYTES = 1024, 64 * 1024 * 1024


class Settings(BaseModel):
    """The settings of `hotpeers run`."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid")

    source: Literal["directory", "kubernetes"] = "directory"
    peers_dir: Path | None = None
    peer_file: Path
    ack_dir: Path
    selector: Selector = Selector()
    namespaces: frozenset[str] = frozenset()
    orchestrator: str = ""
    report_to: str = ""
    """The Orchestrator, `namespace/name`, whose status this sidecar writes; "" for none."""
    replica: str = ""
    """The name of this pod in that status."""
    user_headers_to: frozenset[Origin] = frozenset()
    kagent_gateway: str = DEFAULT_GATEWAY
    """The URL at which the Agents of kagent 1.x are called."""
    shim_dir: Path | None = None
    agent_ports: frozenset[int] = frozenset()
    """The ports that the agent of this pod serves; empty if they are unknown."""
    require_signed: Path | None = None
    max_card_bytes: int = _DEFAULT_CARD_BYTES
    credentials: Path | None = None
    drain_seconds: int = 0
    """Maximum seconds to wait for turns in flight before the agent is stopped; 0 disables it."""
    kubeconfig: str = ""
    context: str = ""
    listen: Listen | None = None
    allowed_hosts: frozenset[str] = frozenset()
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def parse(cls, **raw: str | None) -> Self:
        """Validate raw flags and variables; raises `SettingsError`, which names the invalid one."""
        text = {name: (value or "").strip() for name, value in raw.items()}
        peer_file = Path(text["peer_file"])
        if text["source"] == "directory":
            _check_directory(text["peers_dir"], peer_file)
        try:
            return cls.model_validate(
                {
                    "source": text["source"],
                    "peers_dir": _path(text["peers_dir"]),
                    "peer_file": peer_file,
                    "ack_dir": Path(text["ack_dir"])
                    if text["ack_dir"]
                    else peer_file.parent / "acks",
                    "selector": _selector(text),
                    "namespaces": _namespaces(text["namespaces"]),
                    "orchestrator": parse_orchestrator(text["orchestrator"]),
                    "report_to": parse_orchestrator(
                        text.get("report_to", ""), "--report-to (HOTPEERS_REPORT_TO)"
                    ),
                    "replica": (text.get("replica", "") or gethostname())[:253],
                    "user_headers_to": _origins(text.get("user_headers_to", "")),
                    "kagent_gateway": parse_gateway(text.get("kagent_gateway", "")),
                    "shim_dir": _path(text.get("shim_dir", "")),
                    "agent_ports": _ports(text.get("agent_ports", "")),
                    "require_signed": _path(text.get("require_signed", "")),
                    "max_card_bytes": _card_bytes(text.get("max_card_bytes", "")),
                    "credentials": _path(text.get("credentials", "")),
                    "drain_seconds": _drain_seconds(text.get("drain_seconds", "")),
                    "kubeconfig": text.get("kubeconfig", ""),
                    "context": text.get("context", ""),
                    "listen": parse_listen(text["listen"]),
                    "allowed_hosts": parse_hosts(text.get("allowed_hosts", "")),
                    "log_format": text["log_format"],
                    "log_level": text["log_level"].lower(),
                }
            )
        except SelectorError as error:
            raise SettingsError(f"--selector (HOTPEERS_SELECTOR): {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            flag = f"--{name.replace('_', '-')} (HOTPEERS_{name.upper()})"
            allowed = first["msg"].removeprefix("Input should be ")
            raise SettingsError(f"{flag}: {first['input']!r} is not {allowed}") from error


def _check_directory(peers_dir: str, peer_file: Path) -> None:
    if not peers_dir:
        raise SettingsError("--peers-dir (HOTPEERS_PEERS_DIR) is missing: name the directory")
    if peer_file.parent.resolve() == Path(peers_dir).resolve():
        raise SettingsError(
            f"--peer-file (HOTPEERS_PEER_FILE): {peer_file} lies among the manifests; "
            "choose a file outside of --peers-dir"
        )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _ports(text: str) -> frozenset[int]:
    parts = text.replace(",", " ").split()
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 65536 for part in parts):
        raise SettingsError(
            f"--agent-ports (HOTPEERS_AGENT_PORTS): {text[:80]!r}: numbers of ports are needed"
        )
    return frozenset(map(int, parts))


def _card_bytes(text: str) -> int:
    text = text or str(_DEFAULT_CARD_BYTES)
    good = text.isascii() and text.isdigit() and len(text) < 10
    if not good or not _LEAST_CARD_BYTES <= int(text) <= _MOST_CARD_BYTES:
        raise SettingsError(
            f"--max-card-bytes (HOTPEERS_MAX_CARD_BYTES): {text[:80]!r} is not a number of bytes "
            f"from {_LEAST_CARD_BYTES} to {_MOST_CARD_BYTES}"
        )
    return int(text)


def _drain_seconds(text: str) -> int:
    seconds = parse_seconds(text or "0")
    if seconds is None:
        raise SettingsError(
            f"--drain-seconds (HOTPEERS_DRAIN_SECONDS): {text[:80]!r} is not a number of seconds "
            f"from 0 to {MOST_DRAIN_SECONDS}"
        )
    return seconds


def _selector(text: Mapping[str, str]) -> Selector:
    asked = text["selector"]
    if not asked and text["source"] == "kubernetes":
        # Without a selector, every Service in the cluster would be a candidate.
        asked = DEFAULT_CLUSTER_SELECTOR
    return parse_selector(asked)


def _namespaces(text: str) -> frozenset[str]:
    names = frozenset(text.replace(",", " ").split())
    for name in names - {EVERY_NAMESPACE}:
        if not NAMESPACE.fullmatch(name):
            raise SettingsError(
                f"--namespaces (HOTPEERS_NAMESPACES): {name!r} is not the name of a namespace"
            )
    return frozenset({EVERY_NAMESPACE}) if EVERY_NAMESPACE in names else names


def _origins(text: str) -> frozenset[Origin]:
    try:
        return read_origins(text)
    except UrlError as error:
        flag = "--user-headers-to (HOTPEERS_USER_HEADERS_TO)"
        raise SettingsError(f"{flag}: {error}") from error
