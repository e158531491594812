"""The input and the output of `hotpeers inject`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from ..base.parts import part, text
from ..inject.offline import Outcome, Result, inject_document, namespaces_of
from ..inject.outcome import Injection, Skip
from ..inject.reasons import InjectReason
from ..inject.remedies import REMEDIES
from ..model.yaml.document import DocumentError, read_documents

# At the start of a line, `---` begins a document everywhere in YAML, also inside of a block of text.
_BETWEEN = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_EMPTY = re.compile(r"(?:\s*(?:[#%].*)?(?:\n|$))*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A document of a file: its text, and what it contains; None if it has no content."""

    source: str
    documents: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Injected:
    """The outcomes of all documents, with their pieces. `problems` are those of the files."""

    pieces: tuple[tuple[Piece, tuple[Outcome, ...]], ...]
    problems: tuple[str, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes in the order of the documents."""
        return tuple(one for _, outcomes in self.pieces for one in outcomes)

    @property
    def bad(self) -> bool:
        """Whether a file or a document is invalid."""
        return bool(self.problems) or any(one.result is Result.INVALID for one in self.outcomes)

    def text(self, output: str) -> str:
        """The manifests as `yaml` or `json`, or the changes as `patch`."""
        if output == "yaml":
            return "".join(_as_yaml(piece, outcomes) for piece, outcomes in self.pieces)
        if output == "patch":
            return _as_json([_patch(one) for one in self.outcomes if one.operations])
        found = [one.document for one in self.outcomes]
        if len(found) == 1:
            return _as_json(found[0])
        return _as_json({"apiVersion": "v1", "kind": "List", "items": found})


def inject_files(
    inputs: Iterable[tuple[str, bytes]], namespace: str, injection: Injection
) -> Injected:
    """Inject the documents of files, given as name and content."""
    pieces: list[Piece] = []
    problems = []
    for name, raw in inputs:
        try:
            # Read the whole file first, for the line numbers of errors.
            problems += [
                f"error: {name} document {number}: {wrong}"
                for number, one in read_documents(raw, name)
                if (wrong := _fault(one))
            ]
            pieces += _pieces(raw.decode("utf-8-sig"), name)
        except DocumentError as error:
            problems.append(f"error: {error.problem}")
    spaces = namespaces_of(one for piece in pieces for one in piece.documents)
    done = []
    for piece in pieces:
        outcomes = [_inject(one, namespace, injection, spaces) for one in piece.documents]
        done.append((piece, tuple(outcomes)))
    return Injected(tuple(done), tuple(problems))


def _fault(document: Any) -> str:
    if not isinstance(document, dict):
        return "this is no object of Kubernetes"
    try:
        json.dumps(document, allow_nan=False)
    except ValueError:
        return "a number such as .nan or .inf is in it, which Kubernetes does not take"
    return ""


def _inject(
    document: Any, namespace: str, injection: Injection, spaces: Mapping[str, dict[str, Any]]
) -> Outcome:
    found = inject_document(document, namespace or "default", injection, spaces)
    if not found.operations or namespace or text(document, "metadata", "namespace"):
        return found
    # The sidecar gets the namespace in a variable.
    wrong = "names no namespace, and is injected for the namespace default: see --namespace"
    return replace(found, warnings=(*found.warnings, wrong))


def outcome_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines for standard error."""
    for one in outcomes:
        if one.result is Result.INVALID:
            yield from (f"error: {one.title}: {wrong}" for wrong in one.warnings)
            continue
        if one.result is not Result.OTHER:
            why = f": {_why(one.skips[0])}" if one.result is Result.SKIPPED else ""
            yield f"{one.title}: {one.result}{why}"
        skips = () if one.result is Result.SKIPPED else one.skips
        yield from (f"warning: {one.title}: {_why(skip)}" for skip in skips)
        yield from (f"warning: {one.title}: {warning}" for warning in one.warnings)


def _why(skip: Skip) -> str:
    assert isinstance(skip.reason, InjectReason)  # noqa: S101 - other reasons need a cluster
    return f"{skip} {REMEDIES[skip.reason]}"


def _pieces(source: str, name: str) -> Iterator[Piece]:
    parts = [source] if name.endswith(".json") else _BETWEEN.split(source)
    for one in parts:
        if not _EMPTY.fullmatch(one):
            found = read_documents(one.encode(), name)
            yield Piece(one, tuple(document for _, document in found))


def _as_yaml(piece: Piece, outcomes: tuple[Outcome, ...]) -> str:
    if not any(one.operations for one in outcomes):
        return f"---{_begun(piece.source)}"
    return "".join(f"---\n{_dumped(one.document)}" for one in outcomes)


def _begun(source: str) -> str:
    # What followed `---` in its line stays there, such as the comment of helm.
    begun = source if source[:1].isspace() else f"\n{source}"
    return begun if begun.endswith("\n") else f"{begun}\n"


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, and no references."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    if style is None and (not value[:1].isalpha() or value.lower() in ("y", "n")):
        # kubectl reads `1e3` as a number and `y` as true, which PyYAML writes without quotes.
        style = None if value.startswith("/") else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _dumped(document: Any) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _patch(one: Outcome) -> dict[str, Any]:
    document = one.document
    metadata = {
        name: value
        for name in ("namespace", "name", "generateName")
        if (value := part(document, "metadata").get(name))
    }
    head = {"apiVersion": text(document, "apiVersion"), "kind": text(document, "kind")}
    return {**head, "metadata": metadata, "patch": list(one.operations)}
