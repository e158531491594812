"""Asks the API server whose token it is, and what a user may do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.parts import items, part, text
from ..kube.client import Client
from ..kube.errors import KubeError, UnreachableError

MAX_TOKEN = 16 * 1024
"""The longest token that is sent to the API server, in characters."""
_MOST_GROUPS = 1_000
ANSWER_SECONDS = 5.0
"""The time limit of a question to the API server. Users wait for the answer."""


@dataclass(frozen=True)
class User:
    """A user as the API server knows it. `extra` has the further attributes, for authorizers."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


async def review_token(client: Client, token: str, audience: str) -> User | None:
    """The user of a token; None if the API server rejects it. Raises `KubeError`.

    With an `audience`, the token must be made for it. "" stands for the API server itself.
    """
    if not 0 < len(token) <= MAX_TOKEN or not token.isascii() or not token.isprintable():
        return None
    spec: dict[str, Any] = {"token": token}
    if audience:
        spec["audiences"] = [audience]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    answer = await _ask(client, "/apis/authentication.k8s.io/v1/tokenreviews", review)
    status = part(answer, "status")
    if status.get("authenticated") is not True:
        return None
    # An authenticator that knows no audiences would accept tokens for any of them.
    if audience and audience not in items(status, "audiences"):
        return None
    user = part(status, "user")
    name = text(user, "username")
    if not name:
        return None
    return User(
        name,
        text(user, "uid"),
        tuple(one for one in items(user, "groups")[:_MOST_GROUPS] if isinstance(one, str)),
        tuple(
            (key, tuple(one for one in values if isinstance(one, str)))
            for key, values in sorted(part(user, "extra").items())
            if isinstance(values, list)
        ),
    )


async def may_list(client: Client, user: User, namespace: str) -> bool:
    """Whether a user may list Orchestrators in a namespace, or with "" in all. Raises `KubeError`."""
    attributes = {
        "verb": "list",
        "group": "hotpeers.dev",
        "version": "v1alpha1",
        "resource": "orchestrators",
    }
    if namespace:
        attributes["namespace"] = namespace
    spec = {
        "user": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra},
        "resourceAttributes": attributes,
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = await _ask(client, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return part(answer, "status").get("allowed") is True


async def _ask(client: Client, path: str, review: Mapping[str, Any]) -> Any:
    """The answer to a review. Raises `KubeError`."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await client.post(path, review)
    except TimeoutError as error:
        said = f"the API server did not answer within {ANSWER_SECONDS:.0f} seconds"
        raise UnreachableError(said) from error
    if not isinstance(answer, dict):
        raise KubeError(f"the answer is no {review['kind']}")
    return answer
