"""From the operator's document to the wire: the sidecar's keeper, the file, and the shim's transport."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from credential_kit import (
    Authority,
    Keeping,
    Secret,
    Seen,
    TokenServer,
    client,
    keeping,
    serving,
)
from hotpeers.reasons import Reason
from hotpeers_shim.adapters.credentials import NoCredentialError
from hotpeers_shim.adapters.transport import Unreadable
from hotpeers_shim.contract.credentials import Credential, dump_credential_file
from hotpeers_shim.contract.prefixes import parse_prefix
from hotpeers_shim.credentials import CredentialReader


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    return Secret(tmp_path / "secret")


@pytest.fixture
async def kept(secret: Secret, tmp_path: Path) -> AsyncIterator[Keeping]:
    async with keeping(secret.folder, tmp_path / "peers.json") as made:
        yield made


def of_a_context(file: Path, *credentials: Credential) -> CredentialReader:
    file.with_name("credentials.json").write_bytes(dump_credential_file(credentials))
    return CredentialReader(file)


async def test_header_goes_below_its_prefix_and_replaces_the_frameworks(
    secret: Secret, kept: Keeping
) -> None:
    seen = Seen(accepts={"Bearer right"})
    async with serving(seen) as url, client(kept.reader) as http:
        secret.put([{"prefix": f"{url}/team", "bearer": "right"}])
        await kept.until(lambda: kept.header(f"{url}/team/x"))
        answer = await http.post(
            f"{url}/team/x?y=1", json={"a": 1}, headers={"authorization": "Bearer user"}
        )
        assert answer.json() == {"path": "/team/x?y=1", "body": '{"a":1}'}
        await http.get(f"{url}/other", headers={"authorization": "Bearer user"})
        await http.get(f"{url}/teams")
    assert seen.values() == ["Bearer right", "Bearer user", None]


@pytest.mark.parametrize(
    "path",
    [
        "/other",
        "/team/../other",
        "/team%2f..%2fother",
        "/team/%2e%2e/other",
        "/Team",
        "/other//team",
    ],
)
async def test_redirect_out_of_the_prefix_takes_nothing_along(tmp_path: Path, path: str) -> None:
    seen = Seen()

    async def handle(request: web.Request) -> web.StreamResponse:
        await seen(request)
        if request.path == "/team/a":
            return web.Response(status=307, headers={"Location": path})
        return web.Response()

    async with serving(handle) as url:
        token = Credential(parse_prefix(f"{url}/team"), {"Authorization": "Bearer right"})
        async with client(of_a_context(tmp_path / "peers.json", token)) as http:
            await http.get(f"{url}/team/a")
    assert seen.values() == ["Bearer right", None]


async def test_redirect_to_another_origin_is_not_followed(tmp_path: Path) -> None:
    other = Seen()

    async with serving(other) as elsewhere:

        async def handle(_: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": elsewhere})

        async with serving(handle) as url:
            token = Credential(parse_prefix(url), {"Authorization": "Bearer right"})
            async with client(of_a_context(tmp_path / "peers.json", token)) as http:
                with pytest.raises(Unreadable):
                    await http.get(url)
    assert not other.requests


async def test_private_authority_is_trusted_below_its_prefix_alone(
    secret: Secret, kept: Keeping
) -> None:
    authority, seen = Authority(), Seen()
    async with (
        serving(seen, authority.server()) as url,
        serving(seen, authority.server()) as other,
        client(kept.reader) as http,
    ):
        secret.put([{"prefix": url, "caFile": "ca.crt", "bearer": "x"}], ca__crt=authority.pem)
        await kept.until(lambda: kept.header(url))
        assert (await http.get(url)).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await http.get(other)
    assert len(seen.requests) == 1


async def test_client_certificate_and_token_go_by_the_relay(
    secret: Secret, kept: Keeping, tmp_path: Path
) -> None:
    authority, tokens = Authority(), TokenServer()
    certificate, key = authority.client()
    seen = Seen()
    async with (
        serving(tokens) as idp,
        serving(seen, authority.server(clients=authority)) as url,
        client(kept.reader) as http,
    ):
        oauth2 = {"tokenUrl": idp, "clientId": tokens.client, "clientSecret": tokens.secret}
        entry = {"prefix": url, "clientCertificate": {}, "caFile": "ca.crt", "oauth2": oauth2}
        secret.put([entry], ca__crt=authority.pem, tls__crt=certificate, tls__key=key)
        await kept.until(lambda: kept.header(url))
        answer = await http.post(f"{url}/rpc", json={"a": 1})
        assert answer.json() == {"path": "/rpc", "body": '{"a":1}'}
    assert seen.values() == [f"Bearer {tokens.issued[0][0]}"]
    assert "orchestrator@team" in seen.certificates[0]
    delivered = (tmp_path / "credentials.json").read_text()
    assert key.splitlines()[1] not in delivered
    assert tokens.secret not in delivered


async def test_events_of_a_peer_behind_the_relay_come_one_by_one(
    secret: Secret, kept: Keeping
) -> None:
    got = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await asyncio.wait_for(got.wait(), 20)
        await response.write(b"data: 2\n\n")
        return response

    authority = Authority()
    certificate, key = authority.client()
    async with (
        serving(handle, authority.server(clients=authority)) as url,
        client(kept.reader) as http,
    ):
        entry = {"prefix": url, "clientCertificate": {}, "caFile": "ca.crt"}
        secret.put([entry], ca__crt=authority.pem, tls__crt=certificate, tls__key=key)
        await kept.until(lambda: kept.reader.find(url))
        lines = []
        async with http.stream("GET", url, headers={"accept": "text/event-stream"}) as answer:
            async for line in answer.aiter_lines():
                lines.append(line)
                if line:
                    got.set()
    assert [line for line in lines if line] == ["data: 1", "data: 2"]


async def test_fault_of_the_relay_is_a_failed_connection(secret: Secret, kept: Keeping) -> None:
    authority = Authority()
    certificate, key = authority.client()
    async with client(kept.reader) as http:
        gone = "https://127.0.0.1:1"
        secret.put([{"prefix": gone, "clientCertificate": {}}], tls__crt=certificate, tls__key=key)
        await kept.until(lambda: kept.reader.find(gone))
        with pytest.raises(httpx.ConnectError, match="Connect"):
            await http.get(gone)


async def test_call_without_its_token_is_not_sent(secret: Secret, kept: Keeping) -> None:
    seen, tokens = Seen(), TokenServer()
    tokens.secret = "another"
    async with serving(tokens) as idp, serving(seen) as url, client(kept.reader) as http:
        oauth2 = {"tokenUrl": idp, "clientId": tokens.client, "clientSecret": "s3cret"}
        secret.put([{"prefix": url, "oauth2": oauth2}])
        await kept.until(lambda: kept.reader.find(url))
        with pytest.raises(NoCredentialError, match="invalid_client"):
            await http.get(url)
    assert not seen.requests


async def test_bad_document_leaves_what_was_good(secret: Secret, kept: Keeping) -> None:
    secret.put([{"prefix": "https://a.example", "bearer": "one"}])
    await kept.until(lambda: kept.header("https://a.example"))
    secret.put("credentials: [{prefix: https://a.example, bearer: two, bad: three}]")
    problem = (await kept.until(lambda: kept.keeper.problems))[0]
    assert problem.reason is Reason.CREDENTIALS_INVALID
    assert "two" not in problem.message
    assert kept.header("https://a.example") == "Bearer one"
    secret.put([{"prefix": "https://a.example", "bearer": "three"}])
    await kept.until(lambda: kept.header("https://a.example") == "Bearer three")
    assert not kept.keeper.problems
    # Taken back.
    secret.put([])
    await kept.until(lambda: not kept.reader.find("https://a.example"))


async def test_document_that_comes_later_is_taken(tmp_path: Path) -> None:
    async with keeping(tmp_path / "secret", tmp_path / "peers.json") as kept:
        problem = (await kept.until(lambda: kept.keeper.problems))[0]
        assert problem.reason is Reason.CREDENTIALS_UNREADABLE
        Secret(tmp_path / "secret").put([{"prefix": "https://a.example", "bearer": "one"}])
        await kept.until(lambda: kept.header("https://a.example") == "Bearer one")
        await kept.until(lambda: not kept.keeper.problems)


async def test_file_that_was_taken_away_comes_back(
    secret: Secret, kept: Keeping, tmp_path: Path
) -> None:
    secret.put([{"prefix": "https://a.example", "bearer": "one"}])
    await kept.until(lambda: kept.header("https://a.example"))
    (tmp_path / "credentials.json").unlink()
    await kept.until((tmp_path / "credentials.json").exists)
    assert kept.header("https://a.example") == "Bearer one"


async def test_first_call_waits_for_the_right_to_read(tmp_path: Path) -> None:
    """An agent of another user may read the file only once the sidecar has seen its ack."""
    seen = Seen(accepts={"Bearer right"})

    class Locked(CredentialReader):
        looks = 0

        def current(self) -> Any:
            self.looks += 1
            if self.looks < 4:
                self.locked = True
                return self._file
            self.locked = False
            return super().current()

    async with serving(seen) as url:
        token = Credential(parse_prefix(url), {"Authorization": "Bearer right"})
        of_a_context(tmp_path / "peers.json", token)
        async with client(Locked(tmp_path / "peers.json")) as http:
            assert (await http.get(url)).status_code == 200


@contextlib.contextmanager
def calling(http: httpx.AsyncClient, url: str, counts: dict[Any, int]) -> Any:
    """Eight callers that call on and on; `counts` has how many calls ended how."""

    async def call() -> None:
        while True:
            try:
                ended: Any = (await http.post(url, json={"a": 1})).status_code
            except httpx.HTTPError as error:
                ended = repr(error)
            counts[ended] = counts.get(ended, 0) + 1

    tasks = [asyncio.create_task(call()) for _ in range(8)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


def _is(kept: Keeping, url: str, header: str) -> bool:
    return kept.header(url) == header


def _is_above(counts: dict[Any, int], calls: int) -> bool:
    return counts.get(200, 0) > calls


async def test_no_call_fails_while_tokens_are_renewed(secret: Secret, kept: Keeping) -> None:
    """The peer takes the newest two tokens, as real servers do: one that was renewed is good a while."""
    seen, tokens, counts = Seen(), TokenServer(), {}
    tokens.life = 1

    def rotate(token: str) -> None:
        recent = [one for one, _ in tokens.issued[-2:]]
        seen.accepts = {f"Bearer {one}" for one in recent}

    tokens.on_issue = rotate
    async with serving(tokens) as idp, serving(seen) as url, client(kept.reader) as http:
        oauth2 = {"tokenUrl": idp, "clientId": tokens.client, "clientSecret": tokens.secret}
        secret.put([{"prefix": url, "oauth2": oauth2}])
        await kept.until(lambda: kept.header(url))
        with calling(http, url, counts):
            await kept.until(lambda: len(tokens.issued) >= 5)
    assert set(counts) == {200}
    assert counts[200] > 100


async def test_no_call_fails_while_secret_and_certificates_are_replaced(
    secret: Secret, kept: Keeping
) -> None:
    """Bearer, client certificate and both authorities, all new at once, three times."""
    certificates: set[str] = set()
    old = new = Authority()
    seen, counts = Seen(), {}
    context = new.server(clients=new)
    async with serving(seen, context) as url, client(kept.reader) as http:

        def put(number: int, authorities: str) -> None:
            certificate, key = new.client(f"number-{number}@team")
            entry = {
                "prefix": url,
                "clientCertificate": {},
                "caFile": "ca.crt",
                "bearer": f"token-{number}",
            }
            secret.put([entry], ca__crt=authorities, tls__crt=certificate, tls__key=key)

        put(0, new.pem)
        seen.accepts = {"Bearer token-0"}
        await kept.until(lambda: kept.header(url))
        with calling(http, url, counts):
            for number in (1, 2, 3):
                old, new = new, Authority()
                # As operators do it: both authorities are trusted while certificates change.
                new.ca.configure_trust(context)
                seen.accepts |= {f"Bearer token-{number}"}
                put(number, old.pem + new.pem)
                await kept.until(partial(_is, kept, url, f"Bearer token-{number}"))
                new.ca.issue_cert("127.0.0.1").configure_cert(context)
                await kept.until(partial(_is_above, counts, counts.get(200, 0) + 50))
            certificates = set(seen.certificates)
    assert set(counts) == {200}
    assert len(certificates) == 4
    assert seen.values()[-1] == "Bearer token-3"


async def test_no_call_fails_while_the_authority_of_a_server_changes(
    secret: Secret, kept: Keeping
) -> None:
    authority, seen, counts = Authority(), Seen(), {}
    context = authority.server()
    async with serving(seen, context) as url, client(kept.reader) as http:
        secret.put([{"prefix": url, "caFile": "ca.crt"}], ca__crt=authority.pem)
        await kept.until(lambda: kept.reader.find(url))
        with calling(http, url, counts):
            for _ in range(3):
                before, authority = authority, Authority()
                both = before.pem + authority.pem
                secret.put([{"prefix": url, "caFile": "ca.crt"}], ca__crt=both)
                await kept.until(lambda both=both: kept.reader.find(url).ca == both)
                authority.ca.issue_cert("127.0.0.1").configure_cert(context)
                await kept.until(partial(_is_above, counts, counts.get(200, 0) + 50))
    assert set(counts) == {200}


def test_shims_context_trusts_the_system_too() -> None:
    from hotpeers_shim.adapters.credentials import tls_context

    with_system = len(tls_context().get_ca_certs())
    assert len(tls_context(Authority().pem).get_ca_certs()) == with_system + 1
    with pytest.raises(NoCredentialError):
        tls_context("nothing")
