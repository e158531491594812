"""Reads SpawnPolicies from a user's file or from an object of the cluster."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError

from hotpeers_shim.contract import clean_text

from ..base.parts import part
from .schema.policy import API_VERSION, KIND, PolicySpec, SpawnPolicy, SubjectRef, seconds_of


class PolicyError(ValueError):
    """A SpawnPolicy is not valid. Each finding is the path of a field and what is wrong with it."""

    def __init__(self, findings: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{path}: {wrong}" for path, wrong in findings))
        self.findings = findings


def read_policy(data: Any, namespace: str = "default") -> SpawnPolicy:
    """The policy of an object. Raises `PolicyError` with all findings.

    `namespace` is used for an object without a namespace of its own, for example in a file.
    """
    if not isinstance(data, dict) or (data.get("apiVersion"), data.get("kind")) != (
        API_VERSION,
        KIND,
    ):
        raise PolicyError((("kind", f"is no {KIND} of {API_VERSION}"),))
    unknown = set(data) - {"apiVersion", "kind", "metadata", "spec", "status"}
    if unknown:
        raise PolicyError(tuple((clean_text(str(one), 80), "no such field") for one in unknown))
    metadata = part(data, "metadata")
    try:
        spec = PolicySpec.model_validate(data.get("spec", {}))
    except ValidationError as error:
        raise PolicyError(_findings(error, "spec")) from error
    crossed = tuple(_crossed(spec))
    if crossed:
        raise PolicyError(crossed)
    try:
        return SpawnPolicy(
            name=metadata.get("name", ""),
            namespace=metadata.get("namespace") or namespace,
            spec=spec,
        )
    except ValidationError as error:
        raise PolicyError(_findings(error, "metadata")) from error


def read_leniently(data: Any) -> tuple[SpawnPolicy, tuple[tuple[str, str], ...]]:
    """The policy of an object of the cluster, and the findings about it.

    An invalid policy allows nothing and still governs the subjects that it names: a mistake in a
    policy must not release its subjects.
    """
    metadata = part(data, "metadata")
    try:
        return read_policy(data), ()
    except PolicyError as error:
        found = part(data, "spec")
        subjects = found.get("subjects")
        named = (
            [one for item in subjects for one in _subjects(item)]
            if isinstance(subjects, list)
            else []
        )
        spec = PolicySpec().model_copy(
            update={
                "subjects": tuple(named),
                "mode": "Audit" if found.get("mode") == "Audit" else "Enforce",
            }
        )
        path, wrong = error.findings[0]
        policy = SpawnPolicy.model_construct(
            name=str(metadata.get("name") or ""),
            namespace=str(metadata.get("namespace") or ""),
            spec=spec,
            broken=clean_text(f"{path} {wrong}", 200),
        )
        return policy, error.findings


def _subjects(item: Any) -> list[SubjectRef]:
    """The subjects that an item of the list may mean. An unknown kind means both kinds."""
    name = item.get("name") if isinstance(item, dict) else item
    if not isinstance(name, str) or not name:
        return []
    kinds: tuple[Literal["Agent", "ServiceAccount"], ...] = ("Agent", "ServiceAccount")
    kind = item.get("kind") if isinstance(item, dict) else None
    return [
        SubjectRef.model_construct(kind=one, name=name)
        for one in kinds
        if kind not in kinds or kind == one
    ]


def _crossed(spec: PolicySpec) -> list[tuple[str, str]]:
    """Findings that involve more than one field. The CRD has the same rules."""
    found: list[tuple[str, str]] = []
    ttl = spec.limits.ttl if spec.limits else None
    if ttl and seconds_of(ttl.default) > seconds_of(ttl.max):
        found.append(("spec.limits.ttl.default", "is longer than the longest that is allowed"))
    for name, images in (("images", spec.images), ("skills.images", spec.skills.images)):
        for number, image in enumerate(images):
            if not image.requireDigest and not image.tags:
                found.append((f"spec.{name}[{number}]", "needs tags, or requireDigest: true"))
    for number, server in enumerate(spec.mcpServers):
        if not server.tools:
            found.append(
                (f"spec.mcpServers[{number}].tools", 'is empty; name tools, or "*" for all')
            )
        strange = set(server.requireApproval) - set(server.tools) - {"*"}
        if strange and "*" not in server.tools:
            found.append(
                (f"spec.mcpServers[{number}].requireApproval", "names tools that are not allowed")
            )
    return found


def _findings(error: ValidationError, root: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_path(root, item["loc"]), _message(dict(item)))
        for item in error.errors(include_url=False)[:20]
    )


def _path(root: str, location: tuple[int | str, ...]) -> str:
    path = root
    for one in location:
        path += f"[{one}]" if isinstance(one, int) else f".{one}"
    return clean_text(path, 200)


def _message(item: dict[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "no such field is known"
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "value_error":
        return clean_text(str(item["ctx"]["error"]), 300)
    return clean_text(str(item["msg"]), 300)
