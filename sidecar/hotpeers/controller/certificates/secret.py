"""Reads and builds the Secret with the certificates. Pure functions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...base.view import MalformedError
from ...kube.informer.kind import Kind, Version
from ..reasons import ControllerReason
from .authority import (
    NEXT_AUTHORITY,
    NEXT_KEY,
    BadCertificatesError,
    Keyring,
    dump_keyring,
    load_keyring,
)

MARK = "hotpeers.dev/certificates"
"""The annotation of a Secret that hotpeers wrote, and so may change."""
_LABELS = {"app.kubernetes.io/managed-by": "hotpeers"}


@dataclass(frozen=True, slots=True)
class Stored:
    """The Secret at one resourceVersion. `keyring` is None if the Secret is empty."""

    version: str
    keyring: Keyring | None


def read_secret(data: Any) -> Stored:
    """Read a Secret. Raises `MalformedError` if its data is invalid or not from hotpeers."""
    metadata = data.get("metadata") or {}
    version = str(metadata.get("resourceVersion") or "")
    held = {name: value for name, value in (data.get("data") or {}).items() if value}
    if not held:
        return Stored(version, None)
    if MARK not in (metadata.get("annotations") or {}):
        message = f"has data that hotpeers did not write (no annotation {MARK}): empty or remove it"
        raise MalformedError((ControllerReason.CERTIFICATES_BAD, "data", message))
    try:
        decoded = {name: base64.b64decode(value, validate=True) for name, value in held.items()}
        return Stored(version, load_keyring(decoded))
    except (binascii.Error, BadCertificatesError) as error:
        message = f"{error}: empty the Secret, and it is written again"
        raise MalformedError((ControllerReason.CERTIFICATES_BAD, "data", message)) from error


def new_secret(namespace: str, name: str, keyring: Keyring) -> dict[str, Any]:
    """The Secret to create."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": _LABELS,
            "annotations": {MARK: "1"},
        },
        "data": _encoded(dump_keyring(keyring)),
    }


def secret_patch(version: str, keyring: Keyring) -> dict[str, Any]:
    """A merge patch that writes a keyring into the Secret, if it still has this version."""
    # A merge patch removes a key only if its value is null.
    data: dict[str, str | None] = {NEXT_AUTHORITY: None, NEXT_KEY: None}
    return {
        "metadata": {"resourceVersion": version, "annotations": {MARK: "1"}},
        "data": {**data, **_encoded(dump_keyring(keyring))},
    }


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(value).decode() for name, value in data.items()}


SECRET = Kind[Stored]("Secret", "", "secrets", (Version("v1", read_secret),))
