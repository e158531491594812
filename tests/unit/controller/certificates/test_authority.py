"""The certificates: they satisfy a strict TLS client, and each step of their renewal."""

import base64
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from hotpeers.controller.certificates.authority import (
    BadCertificatesError,
    Keyring,
    Lifetimes,
    dump_keyring,
    load_keyring,
    new_keyring,
    renewed,
)

NAMES = ("controller.ns.svc", "controller.ns.svc.cluster.local")
LIFETIMES = Lifetimes(timedelta(days=90), timedelta(days=30))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make(now: datetime = NOW) -> Keyring:
    return new_keyring(NAMES, LIFETIMES, now)


def trusts(bundle: bytes, keyring: Keyring) -> bool:
    return any(
        keyring.serving.x509.issuer == one.subject
        for one in x509.load_pem_x509_certificates(bundle)
    )


def handshake(bundle: bytes, keyring: Keyring, name: str, folder: Path) -> None:
    """One handshake in memory, the client as strict as Python can be."""
    file = folder / "pair.pem"
    file.write_bytes(keyring.serving.certificate + keyring.serving.key)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(file)
    client_context = ssl.create_default_context(cadata=bundle.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname=name)
    server = server_context.wrap_bio(up, down, server_side=True)
    for _ in range(10):
        done = 0
        for side in (client, server):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                pass
        if done == 2:
            return
    raise AssertionError("no handshake")


@pytest.mark.parametrize("name", NAMES)
def test_a_strict_client_accepts_it(name: str, tmp_path: Path) -> None:
    keyring = make(datetime.now(UTC))
    handshake(keyring.bundle, keyring, name, tmp_path)


def test_other_host_name_and_other_authority_are_refused(tmp_path: Path) -> None:
    keyring, other = make(datetime.now(UTC)), make(datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname"):
        handshake(keyring.bundle, keyring, "other.ns.svc", tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(other.bundle, keyring, NAMES[0], tmp_path)


def test_certificates_are_valid_for_clocks_an_hour_behind() -> None:
    keyring = make()
    for pair in (keyring.serving, keyring.signer):
        assert pair.x509.not_valid_before_utc == NOW - timedelta(hours=1)
    assert keyring.serving.due == NOW + timedelta(days=20)
    assert keyring.signer.due == NOW + timedelta(days=60)


def test_certificates_are_not_renewed_before_they_are_due() -> None:
    keyring = make()
    early = NOW + timedelta(days=19)
    assert renewed(keyring, NAMES, LIFETIMES, early, announced=True) == keyring


def test_serving_certificate_is_renewed_by_the_same_authority() -> None:
    keyring = make()
    after = renewed(keyring, NAMES, LIFETIMES, NOW + timedelta(days=20), announced=True)
    assert after.serving != keyring.serving
    assert after == replace(keyring, serving=after.serving)
    assert trusts(keyring.bundle, after)


def test_other_names_need_another_certificate() -> None:
    after = renewed(make(), ("other.ns.svc",), LIFETIMES, NOW, announced=True)
    found = after.serving.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.value.get_values_for_type(x509.DNSName) == ["other.ns.svc"]


def test_new_authority_is_announced_before_it_signs() -> None:
    before = make()
    due = NOW + timedelta(days=60)
    announced = renewed(before, NAMES, LIFETIMES, due, announced=True)
    assert announced.successor is not None
    assert announced.signer == before.signer
    assert announced.bundle == before.signer.certificate + announced.successor.certificate
    waiting = renewed(announced, NAMES, LIFETIMES, due, announced=False)
    assert waiting == announced
    after = renewed(announced, NAMES, LIFETIMES, due, announced=True)
    assert after.signer == announced.successor
    assert after.successor is None
    # A client with the previous bundle trusts the current certificate, and the other way round.
    assert trusts(announced.bundle, after)
    assert trusts(after.bundle, announced)


def test_old_authority_is_trusted_until_it_has_run_out() -> None:
    due = NOW + timedelta(days=60)
    announced = renewed(make(), NAMES, LIFETIMES, due, announced=True)
    after = renewed(announced, NAMES, LIFETIMES, due, announced=True)
    assert len(after.retired) == 1
    kept = renewed(after, NAMES, LIFETIMES, NOW + timedelta(days=89), announced=True)
    assert kept.retired == after.retired
    gone = renewed(after, NAMES, LIFETIMES, NOW + timedelta(days=90), announced=True)
    assert gone.retired == ()


def test_all_certificates_are_replaced_after_a_long_pause() -> None:
    before = make()
    now = NOW + timedelta(days=400)
    after = renewed(before, NAMES, LIFETIMES, now, announced=False)
    assert after.signer != before.signer
    assert after.retired == ()
    assert after.serving.expires > now


def test_certificates_issued_in_the_future_are_replaced() -> None:
    keyring = make(NOW + timedelta(days=700))
    after = renewed(keyring, NAMES, LIFETIMES, NOW, announced=False)
    assert after.signer != keyring.signer
    assert after.serving.expires == NOW + timedelta(days=30)
    # A clock that is a few hours off is accepted.
    keyring = make(NOW + timedelta(hours=6))
    assert renewed(keyring, NAMES, LIFETIMES, NOW, announced=False) == keyring


def test_certificate_never_outlives_its_authority() -> None:
    keyring = make()
    late = NOW + timedelta(days=80)
    after = renewed(keyring, NAMES, LIFETIMES, late, announced=False)
    assert after.serving.expires == keyring.signer.expires
    # At the end of its life nothing is gained by one more.
    waiting = renewed(after, NAMES, LIFETIMES, NOW + timedelta(days=88), announced=False)
    assert waiting == after


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=20))
def test_client_with_the_previous_bundle_trusts_the_served_certificate(
    steps: list[tuple[int, bool]],
) -> None:
    now = NOW
    keyring = make()
    for days, announced in steps:
        now += timedelta(days=days)
        after = renewed(keyring, NAMES, LIFETIMES, now, announced=announced)
        if now < keyring.signer.expires:
            assert trusts(keyring.bundle, after)
            assert after.serving.expires > now
            # A replica that has not seen the change yet is trusted by the new bundle too.
            if keyring.serving.expires > now:
                assert trusts(after.bundle, keyring)
        assert load_keyring(dump_keyring(after)) == after
        keyring = after


