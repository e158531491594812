"""The files of one configuration of a kagent agent, as bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Content:
    """The mounted files that kagent's controller writes for an agent.

    `config` is config.json and `card` is agent-card.json. `srt` is srt-settings.json (b"" if it is
    missing). `skills` is the configuration of the container that fetches skills (b"" without
    skills).
    """

    config: bytes
    card: bytes = b""
    srt: bytes = b""
    skills: bytes = b""

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of config.json, in hexadecimal."""
        return hashlib.sha256(self.config).hexdigest()
