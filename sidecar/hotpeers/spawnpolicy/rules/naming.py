"""Names of agents that leave their end to the cluster: `metadata.generateName`.

The API server makes such a name after the mutating webhooks. The guard makes it itself, in the same way
(`k8s.io/apiserver/pkg/storage/names`): the account that the agent runs as has its name, and is stamped.
The validating webhook then sees the whole name, as does the ledger.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Any

from ..request import Request
from ..stamps import part
from .walk import Judge

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LENGTH = 5
_BEGINNING = re.compile(r"[a-z][-a-z0-9]{0,57}")


def new_ending() -> str:
    """The random end of one name."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def named(request: Request, ending: str) -> Request:
    """The request, its agent with a whole name where it has the beginning of one only."""
    metadata = part(request.object, "metadata")
    beginning = metadata.get("generateName")
    if (
        request.operation != "CREATE"
        or request.name
        or metadata.get("name")
        or not isinstance(beginning, str)
        or not _BEGINNING.fullmatch(beginning)
    ):
        return request
    whole = {**request.object, "metadata": {**metadata, "name": f"{beginning}{ending}"}}
    return replace(request, object=whole)


def judge_beginning(judge: Judge, path: str, value: Any) -> None:
    """Judge what a name was made from; it has no effect any more, but people read it."""
    if not isinstance(value, str) or not _BEGINNING.fullmatch(value):
        judge.malformed(
            path, value, "lower case letters, digits and '-', a letter first, at most 58"
        )
    elif not judge.name.startswith(value):
        judge.malformed(path, value, "the beginning of the agent's name")
