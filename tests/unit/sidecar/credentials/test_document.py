"""The document of credentials: what is valid, and that no error message quotes invalid input."""

import json
from pathlib import Path
from typing import Any

import pytest
import trustme

from hotpeers.sidecar.credentials.document import CredentialsError, files_of, read_document
from hotpeers.sidecar.reasons import SidecarReason

S = "s3cret-value"
OAUTH = {"tokenUrl": "https://idp.example/token", "clientId": "me", "clientSecret": S}
TLS = {"certificate": "tls.crt", "key": "tls.key"}


def write(folder: Path, *entries: Any) -> Path:
    file = folder / "credentials.yaml"
    file.write_text(json.dumps({"credentials": entries}))
    return file


@pytest.fixture
def pems(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    leaf = authority.issue_cert("agent.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    leaf.private_key_pem.write_to_path(tmp_path / "tls.key")
    trustme.CA().issue_cert("other.example").private_key_pem.write_to_path(tmp_path / "other.key")
    return authority


def test_each_kind_of_credential_is_read(tmp_path: Path, pems: trustme.CA) -> None:
    (tmp_path / "token").write_text(f"{S}-of-a-file\n")
    file = write(
        tmp_path,
        {"prefix": "https://a.example", "bearer": S},
        {"prefix": "https://b.example/team", "bearerFile": "token", "ca": "ca.crt"},
        {"prefix": "https://c.example", "headers": {"X-Api-Key": S, "X-Tenant": "7"}},
        {"prefix": "https://d.example", "oauth2": {**OAUTH, "scopes": ["a", "b"], "ca": "ca.crt"}},
        {"prefix": "https://e.example", "clientCertificate": TLS, "ca": "ca.crt", "bearer": S},
        {"prefix": "https://f.example", "ca": "ca.crt"},
    )
    bearer, of_file, headers, oauth2, certificate, ca = read_document(file)
    assert bearer.headers == {"Authorization": f"Bearer {S}"}
    assert of_file.headers == {"Authorization": f"Bearer {S}-of-a-file"}
    assert headers.headers == {"X-Api-Key": S, "X-Tenant": "7"}
    assert oauth2.oauth2 is not None
    assert oauth2.oauth2.client_secret == S
    assert certificate.has_certificate
    assert certificate.context is not None
    assert ca.ca.startswith("-----BEGIN CERTIFICATE-----")
    assert {one.name for one in files_of(file)} == {
        "credentials.yaml", "token", "ca.crt", "tls.crt", "tls.key",
    }  # fmt: skip
    assert not any(one.cards_only for one in (bearer, of_file, headers, oauth2, certificate, ca))
    assert S not in repr((bearer, of_file, headers, oauth2, certificate, ca))


@pytest.mark.parametrize(
    "entry",
    [
        S,
        {"prefix": "https://a.example"},
        {"prefix": "https://a.example", "ca": "ca.crt", "cardsOnly": True},
        {"prefix": "https://a.example", "bearer": S, "cardsOnly": S},
        {"prefix": S, "bearer": S},
        {"prefix": f"https://{S}@a.example", "bearer": S},
        {"prefix": f"https://a.example/{S}/..", "bearer": S},
        {"prefix": "https://a.example", "bearer": S, "bearerFile": "token"},
        {"prefix": "https://a.example", "bearer": S, "oauth2": OAUTH},
        {"prefix": "https://a.example", "bearer": [S]},
        {"prefix": "https://a.example", "bearer": f"{S}\r\nX-Other: y"},
        {"prefix": "https://a.example", "bearer": f"{S}\u00e9"},
        {"prefix": "https://a.example", "bearer": ""},
        {"prefix": "https://a.example", "bearer": S, S: S},
        {"prefix": "https://a.example", "headers": {"Host": S}},
        {"prefix": "https://a.example", "headers": {"X-Key": S, "x-key": "b"}},
        {"prefix": "https://a.example", "headers": {f"X {S}": S}},
        {"prefix": "https://a.example", "headers": {"X-Key": {S: S}}},
        {"prefix": "https://a.example", "bearerFile": f"../{S}"},
        {"prefix": "https://a.example", "bearerFile": f"/{S}"},
        {"prefix": "https://a.example", "bearerFile": "..data"},
        {"prefix": "https://a.example", "bearerFile": "missing"},
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "tokenUrl": S}},
        {
            "prefix": "https://a.example",
            "oauth2": {**OAUTH, "tokenUrl": f"https://u:{S}@b.example"},
        },
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "clientSecret": ""}},
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "clientSecret": f"{S}\u00e9"}},
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "clientSecretFile": "token"}},
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "clientSecret": None}},
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "authentication": S}},
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "scopes": S}},
        {"prefix": "https://a.example", "oauth2": {**OAUTH, "clientId": f"a:{S}"}},
        {"prefix": "http://a.example", "clientCertificate": TLS},
        {"prefix": "http://a.example", "ca": "ca.crt"},
        {"prefix": "https://a.example", "ca": "tls.key"},
        {"prefix": "https://a.example", "clientCertificate": {**TLS, "key": "other.key"}},
        {"prefix": "https://a.example", "clientCertificate": {**TLS, "key": "tls.crt"}},
        {"prefix": "https://a.example", "clientCertificate": {**TLS, "key": "encrypted.key"}},
    ],
)
def test_bad_entry_is_refused_and_not_quoted(tmp_path: Path, pems: trustme.CA, entry: Any) -> None:
    from cryptography.hazmat.primitives import serialization as how

    key = how.load_pem_private_key((tmp_path / "tls.key").read_bytes(), None)
    locked = key.private_bytes(
        how.Encoding.PEM, how.PrivateFormat.PKCS8, how.BestAvailableEncryption(b"x")
    )
    (tmp_path / "encrypted.key").write_bytes(locked)
    with pytest.raises(CredentialsError) as caught:
        read_document(write(tmp_path, entry))
    shown = f"{caught.value} {caught.value.field} {caught.value!r}"
    assert S not in shown
    assert caught.value.__cause__ is None
    assert caught.value.field.startswith("credentials") or "file" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{S}: [",
        f"credentials: !{S} x",
        f"credentials: *{S}",
        f"credentials: &a [{S}, *a]",
        f"- {S}",
        f"credentials: []\n---\n{S}: 1",
        f"credentials: {{{S}: 1}}",
        f"credentials: [{'[' * 100}]",
        f"credentials:\n\t- {S}",
        f"{S}: 2026-99-99",
        "x" * 300_000,
    ],
)
def test_malformed_document_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credentials.yaml"
    file.write_text(text)
    with pytest.raises(CredentialsError) as caught:
        read_document(file)
    assert S not in f"{caught.value} {caught.value.field}"
    assert files_of(file) == (file,)


def test_two_entries_of_one_prefix_are_refused(tmp_path: Path) -> None:
    entries = [
        {"prefix": url, "bearer": S} for url in ("https://a.example", "HTTPS://A.example:443/")
    ]
    with pytest.raises(CredentialsError, match="same prefix"):
        read_document(write(tmp_path, *entries))


def test_missing_document_has_its_own_reason(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError) as caught:
        read_document(tmp_path / "credentials.yaml")
    assert caught.value.reason is SidecarReason.CREDENTIALS_UNREADABLE
