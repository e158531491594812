"""The controller's own certificate authority (CA), and the certificates that it signs. Pure.

A CA is replaced in two steps, so that the API servers trust the new one before it is used. First
its certificate joins the bundle. Later it signs. The old certificate stays in the bundle until it
expires, because a replica that was cut off may still serve a certificate that the old CA signed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

EARLY = timedelta(hours=1)
"""A certificate is valid from so long before its creation, because clocks differ."""
_WRONG_CLOCK = timedelta(days=1)
"""A certificate that begins more than this after now was created with a wrong clock."""
_AUTHORITY_NAME = "hotpeers-controller-ca"

CERTIFICATE, KEY = "tls.crt", "tls.key"
BUNDLE, AUTHORITY_KEY = "ca.crt", "ca.key"
NEXT_AUTHORITY, NEXT_KEY = "next-ca.crt", "next-ca.key"


# The errors that `cryptography` raises for an invalid certificate. OverflowError is for a date that
# Python cannot represent.
_NO_CERTIFICATE = (
    ValueError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class BadCertificatesError(Exception):
    """The stored certificates are invalid. The message names the invalid part."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates are valid. Each is replaced after two thirds of its lifetime."""

    authority: timedelta = timedelta(days=365)
    serving: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both as PEM."""

    certificate: bytes
    key: bytes

    @property
    def x509(self) -> x509.Certificate:
        """The certificate, decoded."""
        return x509.load_pem_x509_certificate(self.certificate)

    @property
    def expires(self) -> datetime:
        """The end of its validity."""
        return self.x509.not_valid_after_utc

    @property
    def due(self) -> datetime:
        """When the certificate must be replaced."""
        made = self.x509.not_valid_before_utc + EARLY
        return made + (self.expires - made) * (2 / 3)

    def usable(self, now: datetime) -> bool:
        """Whether the certificate is valid, or will be within a day."""
        return self.x509.not_valid_before_utc - _WRONG_CLOCK <= now < self.expires


@dataclass(frozen=True, slots=True)
class Keyring:
    """All stored certificates.

    `serving` is served, and `signer` is the CA that signs. `successor` is the next CA. `retired`
    are certificates of earlier CAs that must still be trusted, as PEM.
    """

    serving: Pair
    signer: Pair
    successor: Pair | None = None
    retired: tuple[bytes, ...] = ()

    @property
    def bundle(self) -> bytes:
        """The certificates of all CAs that API servers must trust, as PEM."""
        successor = (self.successor.certificate,) if self.successor else ()
        return b"".join((self.signer.certificate, *successor, *self.retired))


def new_keyring(names: Iterable[str], lifetimes: Lifetimes, now: datetime) -> Keyring:
    """A new CA, and a serving certificate for these DNS names."""
    signer = _new_authority(lifetimes, now)
    return Keyring(_new_serving(signer, tuple(names), lifetimes, now), signer)


def renewed(
    keyring: Keyring, names: Iterable[str], lifetimes: Lifetimes, now: datetime, *, announced: bool
) -> Keyring:
    """The keyring after the next due step; the same keyring if no step is due.

    `announced` is true if every API server has trusted the whole bundle for long enough.
    """
    names = tuple(names)
    if not keyring.signer.usable(now):
        # No API server trusts an unusable CA, so start again.
        return new_keyring(names, lifetimes, now)
    retired = tuple(one for one in keyring.retired if _expires(one) > now)
    keyring = replace(keyring, retired=retired) if retired != keyring.retired else keyring
    if keyring.successor is None and now >= keyring.signer.due:
        keyring = replace(keyring, successor=_new_authority(lifetimes, now))
    elif keyring.successor is not None and announced:
        signer = keyring.successor
        serving = _new_serving(signer, names, lifetimes, now)
        return Keyring(serving, signer, None, (keyring.signer.certificate, *keyring.retired))
    good = keyring.serving.usable(now) and _serves(keyring.serving, names)
    if now >= keyring.serving.due or not good:
        serving = _new_serving(keyring.signer, names, lifetimes, now)
        # A certificate cannot outlive its CA. Near the end of the CA, a new one is no better.
        if serving.expires > keyring.serving.expires or not good:
            keyring = replace(keyring, serving=serving)
    return keyring


def load_keyring(data: Mapping[str, bytes]) -> Keyring:
    """Read the keyring from a Secret's data. Raises `BadCertificatesError` if it is invalid."""
    missing = [name for name in (CERTIFICATE, KEY, BUNDLE, AUTHORITY_KEY) if not data.get(name)]
    if missing:
        raise BadCertificatesError(f"{' and '.join(missing)} missing")
    bundle = _split(data[BUNDLE])
    signer = Pair(bundle[0], data[AUTHORITY_KEY])
    serving = Pair(data[CERTIFICATE], data[KEY])
    successor = None
    if data.get(NEXT_AUTHORITY) or data.get(NEXT_KEY):
        successor = Pair(data.get(NEXT_AUTHORITY, b""), data.get(NEXT_KEY, b""))
        _check_pair(successor, NEXT_AUTHORITY, NEXT_KEY)
        if successor.certificate not in bundle:
            raise BadCertificatesError(f"{NEXT_AUTHORITY} is not in {BUNDLE}")
    _check_pair(signer, BUNDLE, AUTHORITY_KEY)
    _check_pair(serving, CERTIFICATE, KEY)
    trusted = [x509.load_pem_x509_certificate(one) for one in bundle]
    if not any(_signed(serving.x509, one) for one in trusted):
        raise BadCertificatesError(f"{CERTIFICATE} is not signed by an authority in {BUNDLE}")
    used = {signer.certificate, successor.certificate if successor else b""}
    return Keyring(serving, signer, successor, tuple(one for one in bundle if one not in used))


