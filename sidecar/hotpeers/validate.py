"""`hotpeers validate`: says what is wrong with manifests, agent cards and peer files, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hotpeers_shim.contract import MAX_FILE_BYTES, Rejection, load_peer_file

from .model.manifest import read_manifests
from .model.snapshot import Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """What validation says of one file: a line of what it is, or its problems; and remarks."""

    where: str
    summary: str = ""
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()


def validate_bytes(raw: bytes, where: str) -> Finding:
    """Check one file of any of the kinds that we read."""
    if _is_peer_file(raw):
        return _peer_file(raw, where)
    result = read_manifests(raw, where)
    if result.problems:
        return Finding(where, problems=result.problems, remarks=result.ignored)
    kinds = [f"{candidate.kind} {candidate.title}" for candidate in result.candidates]
    summary = ", ".join(kinds) if kinds else "nothing that describes a peer"
    return Finding(where, summary, remarks=result.ignored)


def _is_peer_file(raw: bytes) -> bool:
    if len(raw) > MAX_FILE_BYTES:
        return False
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError):
        # A peer file that was cut is told by its first field.
        return raw.lstrip()[:200].startswith(b'{"apiVersion":"hotpeers.dev/v1"')
    if not isinstance(data, dict) or "kind" in data:
        return False
    return "peers" in data or "generation" in data


def _peer_file(raw: bytes, where: str) -> Finding:
    found = load_peer_file(raw)
    if isinstance(found, Rejection):
        problem = Problem(where, found.reason, found.message, field=found.path)
        return Finding(where, problems=(problem,))
    return Finding(where, f"peer file, generation {found.generation}, {len(found.peers)} peers")
