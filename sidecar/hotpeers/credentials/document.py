"""The document of credentials that an operator writes into a Secret, checked. No error quotes a value."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from hotpeers_shim.contract.credentials import (
    MAX_CA,
    MAX_CREDENTIALS,
    MAX_HEADERS,
    is_header,
)
from hotpeers_shim.contract.prefixes import Prefix, PrefixError, parse_prefix, place_of

from ..errors import HotpeersError
from ..model import document as manifests
from ..model.document import read_documents
from .authorities import PemError, check_authorities, check_pair

FILE_NAME = "credentials.yaml"
"""The key of the Secret that holds the document."""
MAX_BYTES = 1024 * 1024
"""Largest document and largest file that it names, in bytes: a Secret is no larger."""
_PLACE = re.compile(r" at line \d+ column \d+$")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_Text = Annotated[str, Field(min_length=1, max_length=2000)]
_Secret = Annotated[SecretStr, Field(min_length=1, max_length=16_384)]


class DocumentError(HotpeersError):
    """The document cannot be used; the message names the field and holds no value of it.

    `unreadable` tells a file that cannot be read from one that is wrong.
    """

    def __init__(self, message: str, *, unreadable: bool = False) -> None:
        super().__init__(message)
        self.unreadable = unreadable


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class HeaderPart(_Part):
    """One header and its value; `valueFile` names another key of the Secret that holds the value."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    value: _Secret | None = None
    valueFile: str = ""


class OAuth2Part(_Part):
    """OAuth2 client credentials (RFC 6749, section 4.4)."""

    tokenUrl: _Text
    clientId: _Text
    clientSecret: _Secret | None = None
    clientSecretFile: str = ""
    scopes: Annotated[tuple[_Text, ...], Field(max_length=64)] = ()
    audience: Annotated[str, Field(max_length=2000)] = ""
    authentication: Literal["basic", "body"] = "basic"


class CertificatePart(_Part):
    """The keys of the Secret with a client certificate and its private key, in PEM."""

    certificateFile: str = "tls.crt"
    keyFile: str = "tls.key"


class EntryPart(_Part):
    """What belongs to requests below a prefix."""

    prefix: _Text
    bearer: _Secret | None = None
    bearerFile: str = ""
    headers: Annotated[tuple[HeaderPart, ...], Field(max_length=MAX_HEADERS)] = ()
    oauth2: OAuth2Part | None = None
    clientCertificate: CertificatePart | None = None
    caFile: str = ""

    @model_validator(mode="after")
    def _is_clear(self) -> EntryPart:
        named = [name for name in ("bearer", "bearerFile", "oauth2") if getattr(self, name)]
        names = [header.name.lower() for header in self.headers]
        if "authorization" in names:
            named.append("the header Authorization")
        if len(named) > 1:
            raise ValueError(f"only one of these can be sent: {', '.join(named)}")
        if len(set(names)) < len(names):
            raise ValueError("headers: a name stands twice")
        if not (named or names or self.clientCertificate or self.caFile):
            raise ValueError("it says nothing but a prefix")
        return self


class DocumentPart(_Part):
    """The whole document."""

    credentials: Annotated[tuple[EntryPart, ...], Field(max_length=MAX_CREDENTIALS)]


@dataclass(frozen=True, slots=True)
class OAuth2:
    """What an access token is asked for with."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    audience: str = ""
    authentication: str = "basic"
    ca: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry with what its files hold. `headers` are those that nothing needs to be asked for.

    `certificate` and `key` are PEM text, "" where no client certificate is needed; `ca` is PEM text of
    further authorities.
    """

    prefix: Prefix
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    oauth2: OAuth2 | None = None
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)


def document_path(path: Path) -> Path:
    """The document of `--credentials`: the file itself, or its usual name in a folder."""
    return path / FILE_NAME if path.is_dir() else path


def read_document(path: Path) -> tuple[Entry, ...]:
    """Read a document and the files that it names; `DocumentError` says what is wrong.

    kubelet replaces a Secret's files all at once, by a link to a folder: it is followed once, so that
    all files are of one version.
    """
    real = Path(os.path.realpath(document_path(path)))
    data = _parse(_read(real, real.name), real.name)
    try:
        document = DocumentPart.model_validate(data)
    except ValidationError as error:
        raise DocumentError(f"{real.name}: {_first(error)}") from None
    folder = real.parent
    entries = tuple(
        _entry(part, f"credentials[{at}]", folder) for at, part in enumerate(document.credentials)
    )
    prefixes = [str(entry.prefix) for entry in entries]
    for at, prefix in enumerate(prefixes):
        if prefix in prefixes[:at]:
            raise DocumentError(f"credentials[{at}].prefix: it stands twice")
    return entries


