"""`hotpeers policy check`: the guard's decision on manifest files, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hotpeers_shim.contract import Nack, clean_text

from ..base.errors import HotpeersError
from ..base.parts import part
from ..base.problems import Problem
from ..base.reasons import Reason
from ..model.yaml.document import DocumentError, read_documents
from .decide import decide
from .decision import Decision, listed
from .reading import PolicyError, read_policy
from .reasons import PolicyReason
from .request import AGENT_KIND, Facts, Request, Subject, Usage
from .schema.policy import KIND, SpawnPolicy
from .stamps import TEMPLATE


class CheckError(HotpeersError):
    """The arguments of the command are not valid."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file. `number` is the position of its YAML document in the file."""

    where: str
    number: int
    data: Any

    @property
    def place(self) -> str:
        """File and document number, for messages."""
        return f"{self.where} document {self.number}"


@dataclass(frozen=True, slots=True)
class Checked:
    """The guard's decision on one object."""

    document: Document
    title: str
    decision: Decision


@dataclass
class Manifests:
    """The content of some files: policies, all other objects, and the problems of the files."""

    policies: list[SpawnPolicy] = field(default_factory=list)
    others: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_files(files: Iterable[tuple[str, bytes]], namespace: str) -> Manifests:
    """Read manifest files. `namespace` is used for a policy that does not name its own."""
    found = Manifests()
    for where, raw in files:
        try:
            documents = read_documents(raw, where)
        except DocumentError as error:
            found.problems.append(error.problem)
            continue
        for number, data in documents:
            _sort(found, Document(where, number, data), namespace)
    return found


def _sort(found: Manifests, document: Document, namespace: str) -> None:
    data = document.data
    if not isinstance(data, dict) or data.get("kind") != KIND:
        found.others.append(document)
        return
    try:
        found.policies.append(read_policy(data, namespace))
    except PolicyError as error:
        for path, wrong in error.findings:
            found.problems.append(
                Problem(document.where, PolicyReason.POLICY_INVALID, wrong, document.number, path)
            )


def check(
    manifests: Manifests,
    subject: Subject,
    templates: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> list[Checked]:
    """Decide on each object as if the subject created them one after the other, in this order."""
    moment = now or datetime.now(UTC)
    usage: dict[str, Usage] = {}
    checked: list[Checked] = []
    for document in manifests.others:
        facts = Facts(now=moment, usage=usage, templates=templates or {})
        request = _request(document.data, subject)
        decision = _offline(
            decide(request, manifests.policies, facts), document, manifests.policies
        )
        if decision.allowed and decision.policy:
            used = usage.get(decision.policy, Usage())
            usage[decision.policy] = Usage(used.alive + 1, (*used.created, moment))
        beginning = part(document.data, "metadata").get("generateName")
        name = request.name or (f"{beginning}…" if isinstance(beginning, str) else "")
        title = f"{request.namespace}/{name}" if name else "an object with no name"
        kind = document.data.get("kind") if isinstance(document.data, dict) else ""
        checked.append(Checked(document, clean_text(f"{kind or 'object'} {title}", 200), decision))
    return checked


def _offline(decision: Decision, document: Document, policies: Sequence[SpawnPolicy]) -> Decision:
    """The decision with remedies that apply offline: arguments of the command, not cluster changes."""
    template = part(part(document.data, "metadata"), "annotations").get(TEMPLATE)
    subjects = {
        f"{ref.kind} {one.namespace}/{ref.name}" for one in policies for ref in one.spec.subjects
    }
    named = listed(tuple(sorted(subjects)))
    remedies: dict[Reason, str] = {
        PolicyReason.TEMPLATE_UNKNOWN: f"give it by --template {template}=FILE",
        PolicyReason.POLICY_MISSING: f"--as one that the files' policies name ({named})",
    }
    denials = (
        replace(one, allowed=clean_text(remedies.get(one.reason, one.allowed), 600))
        for one in decision.denials
    )
    return replace(decision, denials=tuple(denials))


def _request(data: Any, subject: Subject) -> Request:
    version = str(data.get("apiVersion", "")) if isinstance(data, dict) else ""
    kind = str(data.get("kind", "")) if isinstance(data, dict) else ""
    group, _, number = version.rpartition("/")
    metadata = part(data, "metadata")
    namespace, name = metadata.get("namespace"), metadata.get("name")
    return Request(
        subject=subject,
        operation="CREATE",
        group=group,
        version=number,
        resource="agents" if kind == AGENT_KIND else f"{kind.lower()}s",
        namespace=namespace if isinstance(namespace, str) and namespace else subject.namespace,
        name=name if isinstance(name, str) else "",
        object=data,
    )


def subject_of(text: str, policies: Sequence[SpawnPolicy], *, depth: int = 0) -> Subject:
    """The subject that `--as namespace/name` means.

    It is a ServiceAccount if the policies name it only as one, otherwise an Agent. With a depth, it is
    an agent that was spawned under the only policy of the files.
    """
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise CheckError(f"--as: {text!r} is not namespace/name of an Agent or ServiceAccount")
    # There is no uid offline. Use a placeholder, so that the stamps are complete.
    uid = f"uid-of-{name}"
    subject = Subject(namespace, name, f"account-{uid}", name, uid)
    refs = [ref for one in policies if one.namespace == namespace for ref in one.spec.subjects]
    kinds = {ref.kind for ref in refs if ref.name == name}
    if kinds == {"ServiceAccount"}:
        subject = replace(subject, agent="", agent_uid="")
    if depth:
        if len(policies) != 1:
            raise CheckError(
                f"--depth needs one policy that the agent was spawned under, not {len(policies)}"
            )
        subject = replace(subject, policy=policies[0].key, depth=depth)
    return subject


def read_template(text: str, raw: bytes) -> tuple[str, Any]:
    """Read `--template KEY=FILE`: the key, and the spec of the only Agent in the file."""
    key = text.partition("=")[0]
    try:
        documents = read_documents(raw, text.partition("=")[2])
    except DocumentError as error:
        raise CheckError(f"--template: {error.problem}") from error
    agents = [
        data for _, data in documents if isinstance(data, dict) and data.get("kind") == AGENT_KIND
    ]
    if len(agents) != 1 or not isinstance(agents[0].get("spec"), dict):
        problem = Problem(text, Nack.WRONG_SHAPE, "one Agent is needed")
        raise CheckError(f"--template: {problem}")
    return key, agents[0]["spec"]


def as_json(manifests: Manifests, checked: Sequence[Checked]) -> dict[str, Any]:
    """The problems and checked as the JSON output of the command."""
    return {
        "problems": [
            {"where": one.where, "document": one.document, "field": one.field}
            | {"reason": one.reason, "message": one.message}
            for one in manifests.problems
        ],
        "results": [
            {
                "where": one.document.where,
                "document": one.document.number,
                "object": one.title,
                "allowed": one.decision.allowed,
                "policy": one.decision.policy,
                "denials": [
                    {
                        "reason": it.reason,
                        "field": it.path,
                        "message": it.wrong,
                        "allowed": it.allowed,
                    }
                    for it in one.decision.denials
                ],
            }
            for one in checked
        ],
    }
