"""`hotpeers validate`: reports the errors in manifests, agent cards and peer files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hotpeers_shim.contract import MAX_FILE_BYTES, Nack, Rejection, load_peer_file

from ..base.problems import Problem
from ..model.manifest import read_manifests
from ..model.snapshot import Candidate
from ..sidecar.reasons import SidecarReason
from .inputs import read_input


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one file: a one-line summary or its problems, and remarks.

    Only a valid file or an empty directory has `warnings`.
    """

    where: str
    summary: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def validate_inputs(names: Iterable[str]) -> Iterator[Finding]:
    """Check files, directories (as the directory source reads them) and `-` (standard input)."""
    for name in names:
        if name != "-" and Path(name).is_dir():
            yield from _directory(name)
        else:
            yield _file(name)


def _directory(folder: str) -> Iterator[Finding]:
    # Imported late: its file watch costs 2 MB, which checking a file does not need.
    from ..sidecar.sources.directory import manifest_names

    try:
        names = manifest_names(folder)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    if not names:
        yield Finding(
            folder, "empty", warnings=(f"{folder}: no *.yaml, *.yml or *.json file in it",)
        )
    holders: dict[str, str] = {}
    for name in names:
        found = _file(str(Path(folder) / name))
        taken = tuple(
            Problem(
                found.where,
                SidecarReason.NAME_COLLISION,
                f"{candidate.kind} {candidate.title}: the tool name {candidate.tool!r} is taken by "
                f"{holders[candidate.tool]}; give one another name",
            )
            for candidate in found.candidates
            if holders.setdefault(candidate.tool, found.where) != found.where
        )
        yield replace(found, problems=(*found.problems, *taken))


def _file(name: str) -> Finding:
    where = "stdin" if name == "-" else name
    try:
        return validate_bytes(read_input(name, MAX_FILE_BYTES), where)
    except OSError as error:
        return _unreadable(where, error)


def _unreadable(where: str, error: OSError) -> Finding:
    message = error.strerror or str(error)
    return Finding(where, problems=(Problem(where, Nack.FILE_UNREADABLE, message),))


def validate_bytes(raw: bytes, where: str) -> Finding:
    """Check the content of one file: a peer file, manifests or an agent card."""
    if _is_peer_file(raw):
        return _peer_file(raw, where)
    result = read_manifests(raw, where)
    if result.problems:
        return Finding(where, problems=result.problems, remarks=result.ignored)
    kinds = [f"{candidate.kind} {candidate.title}" for candidate in result.candidates]
    summary = ", ".join(kinds) if kinds else "nothing that describes a peer"
    warnings = tuple(map(str, result.warnings))
    return Finding(where, summary, (), warnings, result.ignored, result.candidates)


def _is_peer_file(raw: bytes) -> bool:
    if len(raw) > MAX_FILE_BYTES:
        return False
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError):
        # A truncated peer file is not JSON; recognize it by its first field.
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
