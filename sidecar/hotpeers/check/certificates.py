"""Faults of the webhook's certificate and of the caBundles that must have signed it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ..base.parts import part, text
from .finding import Finding
from .reasons import CheckReason
from .release import controllers, webhooks_of
from .snapshot import Json, Part, Snapshot, place_of

_UNREADABLE = (ValueError, OverflowError, UnsupportedAlgorithm, binascii.Error)


def find_bad_bundles(snapshot: Snapshot, now: datetime | None = None) -> Iterator[Finding]:
    """Each configuration is reported once, with its first bad webhook."""
    now = now or datetime.now(UTC)
    secrets = {
        (text(one, "metadata", "namespace"), text(one, "metadata", "name")): one
        for one in snapshot.of(Part.CERTIFICATES)
    }
    served = {
        release.namespace: served_chain(secret)
        for release in controllers(snapshot)
        if (secret := secrets.get((release.namespace, release.certificate_secret))) is not None
    }
    for secret in secrets.values():
        yield from _expired_serving(secret, now)
    for one in snapshot.of(Part.WEBHOOKS):
        for hook in webhooks_of(one):
            namespace = text(hook, "clientConfig", "service", "namespace")
            bundle = text(hook, "clientConfig", "caBundle")
            found = _bundle_fault(bundle, served.get(namespace, ()), now)
            if found is not None:
                reason, message = found
                where = f"{place_of(one)}, webhook {text(hook, 'name')}"
                yield Finding(reason, where, message)
                break


def served_chain(secret: Json) -> tuple[x509.Certificate, ...]:
    """The certificates in a Secret that the webhook serves; none if there are none."""
    return _certificates(text(secret, "data", "tls.crt"))


def _bundle_fault(
    bundle: str, served: tuple[x509.Certificate, ...], now: datetime
) -> tuple[CheckReason, str] | None:
    if not bundle:
        return CheckReason.CA_BUNDLE_WRONG, "its caBundle is missing"
    authorities = _certificates(bundle)
    if not authorities:
        return CheckReason.CA_BUNDLE_WRONG, "its caBundle holds no certificate"
    if all(one.not_valid_after_utc <= now for one in authorities):
        last = max(one.not_valid_after_utc for one in authorities)
        return CheckReason.CERTIFICATE_EXPIRED, f"its caBundle expired at {last:%Y-%m-%dT%H:%M:%SZ}"
    if served and not any(_signed(one, by) for one in served for by in authorities):
        wrong = "its caBundle has not signed the certificate in the Secret of the controller"
        return CheckReason.CA_BUNDLE_WRONG, wrong
    return None


def _expired_serving(secret: Json, now: datetime) -> Iterator[Finding]:
    metadata = part(secret, "metadata")
    where = f"Secret {metadata.get('namespace')}/{metadata.get('name')}"
    chain = served_chain(secret)
    if not chain:
        if part(secret, "data").get("tls.crt"):
            message = "its entry tls.crt is not a certificate"
            yield Finding(CheckReason.CERTIFICATE_EXPIRED, where, message)
        return
    if chain[0].not_valid_after_utc <= now:
        message = f"its certificate expired at {chain[0].not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        yield Finding(CheckReason.CERTIFICATE_EXPIRED, where, message)
    elif chain[0].not_valid_before_utc > now:
        message = f"its certificate begins at {chain[0].not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
        yield Finding(CheckReason.CERTIFICATE_EXPIRED, where, message)


def _certificates(encoded: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(base64.b64decode(encoded, validate=True)))
    except _UNREADABLE:
        return ()


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    if certificate == authority:
        return True
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, *_UNREADABLE):
        return False
    return True