def test_dumped_keyring_is_loaded_unchanged() -> None:
    keyring = make()
    assert load_keyring(dump_keyring(keyring)) == keyring


OTHER = dump_keyring(make())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tls.key": b""}, "tls.key missing"),
        ({"ca.crt": b"", "ca.key": b""}, "ca.crt and ca.key missing"),
        ({"tls.crt": b"what"}, "tls.crt is no PEM of a certificate"),
        ({"tls.crt": OTHER["tls.crt"]}, "tls.key is not the key of tls.crt"),
        (
            {"tls.crt": OTHER["tls.crt"], "tls.key": OTHER["tls.key"]},
            "tls.crt is not signed by an authority in ca.crt",
        ),
        ({"ca.key": OTHER["ca.key"]}, "ca.key is not the key of ca.crt"),
        ({"ca.key": b"-----BEGIN"}, "ca.key is no PEM of a private key"),
        ({"ca.crt": b"\xff\x00"}, "ca.crt is no PEM of certificates"),
        ({"next-ca.crt": OTHER["ca.crt"]}, "next-ca.key is no PEM of a private key"),
        (
            {"next-ca.crt": OTHER["ca.crt"], "next-ca.key": OTHER["ca.key"]},
            "next-ca.crt is not in ca.crt",
        ),
    ],
)
def test_error_names_the_invalid_part_of_the_keyring(
    change: dict[str, bytes], message: str
) -> None:
    with pytest.raises(BadCertificatesError, match=message):
        load_keyring({**dump_keyring(make()), **change})


KEPT = dump_keyring(make())


# A later cryptography raises what it warns of here: the ValueError that is expected anyway.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(KEPT)),
    st.integers(0, 10_000),
    st.integers(1, 255),
    st.booleans(),
)
def test_damage_of_any_kind_is_bad_certificates(
    name: str, place: int, change: int, inside: bool
) -> None:
    """One byte is another: of the text, or of the DER within."""
    text = KEPT[name]
    head, *lines, tail = text.strip().split(b"\n")
    body = bytearray(base64.b64decode(b"".join(lines)) if inside else text)
    body[place % len(body)] ^= change
    bad = bytes(body)
    if inside:
        bad = b"\n".join((head, base64.encodebytes(bad).strip(), tail, b""))
    try:
        keyring = load_keyring({**KEPT, name: bad})
    except BadCertificatesError:
        return
    renewed(keyring, NAMES, LIFETIMES, NOW, announced=True)