def _parse(raw: bytes, name: str) -> Any:
    try:
        documents = read_documents(raw, name)
    except manifests.DocumentError as error:
        # Not its text, which may quote what stands there.
        place = _PLACE.search(error.problem.message)
        raise DocumentError(f"{name} is not YAML{place[0] if place else ''}") from None
    if len(documents) != 1:
        raise DocumentError(f"{name}: one document is needed, not {len(documents)}")
    return documents[0][1]


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    steps = first["loc"]
    # A key that the schema does not know may be anything, a secret in the wrong place too.
    unknown = first["type"] in ("extra_forbidden", "invalid_key")
    where = ""
    for step in steps[:-1] if unknown else steps:
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else str(step)
    message = "a field is not known" if unknown else first["msg"]
    return f"{where}: {message}" if where else message


def _entry(part: EntryPart, where: str, folder: Path) -> Entry:
    try:
        prefix = parse_prefix(part.prefix)
    except PrefixError as error:
        raise DocumentError(f"{where}.prefix: {error}") from None
    if prefix.scheme == "http" and (part.caFile or part.clientCertificate):
        raise DocumentError(f"{where}.prefix: certificates need https")
    headers = [
        (one.name, _secret(one.value, one.valueFile, folder, f"{where}.headers[{at}].value"))
        for at, one in enumerate(part.headers)
    ]
    if part.bearer is not None or part.bearerFile:
        token = _secret(part.bearer, part.bearerFile, folder, f"{where}.bearer")
        headers.append(("Authorization", f"Bearer {token}"))
    for at, (name, value) in enumerate(headers):
        if not is_header(name, value):
            raise DocumentError(f"{where}: header {at} cannot be sent as a credential")
    ca = _file(folder, part.caFile, f"{where}.caFile", MAX_CA) if part.caFile else ""
    certificate, key = _pair(part.clientCertificate, folder, f"{where}.clientCertificate")
    try:
        check_authorities(ca)
        check_pair(certificate, key)
    except PemError as error:
        raise DocumentError(f"{where}: {error}") from None
    oauth2 = None
    if part.oauth2 is not None:
        oauth2 = _oauth2(part.oauth2, folder, f"{where}.oauth2", ca)
    return Entry(prefix, tuple(headers), oauth2, certificate, key, ca)


def _oauth2(part: OAuth2Part, folder: Path, where: str, ca: str) -> OAuth2:
    if place_of(part.tokenUrl) is None:
        raise DocumentError(f"{where}.tokenUrl: an http(s) URL without user name is needed")
    secret = _secret(part.clientSecret, part.clientSecretFile, folder, f"{where}.clientSecret")
    return OAuth2(
        token_url=part.tokenUrl,
        client_id=part.clientId,
        client_secret=secret,
        scope=" ".join(part.scopes),
        audience=part.audience,
        authentication=part.authentication,
        ca=ca,
    )


def _pair(part: CertificatePart | None, folder: Path, where: str) -> tuple[str, str]:
    if part is None:
        return "", ""
    certificate = _file(folder, part.certificateFile, f"{where}.certificateFile", MAX_CA)
    return certificate, _file(folder, part.keyFile, f"{where}.keyFile", MAX_CA)


def _secret(value: SecretStr | None, file: str, folder: Path, where: str) -> str:
    """A secret that stands in the document, or in a file; a line end behind it does not belong to it."""
    if (value is None) == (not file):
        raise DocumentError(f"{where}: either the value or its file is needed")
    if value is None:
        found = _file(folder, file, f"{where}File", MAX_BYTES).strip()
    else:
        found = value.get_secret_value().strip()
    if not found:
        raise DocumentError(f"{where}: it is empty")
    return found


def _file(folder: Path, name: str, where: str, limit: int) -> str:
    if not _KEY.fullmatch(name) or name.startswith(".."):
        raise DocumentError(f"{where}: this is not the name of a key of the Secret")
    raw = _read(folder / name, where, limit)
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise DocumentError(f"{where}: the file holds more than ASCII") from None


def _read(path: Path, where: str, limit: int = MAX_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise DocumentError(f"{where}: {error.strerror}", unreadable=True) from None
    if len(raw) > limit:
        raise DocumentError(f"{where}: larger than {limit} bytes")
    return raw