def dump_keyring(keyring: Keyring) -> dict[str, bytes]:
    """The data of a Secret for a keyring."""
    data = {
        CERTIFICATE: keyring.serving.certificate,
        KEY: keyring.serving.key,
        BUNDLE: keyring.bundle,
        AUTHORITY_KEY: keyring.signer.key,
    }
    if keyring.successor is not None:
        data[NEXT_AUTHORITY] = keyring.successor.certificate
        data[NEXT_KEY] = keyring.successor.key
    return data


def _split(bundle: bytes) -> list[bytes]:
    try:
        certificates = x509.load_pem_x509_certificates(bundle)
        for one in certificates:
            # `cryptography` parses these parts, and reports errors in them, only on access.
            one.public_key(), one.extensions, one.not_valid_after_utc
    except _NO_CERTIFICATE as error:
        raise BadCertificatesError(f"{BUNDLE} is no PEM of certificates") from error
    return [one.public_bytes(Encoding.PEM) for one in certificates]


def _check_pair(pair: Pair, certificate: str, key: str) -> None:
    try:
        public = pair.x509.public_key()
        pair.x509.extensions, pair.due  # noqa: B018 - errors in them are raised on access
    except _NO_CERTIFICATE as error:
        raise BadCertificatesError(f"{certificate} is no PEM of a certificate") from error
    try:
        private = load_pem_private_key(pair.key, None)
    # An encrypted key raises TypeError, a key of an unknown kind UnsupportedAlgorithm.
    except Exception as error:
        raise BadCertificatesError(f"{key} is no PEM of a private key") from error
    if private.public_key() != public:
        raise BadCertificatesError(f"{key} is not the key of {certificate}")
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise BadCertificatesError(f"{key} is not a key of an elliptic curve")


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (*_NO_CERTIFICATE, TypeError, InvalidSignature):
        return False
    return True


def _expires(certificate: bytes) -> datetime:
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def _serves(serving: Pair, names: tuple[str, ...]) -> bool:
    try:
        found = serving.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    return set(found.value.get_values_for_type(x509.DNSName)) == set(names)


def _new_authority(lifetimes: Lifetimes, now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    # Two CAs are trusted at the same time, and verifiers find them by name: use a unique name.
    title = f"{_AUTHORITY_NAME}-{secrets.token_hex(4)}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    builder = (
        _builder(name, name, public, now, now + lifetimes.authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return _signed_pair(builder, key, key)


def _new_serving(signer: Pair, names: tuple[str, ...], lifetimes: Lifetimes, now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    authority = signer.x509
    signing = load_pem_private_key(signer.key, None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey), "made or checked here"  # noqa: S101
    # A common name has at most 64 characters. Clients check subjectAltName instead.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    end = min(now + lifetimes.serving, signer.expires)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    builder = (
        _builder(subject, authority.subject, public, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(identifier, critical=False)
    )
    return _signed_pair(builder, key, signing)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - EARLY)
        .not_valid_after(end.astimezone(UTC))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed_pair(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    signing: ec.EllipticCurvePrivateKey,
) -> Pair:
    certificate = builder.sign(signing, hashes.SHA256()).public_bytes(Encoding.PEM)
    return Pair(certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
