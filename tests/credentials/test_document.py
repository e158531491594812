"""The operator's document: what it may say, and errors that never say what stands there."""

import json
from pathlib import Path
from typing import Any

import pytest

from credential_kit import Authority, Secret
from hotpeers.credentials.document import DocumentError, Entry, read_document

SECRET = "hunter2hunter2"
BEARER = {"prefix": "https://a.example", "bearer": SECRET}
OAUTH2 = {"tokenUrl": "https://idp.example/token", "clientId": "me", "clientSecret": SECRET}


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    return Secret(tmp_path / "secret")


def read(secret: Secret, *entries: Any, **files: str) -> tuple[Entry, ...]:
    secret.put(list(entries), **files)
    return read_document(secret.folder)


def test_each_kind_is_read(secret: Secret) -> None:
    authority = Authority()
    certificate, key = authority.client()
    found = read(
        secret,
        BEARER,
        {"prefix": "https://b.example/team/", "bearerFile": "token"},
        {
            "prefix": "HTTPS://C.example:443",
            "headers": [
                {"name": "X-Api-Key", "value": SECRET},
                {"name": "X-B", "valueFile": "token"},
            ],
        },
        {"prefix": "http://d.team:8080", "oauth2": {**OAUTH2, "scopes": ["a", "b"]}},
        {"prefix": "https://e.example", "clientCertificate": {}, "caFile": "ca.crt"},
        token="from-file\n",
        tls__crt=certificate,
        tls__key=key,
        ca__crt=authority.pem,
    )
    assert [str(entry.prefix) for entry in found] == [
        "https://a.example",
        "https://b.example/team",
        "https://c.example",
        "http://d.team:8080",
        "https://e.example",
    ]
    assert found[0].headers == (("Authorization", f"Bearer {SECRET}"),)
    assert found[1].headers == (("Authorization", "Bearer from-file"),)
    assert found[2].headers == (("X-Api-Key", SECRET), ("X-B", "from-file"))
    assert found[3].oauth2 is not None
    assert found[3].oauth2.scope == "a b"
    assert (found[4].certificate, found[4].key, found[4].ca) == (certificate, key, authority.pem)
    assert SECRET not in repr(found)
    assert key not in repr(found)


def test_yaml_and_a_file_by_its_name_are_read(tmp_path: Path) -> None:
    path = tmp_path / "any-name.yaml"
    path.write_text(f"credentials:\n- prefix: https://a.example\n  bearer: {SECRET}\n")
    assert read_document(path)[0].headers == (("Authorization", f"Bearer {SECRET}"),)


BAD: list[Any] = [
    [{**BEARER, "prefix": f"https://{SECRET}@a.example"}],
    [{**BEARER, "prefix": f"https://a.example?{SECRET}"}],
    [{**BEARER, "prefix": "a.example"}],
    [{**BEARER, "prefix": "https://a.example/../x"}],
    [{**BEARER, "prefix": "https://a.example/%2e%2e/x"}],
    [BEARER, BEARER],
    [BEARER, {**BEARER, "prefix": "https://A.example:443/"}],
    [{"prefix": "https://a.example"}],
    [{**BEARER, SECRET: 1}],
    [{**BEARER, "oauth2": OAUTH2}],
    [{**BEARER, "bearerFile": "token"}],
    [{**BEARER, "headers": [{"name": "authorization", "value": SECRET}]}],
    [{**BEARER, "headers": [{"name": "X-A", "value": SECRET}, {"name": "x-a", "value": SECRET}]}],
    [{**BEARER, "headers": [{"name": "X-A"}]}],
    [{**BEARER, "headers": [{"name": SECRET + " ", "value": SECRET}]}],
    [{**BEARER, "headers": [{"name": "Host", "value": SECRET}]}],
    [{**BEARER, "headers": [{"name": "X-Hotpeers-Key", "value": SECRET}]}],
    [{**BEARER, "headers": {"X-A": SECRET}}],
    [{**BEARER, "bearer": [SECRET]}],
    [{**BEARER, "bearer": f"{SECRET}\r\nX-Evil: 1"}],
    [{**BEARER, "bearer": ""}],
    [{**BEARER, "bearer": "  "}],
    [{"prefix": "https://a.example", "bearerFile": "../token"}],
    [{"prefix": "https://a.example", "bearerFile": "..data"}],
    [{"prefix": "https://a.example", "bearerFile": "/etc/passwd"}],
    [{"prefix": "https://a.example", "bearerFile": "absent"}],
    [{"prefix": "https://a.example", "oauth2": {**OAUTH2, "tokenUrl": f"https://u:{SECRET}@i"}}],
    [{"prefix": "https://a.example", "oauth2": {**OAUTH2, "tokenUrl": "file:///etc/passwd"}}],
    [{"prefix": "https://a.example", "oauth2": {**OAUTH2, "authentication": SECRET}}],
    [{"prefix": "https://a.example", "oauth2": {**OAUTH2, "clientSecretFile": "token"}}],
    [{"prefix": "https://a.example", "caFile": "token"}],
    [{"prefix": "https://a.example", "clientCertificate": {"certificateFile": "token"}}],
    [{"prefix": "http://a.example", "caFile": "token"}],
    [{**BEARER, "prefix": f"https://a{number}.example"} for number in range(257)],
    [SECRET],
    {SECRET: SECRET},
]
BAD_TEXTS = [
    "",
    SECRET,
    f"credentials: *{SECRET}",
    f"credentials: !{SECRET} x",
    f"credentials: [{{{SECRET}",
    f"credentials: &{SECRET} [*{SECRET}]",
    f"{SECRET}: {SECRET}",
    f"credentials: []\n---\n{SECRET}: 1",
    f"? [{SECRET}]\n: 1",
    f"1: {SECRET}",
    f"\tx: {SECRET}",
    "[" * 100_000,
    f"credentials: []\n# {'x' * 2**20}",
]


@pytest.mark.parametrize("text", [*(json.dumps({"credentials": bad}) for bad in BAD), *BAD_TEXTS])
def test_bad_document_is_refused_in_words_that_quote_nothing(secret: Secret, text: str) -> None:
    secret.put(text, token=SECRET, tls__key=SECRET)
    with pytest.raises(DocumentError) as caught:
        read_document(secret.folder)
    error: BaseException | None = caught.value
    assert str(error)
    while error is not None:
        assert SECRET not in f"{error!s}{error!r}"
        error = error.__cause__


@pytest.mark.parametrize("swap", ["key of another", "no key", "password"])
def test_certificate_without_its_key_is_refused(secret: Secret, swap: str) -> None:
    certificate, key = Authority().client()
    if swap == "key of another":
        key = Authority().client()[1]
    elif swap == "no key":
        key = certificate
    else:
        key = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
    entry = {"prefix": "https://a.example", "clientCertificate": {}}
    with pytest.raises(DocumentError, match="no pair") as caught:
        read(secret, entry, tls__crt=certificate, tls__key=key)
    assert key not in str(caught.value)


def test_missing_document_is_unreadable_not_invalid(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="No such file") as caught:
        read_document(tmp_path / "absent.yaml")
    assert caught.value.unreadable
