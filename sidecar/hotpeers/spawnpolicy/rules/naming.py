"""Names of agents that set only a prefix, in `metadata.generateName`.

The API server generates such a name after the mutating webhooks. The guard needs it earlier, because
the agent's account has the same name and is written into the object. So the guard generates the name
itself, in the same way as `k8s.io/apiserver/pkg/storage/names`. The validating webhook and the ledger
then see the full name.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Any

from ...base.parts import part
from ..request import Request
from .walk import Checker

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LENGTH = 5
_BEGINNING = re.compile(r"[a-z][-a-z0-9]{0,57}")


def new_ending() -> str:
    """The random suffix of one name."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def named(request: Request, ending: str) -> Request:
    """The request with a full name if its agent has only a prefix; otherwise unchanged."""
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


def check_beginning(checker: Checker, path: str, value: Any) -> None:
    """Checker the prefix of a generated name. It has no further effect, but people read it."""
    if not isinstance(value, str) or not _BEGINNING.fullmatch(value):
        checker.malformed(
            path, value, "lower case letters, digits and '-', a letter first, at most 58"
        )
    elif not checker.name.startswith(value):
        checker.malformed(path, value, "the beginning of the agent's name")
