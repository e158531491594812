"""The settings of `hotpeers hub`, checked at the start."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ...base.errors import SettingsError
from ...base.names import NamespacedName
from ...base.origin import Origin, UrlError
from ...base.settings import NAMESPACE, Listen, parse_listen, read_origins
from ...model.gateway import DEFAULT_GATEWAY, parse_gateway
from ...model.selector import SelectorError, parse_selector
from ..peers.waits import parse_wait

_STATE = "/var/run/hotpeers"


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Where the hub serves, and what it watches.

    `health_listen` serves probes and metrics. `selector` selects the objects that are watched; each
    Orchestrator narrows it. `key_secret` has the key of tokens and conversations. `wait_seconds` is
    how long a call waits for an answer before it points to `get_answer`. `credentials` is a document
    with credentials for peers, which serves all orchestrators. `state_dir` is a folder in memory
    for those credentials. `replica` is the name of this process in the status of Orchestrators.
    `user_headers_to` are origins that may get the headers that identify the user. `kagent_gateway` is
    the URL at which the Agents of kagent 1.x are called.
    """

    listen: Listen
    health_listen: Listen | None
    selector: str
    key_secret: NamespacedName
    wait_seconds: float
    replica: str
    state_dir: Path = Path(_STATE)
    credentials: Path | None = None
    user_headers_to: frozenset[Origin] = field(default_factory=frozenset)
    kagent_gateway: str = DEFAULT_GATEWAY
    kubeconfig: str = ""
    context: str = ""

    @property
    def peer_file(self) -> Path:
        """The path beside which credentials are kept; no peer file is written there."""
        return self.state_dir / "peers.json"

    @classmethod
    def parse(cls, environ: Mapping[str, str] = os.environ, /, **raw: str) -> Self:
        """Check flags and environment. Raises `SettingsError`, which names the invalid setting."""
        listen = parse_listen(raw["listen"])
        if listen is None:
            raise SettingsError(
                "--listen (HOTPEERS_LISTEN): the tools need an address: HOST:PORT, not none"
            )
        try:
            parse_selector(raw["selector"])
        except SelectorError as error:
            raise SettingsError(f"--selector (HOTPEERS_SELECTOR): {error}") from error
        try:
            user_headers_to = read_origins(raw["user_headers_to"])
        except UrlError as error:
            flag = "--user-headers-to (HOTPEERS_USER_HEADERS_TO)"
            raise SettingsError(f"{flag}: {error}") from error
        return cls(
            listen=listen,
            health_listen=parse_listen(
                raw["health_listen"], "--health-listen (HOTPEERS_HEALTH_LISTEN)"
            ),
            selector=raw["selector"],
            key_secret=_key_secret(raw["key_secret"]),
            wait_seconds=parse_wait(raw["wait_seconds"]),
            # kubelet sets HOSTNAME to the name of the pod.
            replica=environ.get("HOSTNAME", "") or socket.gethostname(),
            state_dir=Path(raw["state_dir"] or _STATE),
            credentials=Path(raw["credentials"]) if raw["credentials"] else None,
            user_headers_to=user_headers_to,
            kagent_gateway=parse_gateway(raw["kagent_gateway"]),
            kubeconfig=raw["kubeconfig"],
            context=raw["context"],
        )


def _key_secret(text: str) -> NamespacedName:
    parts = text.split("/")
    if len(parts) != 2 or not all(map(NAMESPACE.fullmatch, parts)):
        raise SettingsError(
            f"--key-secret (HOTPEERS_KEY_SECRET): {text!r} is not of the form namespace/name; it names "
            "the Secret with the hub's key"
        )
    return NamespacedName(*parts)
