"""Verifies signed agent cards: JWS over the canonical card, with the operator's keys.

The A2A library and PyJWT cost 33 MB of memory. They are imported with the first card to verify, so
only sidecars that require signatures pay for them. Keys are never fetched: anyone can put any key
URL (`jku`) into a card.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...model.cards.card import CardError
from ..reasons import SidecarReason

_ALGORITHMS = [
    "ES256",
    "ES384",
    "ES512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "EdDSA",
]
_MAX_KEYS = 64
_MAX_SIGNATURES = 16
_MAX_FILE_BYTES = 256 * 1024
_PRIVATE = ("d", "p", "q", "k")


class KeysError(ValueError):
    """The keys cannot be used; the message says why, and does not contain them."""


class SignatureCheck:
    """Checks that a card is signed with one of the keys in `place`, a file or a folder.

    The keys are read again when a file changes. While they cannot be read, every card is rejected.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._seen: object = None
        self._keys: list[Any] = []

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """The part of a card's data that a valid signature covers; without one, a `CardError`."""
        signatures = data.get("signatures")
        if not isinstance(signatures, list) or not signatures:
            raise CardError("the agent card is not signed", SidecarReason.CARD_UNSIGNED)
        keys = self._read()
        card = {**data, "signatures": signatures[:_MAX_SIGNATURES]}
        for verified in (_of_1_0, _of_0_3):
            try:
                found = verified(copy.deepcopy(card), keys)
            except Exception as error:  # noqa: BLE001 - whatever a hostile card causes is not a signature
                logging.getLogger(__name__).debug("signature not verified: %s", error)
                continue
            if found is not None:
                return found
        message = "no signature is valid for the card and the required keys"
        raise CardError(message, SidecarReason.CARD_SIGNATURE_BAD)

    def _read(self) -> list[Any]:
        try:
            files = list(_files(self._place))
            seen = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
            if seen != self._seen:
                self._keys = [key for path in files for key in read_keys(path)]
                self._seen = seen
        except (OSError, KeysError) as error:
            self._seen = None
            raise CardError(
                f"{self._place}: {error}", SidecarReason.CARD_KEYS_UNREADABLE
            ) from error
        if not self._keys:
            raise CardError(f"{self._place}: there is no key", SidecarReason.CARD_KEYS_UNREADABLE)
        return self._keys[:_MAX_KEYS]


def read_keys(path: Path) -> list[Any]:
    """The public keys of a file, which holds a JWK set or one JWK.

    Raises OSError if the file cannot be read, and `KeysError` if it holds anything but public keys.
    """
    from jwt import PyJWK  # noqa: PLC0415 - see above
    from jwt.exceptions import PyJWTError  # noqa: PLC0415

    with path.open("rb") as file:
        raw = file.read(_MAX_FILE_BYTES + 1)
    if len(raw) > _MAX_FILE_BYTES:
        raise KeysError(f"{path.name}: larger than {_MAX_FILE_BYTES} bytes")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise KeysError(f"{path.name}: not JSON; a JWK set is needed") from error
    items = data.get("keys", [data]) if isinstance(data, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise KeysError(f"{path.name}: not a JWK set")
    keys = []
    for number, item in enumerate(items):
        if item.get("kty") == "oct" or any(name in item for name in _PRIVATE):
            raise KeysError(f"{path.name}: key {number} is not a public key")
        try:
            keys.append(PyJWK.from_dict(item))
        except (PyJWTError, ValueError, TypeError) as error:
            raise KeysError(f"{path.name}: key {number} is not a JWK that is known") from error
    return keys


def _files(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    # A folder that Kubernetes mounts holds links whose names begin with two dots: skip them.
    yield from sorted(path for path in place.iterdir() if not path.name.startswith("."))


def _of_1_0(card: dict[str, Any], keys: list[Any]) -> dict[str, Any] | None:
    """The card as a2a-sdk 1.x canonicalizes it, if it is signed in that form."""
    from a2a.client.card_resolver import parse_agent_card  # noqa: PLC0415 - see above
    from a2a.utils.signing import create_signature_verifier  # noqa: PLC0415
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

    # The library logs each field that a card lacks; cards are refreshed once a minute.
    logging.getLogger("a2a.utils.proto_utils").setLevel(logging.ERROR)
    parsed = parse_agent_card(card)
    for key in keys:
        verify = create_signature_verifier(_provider(key), _ALGORITHMS)
        if _holds(lambda verify=verify: verify(parsed)):  # type: ignore[misc]
            believed: dict[str, Any] = MessageToDict(parsed)
            return believed
    return None


def _of_0_3(card: dict[str, Any], keys: list[Any]) -> dict[str, Any] | None:
    """The card as a2a-sdk 0.3 canonicalizes it, if it is signed in that form.

    See `a2a.utils.helpers` of that version.
    """
    from a2a.compat.v0_3.types import AgentCard  # noqa: PLC0415 - see above
    from jwt import PyJWS  # noqa: PLC0415
    from jwt.utils import base64url_encode  # noqa: PLC0415

    parsed = AgentCard.model_validate(card)
    believed = parsed.model_dump(
        mode="json",
        exclude={"signatures"},
        exclude_defaults=True,
        exclude_none=True,
        by_alias=True,
    )
    canonical = json.dumps(_without_empty(believed), separators=(",", ":"), sort_keys=True)
    payload = base64url_encode(canonical.encode()).decode()
    for signature in parsed.signatures or []:
        token = f"{signature.protected}.{payload}.{signature.signature}"
        for key in keys:
            choose = _provider(key)
            if _holds(lambda token=token, choose=choose: _decode(PyJWS(), token, choose)):  # type: ignore[misc]
                return dict(believed)
    return None


def _decode(jws: Any, token: str, choose: Callable[[str | None, str | None], Any]) -> None:
    header = jws.get_unverified_header(token)
    jws.decode(token, choose(header.get("kid"), None), algorithms=_ALGORITHMS)


def _provider(key: Any) -> Callable[[str | None, str | None], Any]:
    """A key lookup that returns `key`, unless the signature names another key ID."""
    from jwt.exceptions import InvalidKeyError  # noqa: PLC0415 - see above

    def choose(kid: str | None, _: str | None) -> Any:
        if kid and key.key_id and kid != key.key_id:
            raise InvalidKeyError("another key")
        return key

    return choose


def _holds(verify: Callable[[], None]) -> bool:
    from a2a.utils.signing import SignatureVerificationError  # noqa: PLC0415 - see above
    from jwt.exceptions import PyJWTError  # noqa: PLC0415

    try:
        verify()
    except (SignatureVerificationError, PyJWTError):
        return False
    return True


def _without_empty(value: Any) -> Any:
    """The value without empty texts, lists and objects; None if nothing is left.

    `check_depth` bounds the recursion.
    """
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None} or None
    if isinstance(value, list):
        items = [item for item in map(_without_empty, value) if item is not None]
        return items or None
    return None if value == "" else value
