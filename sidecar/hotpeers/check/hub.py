"""Orchestrators of the hub whose token is missing or wrong."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from ..base.parts import text
from ..base.view import MalformedError
from ..controller.orchestrators.objects import SECRET_TYPE, TOKEN_KEY
from ..model.hub_token import is_token, read_key, uid_of
from ..model.orchestrator import Orchestrator, read_orchestrator
from .finding import Finding
from .reasons import CheckReason
from .release import hubs
from .snapshot import Json, Part, Snapshot


def orchestrators(snapshot: Snapshot) -> list[Orchestrator]:
    """The Orchestrators that use the hub and can be read."""
    found = []
    for one in snapshot.of(Part.ORCHESTRATORS):
        try:
            read = read_orchestrator(one)
        except MalformedError:
            # The CRD's validation rejects them; the status of others names them.
            continue
        if read.uses_hub:
            found.append(read)
    return found


def find_bad_tokens(snapshot: Snapshot) -> Iterator[Finding]:
    """Compares each token with its Orchestrator; with the hub's key only if the user may read it."""
    secrets = {
        f"{text(one, 'metadata', 'namespace')}/{text(one, 'metadata', 'name')}": one
        for one in snapshot.of(Part.TOKENS)
    }
    if not hubs(snapshot):
        return
    keys = [key for one in snapshot.of(Part.HUB_KEY) for key in _keys(one)]
    for one in orchestrators(snapshot):
        name = f"{one.key.namespace}/{one.token_secret}"
        where = f"Secret {name}"
        if name in snapshot.absent:
            message = f"it does not exist; Orchestrator {one.key} has its token there"
            yield Finding(CheckReason.HUB_TOKEN_MISSING, where, message)
        elif name in secrets and (wrong := _fault(secrets[name], one, keys)):
            yield Finding(CheckReason.HUB_TOKEN_WRONG, where, f"{wrong} (Orchestrator {one.key})")


def _fault(secret: Json, one: Orchestrator, keys: list[bytes]) -> str:
    if text(secret, "type") != SECRET_TYPE:
        return f"its type is {text(secret, 'type')}, not {SECRET_TYPE}"
    token = _decoded(text(secret, "data", TOKEN_KEY)).decode("ascii", "replace").strip()
    if not token:
        return f"it has no entry {TOKEN_KEY}"
    if uid_of(token) != one.uid:
        return "its token is of another Orchestrator, or is no token"
    if token.split(".")[2] != str(one.token_version):
        return f"its token is not of version {one.token_version}, which spec.tokenVersion names"
    if keys and not is_token(token, keys, one.uid, one.token_version):
        return "its token was made with another key than the hub's"
    return ""


def _keys(secret: Json) -> list[bytes]:
    found = (read_key(_decoded(value)) for value in (secret.get("data") or {}).values())
    return [key for key in found if key is not None]


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
