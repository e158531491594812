"""The settings of `hotpeers mcp`, checked at the start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..base.errors import SettingsError
from ..base.settings import (
    Listen,
    check_server_url,
    is_loopback,
    parse_listen,
    parse_orchestrator,
)

_HEALTH_FLAG = "--health-listen (HOTPEERS_HEALTH_LISTEN)"
_NAMESPACE = re.compile(r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?")


class McpSettings(BaseModel):
    """The settings of `hotpeers mcp`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry_url: str
    registry_token_file: Path | None = None
    listen: Listen
    health_listen: Listen | None = None
    """Additional address of `/healthz`, since kubelet cannot reach a loopback address of a pod."""
    token_file: Path | None = None
    """The file with the bearer token that callers must send. None if only this host can call."""
    orchestrator: str = ""
    namespace: str = ""
    """Namespace of spawned agents. "" means the orchestrator's, else the kubeconfig's or pod's."""
    peer_file: Path | None = None
    ack_dir: Path | None = None
    kubeconfig: str = ""
    context: str = ""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def parse(cls, **raw: str | None) -> Self:
        """Check flags and environment. Raises `SettingsError`, which names the invalid setting."""
        text = {name: (value or "").strip() for name, value in raw.items()}
        check_server_url(text["registry_url"])
        if not _NAMESPACE.fullmatch(text["namespace"]):
            message = f"{text['namespace']!r} is not the name of a namespace"
            raise SettingsError(f"--namespace (HOTPEERS_NAMESPACE): {message}")
        listen = parse_listen(text["listen"])
        if listen is None:
            raise SettingsError(
                "--listen (HOTPEERS_LISTEN): the tools need an address: HOST:PORT, not none"
            )
        if not is_loopback(listen.host) and not text["token_file"]:
            raise SettingsError(
                f"--listen (HOTPEERS_LISTEN): {listen} can be reached from elsewhere, and whoever "
                "calls acts with the rights of this process; set --token-file (HOTPEERS_TOKEN_FILE)"
            )
        health = parse_listen(text["health_listen"], _HEALTH_FLAG)
        peer_file = _path(text["peer_file"])
        ack_dir = _path(text["ack_dir"]) or (peer_file.parent / "acks" if peer_file else None)
        try:
            return cls.model_validate(
                {
                    **text,
                    "orchestrator": parse_orchestrator(text["orchestrator"]),
                    "listen": listen,
                    "health_listen": health,
                    "registry_token_file": _path(text["registry_token_file"]),
                    "token_file": _path(text["token_file"]),
                    "peer_file": peer_file,
                    "ack_dir": ack_dir,
                    "log_level": text["log_level"].lower(),
                }
            )
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            flag = f"--{name.replace('_', '-')} (HOTPEERS_{name.upper()})"
            allowed = first["msg"].removeprefix("Input should be ")
            raise SettingsError(f"{flag}: {first['input']!r} is not {allowed}") from error


def _path(text: str) -> Path | None:
    return Path(text) if text else None
