"""What one configuration of a kagent agent consists of: the bytes of its files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Content:
    """The files that kagent's controller writes for an agent, as they are mounted.

    `config` is config.json, `card` agent-card.json, `srt` srt-settings.json (b"" where there is none)
    and `skills` the configuration of the container that fetches skills (b"" without skills).
    """

    config: bytes
    card: bytes = b""
    srt: bytes = b""
    skills: bytes = b""

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of config.json, in hexadecimal."""
        return hashlib.sha256(self.config).hexdigest()
