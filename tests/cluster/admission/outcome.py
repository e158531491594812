"""The outcome of a request: who refused it, and with which message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from kit.apiserver.client import Api, ApiError, Object

T = TypeVar("T")
JSON, YAML = "application/json", "application/yaml"
MERGE = "application/merge-patch+json"
PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
_AT_ONCE = 6


class By(StrEnum):
    """Who refused a request; `NOBODY` if it was admitted."""

    GUARD = "guard"
    """It decided, and denied."""
    FAULT = "fault"
    """It could not be asked, or could not decide."""
    SERVER = "server"
    """The API server, which did not understand it."""
    NOBODY = "nobody"


@dataclass(frozen=True)
class Attempt:
    """One request; a body of bytes is sent as it is. `by` is who must refuse it."""

    method: str
    path: str
    body: Any = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    by: By = By.GUARD


@dataclass(frozen=True)
class Outcome:
    """Who refused the request, the message, and the returned object of an admitted request."""

    by: By
    message: str = ""
    found: Object = field(default_factory=dict)


def attempt(api: Api, one: Attempt) -> Outcome:
    """Make the request."""
    try:
        found = api.request(
            one.method, one.path, one.body, content_type=one.content_type, headers=one.headers
        )
    except ApiError as error:
        return Outcome(_by(error), f"{error.status} {error.message}")
    except OSError as error:
        # The API server closes the connection on a body that is too large.
        return Outcome(By.SERVER, str(error))
    return Outcome(By.NOBODY, found=found)


def _by(error: ApiError) -> By:
    if "guard.hotpeers.dev" not in error.message:
        return By.SERVER
    denied = error.status == 403 and "denied the request" in error.message
    return By.GUARD if denied else By.FAULT


def at_once(work: Callable[[str, T], Outcome], cases: Mapping[str, T]) -> dict[str, Outcome]:
    """The outcome of each case, a few at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(cases, pool.map(work, cases, cases.values()), strict=True))


def listed(outcomes: Mapping[str, Outcome], names: Iterable[str]) -> str:
    """These outcomes, for a person."""
    return "\n".join(
        f"{name}: {outcomes[name].by} {outcomes[name].message[:300]}" for name in names
    )
