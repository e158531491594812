"""Saves the inline files of a reply as artifacts of the session, if the agent can store them."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from google.genai import types

from ..contract import Peer, clean_text
from ..reply import File, Reply

logger = logging.getLogger("hotpeers_shim")

MAX_FILES = 16
"""The largest number of files that are saved for one reply."""
_MAX_NAME = 80


async def save_files(reply: Reply, peer: Peer, context: Any, limit: int) -> Callable[[File], str]:
    """Save the inline files of a reply that have at most `limit` bytes.

    Returns a function that gives the text for the model for each file: the name of its artifact, or
    the reason why it was not saved.
    """
    notes: dict[int, str] = {}
    taken: set[str] = set()
    for file in _inline_files(reply):
        notes[id(file)] = await _save(
            file, _artifact_name(file, peer, taken), context, limit, taken
        )
    return lambda file: notes.get(id(file), "its content was not kept")


def _inline_files(reply: Reply) -> list[File]:
    groups = [
        *(artifact.parts for artifact in reply.artifacts),
        reply.message,
        *reply.history,
    ]
    return [
        part
        for parts in groups
        for part in parts
        if isinstance(part, File) and part.content is not None
    ]


async def _save(file: File, name: str, context: Any, limit: int, taken: set[str]) -> str:
    assert file.content is not None, "an inline file"  # noqa: S101
    if len(file.content) > limit:
        return f"not saved: larger than {limit} bytes (HOTPEERS_MAX_FILE_BYTES)"
    if len(taken) >= MAX_FILES:
        return f"not saved: the reply has more than {MAX_FILES} files"
    save: Callable[..., Awaitable[Any]] = context.save_artifact
    media_type = clean_text(file.media_type, 100) or "application/octet-stream"
    part = types.Part.from_bytes(data=file.content, mime_type=media_type)
    try:
        await save(name, part)
    except ValueError:  # google-adk: "Artifact service is not initialized."
        return "not saved: this agent has no artifact service"
    except Exception as error:  # noqa: BLE001 - the text of the reply must still reach the model
        logger.warning("an artifact of %s was not saved: %s", name, error)
        return "not saved: the artifact service failed"
    taken.add(name)
    return f"saved as the session artifact {name!r}"


def _artifact_name(file: File, peer: Peer, taken: set[str]) -> str:
    """A name with the peer's name as prefix: a peer must not replace another peer's artifacts."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", file.name.rpartition("/")[2]).strip("._")[-_MAX_NAME:]
    stem, dot, ending = (plain or "file").rpartition(".")
    stem = stem or ending
    ending = f".{ending}" if dot else ""
    name, number = f"{peer.toolName}_{stem}{ending}", 1
    while name in taken:
        number += 1
        name = f"{peer.toolName}_{stem}-{number}{ending}"
    return name
