"""One version of a kagent agent's configuration: as kagent wrote it, and as the agent reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hotpeers_shim.hot.content import Content

from ..agent_config import CONFIG_FILE, MAX_FILE_BYTES, Server, merge, names_of, write_file

_CARD, _SRT = "agent-card.json", "srt-settings.json"

Files = Mapping[str, bytes]
"""The content of each file, by its name."""


@dataclass(frozen=True)
class Version:
    """One version. `content` is what kagent hashes, and `files` what the agent reads.

    `fault` is why config.json cannot be merged with the bridge, or "".
    """

    content: Content
    files: Files
    fault: str = ""

    @cached_property
    def digest(self) -> str:
        """Identifies the files that the agent reads."""
        return digest_of(self.files)

    @property
    def skills(self) -> str:
        """Identifies the configuration of the container that fetches skills."""
        return hashlib.sha256(self.content.skills).hexdigest()


def digest_of(files: Files) -> str:
    """The SHA-256 of names and contents, in hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()


def read_version(source: Path, servers: Sequence[Server], skills: Path | None = None) -> Version:
    """The newest version in kagent's volume. Raises OSError.

    All files are of one version of the volume: kubelet replaces the folder behind `..data`.
    """
    data = source / "..data"
    raw = read_files(data.resolve() if data.is_symlink() else source)
    if CONFIG_FILE not in raw:
        raise FileNotFoundError(2, f"{CONFIG_FILE} does not exist")
    fault = ""
    files = dict(raw)
    try:
        merged = merge(json.loads(raw[CONFIG_FILE]), servers)
        files[CONFIG_FILE] = json.dumps(merged, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        fault = f"{CONFIG_FILE} is not valid: {error}"
    content = Content(
        raw[CONFIG_FILE],
        raw.get(_CARD, b""),
        raw.get(_SRT, b""),
        _read(skills) if skills is not None and skills.exists() else b"",
    )
    return Version(content, files, fault)


def read_files(folder: Path) -> dict[str, bytes]:
    """All files of a folder. Raises OSError, also if one is too large."""
    return {name: _read(folder / name) for name in names_of(folder)}


def write_files(files: Files, folder: Path) -> None:
    """Replace the files of a folder, and remove the others. Raises OSError."""
    for name, raw in files.items():
        write_file(folder / name, raw)
    for name in set(names_of(folder)) - files.keys():
        (folder / name).unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise OSError(27, f"{path.name} is larger than {MAX_FILE_BYTES} bytes")
    return raw
