"""Parses and validates the operator's credentials document and the files beside it.

Messages of this module quote no value of the document, and only field names that are known.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    ValidationError,
    model_validator,
)

from hotpeers_shim.contract import MAX_NAME, MAX_URL
from hotpeers_shim.contract.credentials import MAX_CA, MAX_CREDENTIALS, MAX_HEADERS, is_header
from hotpeers_shim.contract.prefixes import PrefixError, parse_prefix

from ...base.origin import UrlError, origin_of
from ...base.reasons import Reason
from ...model.yaml.document import DocumentError, read_documents
from ...model.yaml.file import read_file
from ...model.yaml.reader import YamlError
from ..reasons import SidecarReason
from .grant import Grant, OAuth2

_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_MAX_FILE = MAX_CA


class CredentialsError(Exception):
    """The document, or a file beside it, is unusable; the message quotes neither of them."""

    def __init__(self, reason: Reason, message: str, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class OAuth2Part(_Part):
    """An OAuth2 client with the client credentials grant (RFC 6749, section 4.4)."""

    tokenUrl: str = Field(max_length=MAX_URL)
    clientId: str = Field(min_length=1, max_length=MAX_NAME)
    clientSecret: SecretStr | None = None
    clientSecretFile: str = ""
    scopes: list[str] = Field(default=[], max_length=64)
    audience: str = Field(default="", max_length=MAX_URL)
    authentication: Literal["basic", "post"] = "basic"
    ca: str = ""

    @model_validator(mode="after")
    def _one_secret(self) -> OAuth2Part:
        if (self.clientSecret is None) == (not self.clientSecretFile):
            raise ValueError("one of clientSecret and clientSecretFile is needed")
        return self


class CertificatePart(_Part):
    """File names of a certificate (with its chain) and of its key, both in PEM."""

    certificate: str
    key: str


class EntryPart(_Part):
    """The credentials for one URL prefix."""

    prefix: str
    bearer: SecretStr | None = None
    bearerFile: str = ""
    headers: dict[str, SecretStr] = Field(default={}, max_length=MAX_HEADERS)
    oauth2: OAuth2Part | None = None
    clientCertificate: CertificatePart | None = None
    ca: str = ""
    cardsOnly: StrictBool = False

    @model_validator(mode="after")
    def _one_kind(self) -> EntryPart:
        kinds = [self.bearer is not None, bool(self.bearerFile), bool(self.headers)]
        kinds.append(self.oauth2 is not None)
        if sum(kinds) > 1:
            raise ValueError("only one of bearer, bearerFile, headers and oauth2 is allowed")
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise ValueError("a header stands twice")
        if self.cardsOnly and not sum(kinds):
            raise ValueError("cardsOnly needs one of bearer, bearerFile, headers and oauth2")
        if not sum(kinds) and self.clientCertificate is None and not self.ca:
            raise ValueError("one of bearer, headers, oauth2, clientCertificate and ca is needed")
        return self


class DocumentPart(_Part):
    """The whole document."""

    credentials: list[EntryPart] = Field(max_length=MAX_CREDENTIALS)


_NAMES = {name for part in _Part.__subclasses__() for name in (*part.model_fields, "credentials")}


def read_document(file: Path) -> tuple[Grant, ...]:
    """The grants of a document. Raises `CredentialsError` if it, or a file it names, is unusable."""
    document = _validated(_parsed(_read(file), file.name))
    grants = tuple(
        _grant(part, file.parent, f"credentials[{at}]")
        for at, part in enumerate(document.credentials)
    )
    if len({grant.prefix for grant in grants}) < len(grants):
        raise _invalid("two entries have the same prefix", "credentials")
    return grants


def files_of(file: Path) -> tuple[Path, ...]:
    """The document and the files that it names; only the document if it cannot be parsed."""
    try:
        document = _validated(_parsed(_read(file), file.name))
    except CredentialsError:
        return (file,)
    names = {
        name for part in document.credentials for name in _files(part) if _FILE.fullmatch(name)
    }
    return (file, *(file.parent / name for name in sorted(names)))


def _files(part: EntryPart) -> Iterable[str]:
    yield from (part.ca, part.bearerFile)
    if part.clientCertificate is not None:
        yield from (part.clientCertificate.certificate, part.clientCertificate.key)
    if part.oauth2 is not None:
        yield from (part.oauth2.clientSecretFile, part.oauth2.ca)


def _parsed(raw: bytes, name: str) -> Any:
    try:
        documents = read_documents(raw, name)
    except DocumentError as error:
        # Do not show the library's message: it quotes the document.
        kind = "YAML" if isinstance(error.__cause__, YamlError) else "document"
        word = error.problem.reason.value
        raise _invalid(f"not a valid {kind}{error.place} ({word})") from None
    if len(documents) != 1:
        raise _invalid(f"one document is needed, there are {len(documents)}")
    return documents[0][1]


def _validated(data: Any) -> DocumentPart:
    try:
        return DocumentPart.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    location = [part for part in first["loc"] if isinstance(part, int) or part in _NAMES]
    field = ".".join(map(str, location))
    if first["type"] == "extra_forbidden":
        raise _invalid("has a field that is not known", field)
    raise _invalid(first["msg"].removeprefix("Value error, "), field)


def _grant(part: EntryPart, folder: Path, at: str) -> Grant:
    try:
        prefix = parse_prefix(part.prefix)
    except PrefixError as error:
        raise _invalid(str(error), f"{at}.prefix") from None
    secure = prefix.scheme == "https"
    if not secure and (part.ca or part.clientCertificate):
        raise _invalid("a certificate takes a prefix of https", at)
    ca = _ca(folder, part.ca, f"{at}.ca")
    return Grant(
        prefix=prefix,
        headers=_headers(part, folder, at),
        oauth2=_oauth2(part.oauth2, folder, f"{at}.oauth2") if part.oauth2 else None,
        ca=ca,
        context=_context(ca, part.clientCertificate, folder, at),
        has_certificate=part.clientCertificate is not None,
        cards_only=part.cardsOnly,
    )


def _headers(part: EntryPart, folder: Path, at: str) -> dict[str, str]:
    if part.bearer is not None:
        headers = {"Authorization": f"Bearer {part.bearer.get_secret_value().strip()}"}
    elif part.bearerFile:
        token = _text(folder, part.bearerFile, f"{at}.bearerFile").strip()
        headers = {"Authorization": f"Bearer {token}"}
    else:
        headers = {name: value.get_secret_value().strip() for name, value in part.headers.items()}
    if not all(is_header(name, value) for name, value in headers.items()):
        raise _invalid("has characters that a header cannot hold", at)
    return headers


def _oauth2(part: OAuth2Part, folder: Path, at: str) -> OAuth2:
    try:
        origin_of(part.tokenUrl)
    except UrlError:
        raise _invalid("an http(s) URL without user name is needed", f"{at}.tokenUrl") from None
    secret = part.clientSecret.get_secret_value() if part.clientSecret else ""
    if part.clientSecretFile:
        secret = secret or _text(folder, part.clientSecretFile, f"{at}.clientSecretFile").strip()
    texts = (part.clientId, secret, part.audience or "-", *part.scopes)
    if not all(map(_PRINTABLE.fullmatch, texts)):
        raise _invalid("a secret is missing, or a text is not printable ASCII", at)
    if part.authentication == "basic" and ":" in part.clientId:
        raise _invalid("a clientId with a colon takes authentication: post", at)
    ca = _ca(folder, part.ca, f"{at}.ca")
    return OAuth2(
        token_url=part.tokenUrl,
        client_id=part.clientId,
        client_secret=secret,
        scopes=tuple(part.scopes),
        audience=part.audience,
        authentication=f"client_secret_{part.authentication}",
        ca=ca,
        context=_context(ca, None, folder, at),
    )


def _ca(folder: Path, name: str, at: str) -> str:
    """The PEM certificates of a bundle file, without the comments between them."""
    if not name:
        return ""
    text = _text(folder, name, at)
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL)
    if not blocks:
        raise _invalid("holds no certificate in PEM", at)
    return "\n".join([*blocks, ""])


def _context(
    ca: str, certificate: CertificatePart | None, folder: Path, at: str
) -> ssl.SSLContext | None:
    """The TLS context with the system's authorities, those in `ca`, and the client certificate."""
    if not ca and certificate is None:
        return None
    context = ssl.create_default_context()
    try:
        if ca:
            context.load_verify_locations(cadata=ca)
        if certificate is not None:
            files = (certificate.certificate, certificate.key)
            chain, key = (_beside(folder, name, f"{at}.clientCertificate") for name in files)
            # Without a `password` OpenSSL would prompt for one on the terminal.
            context.load_cert_chain(chain, key, password=lambda: "")
    except ssl.SSLError as error:
        word = re.sub(r"[^A-Z_]", "", error.reason or "")
        raise _invalid(f"a certificate or key cannot be used {word}".strip(), at) from None
    except OSError as error:
        raise _unreadable(error, at) from None
    return context


def _text(folder: Path, name: str, at: str) -> str:
    try:
        return _read(_beside(folder, name, at)).decode("ascii")
    except UnicodeDecodeError:
        raise _invalid("the file is not ASCII text", at) from None


def _beside(folder: Path, name: str, at: str) -> Path:
    if not _FILE.fullmatch(name):
        raise _invalid("the name of a file beside the document is needed", at)
    return folder / name


def _read(file: Path) -> bytes:
    try:
        raw = read_file(file, _MAX_FILE)
    except OSError as error:
        raise _unreadable(error, "") from None
    if len(raw) > _MAX_FILE:
        raise _invalid(f"a file is larger than {_MAX_FILE} bytes")
    return raw


def _invalid(message: str, field: str = "") -> CredentialsError:
    return CredentialsError(SidecarReason.CREDENTIALS_INVALID, message, field)


def _unreadable(error: OSError, field: str) -> CredentialsError:
    message = f"a file cannot be read: {error.strerror or type(error).__name__}"
    return CredentialsError(SidecarReason.CREDENTIALS_UNREADABLE, message, field)
