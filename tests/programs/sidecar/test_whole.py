"""A real `hotpeers run` with credentials, real TLS servers, and the shim's own clients."""

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.contract import Ack, AckState, Peer, dump_ack
from hotpeers_shim.settings import Settings
from kit.servers import PeerServer, Secret, TokenServer, server_context, serving
from kit.sidecars import Sidecar
from kit.waiting import until_async

BEARER, API_KEY, CLIENT_SECRET = "b3arer-s3cret", "ap1-key-s3cret", "client-s3cret"


class Scene:
    """The sidecar's process, its Secret, and the shim in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = Secret(folder / "secret")
        self.sidecar = Sidecar(folder)
        self.sidecar.peers.mkdir()
        self.servers, self.clients = trustme.CA(), trustme.CA()
        self.peer, self.tokens = PeerServer(), TokenServer()
        self.url = self.mtls = self.token_url = ""
        self.mutual = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.pool = Pool(Settings.read({"HOTPEERS_PEER_FILE": str(self.sidecar.file)}))

    def files(self, *entries: dict[str, Any], name: str = "agent.example") -> dict[str, bytes]:
        leaf = self.clients.issue_cert(name)
        return {
            "credentials.yaml": json.dumps({"credentials": entries}).encode(),
            "ca.crt": self.servers.cert_pem.bytes(),
            "tls.crt": leaf.cert_chain_pems[0].bytes(),
            "tls.key": leaf.private_key_pem.bytes(),
        }

    async def start(self, *entries: dict[str, Any]) -> None:
        if entries:
            self.secret.put(self.files(*entries))
        await asyncio.to_thread(self.sidecar.start, "--credentials", str(self.secret.file))

    def delivered(self) -> dict[str, dict[str, Any]]:
        try:
            data = json.loads(self.sidecar.file.with_name("credentials.json").read_text())
        except FileNotFoundError:
            return {}
        return {entry["prefix"]: entry for entry in data["credentials"]}

    def problems(self) -> dict[str, str]:
        found = self.sidecar.status()["problems"]
        return {problem["reason"]: problem["message"] for problem in found}

    async def call(self, url: str, **more: Any) -> httpx.Response:
        peer = Peer("weather", self.url, "weather")
        async with self.pool.lease(peer) as client:
            return await client.http.post(url, json={"a": 1}, timeout=30, **more)


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
async def scene(memory: Path) -> AsyncIterator[Scene]:
    async with make_scene(memory) as made:
        yield made


@asynccontextmanager
async def make_scene(folder: Path) -> AsyncIterator[Scene]:
    made = Scene(folder)
    async with AsyncExitStack() as stack:
        plain = server_context(made.servers)
        made.mutual = server_context(made.servers, made.clients)
        made.url = await stack.enter_async_context(serving(made.peer.app, plain))
        made.token_url = await stack.enter_async_context(serving(made.tokens.app))
        other = PeerServer()
        other.seen, other.certificates = made.peer.seen, made.peer.certificates
        made.mtls = await stack.enter_async_context(serving(other.app, made.mutual))
        try:
            yield made
        finally:
            if made.sidecar.process is not None:
                await asyncio.to_thread(made.sidecar.stop)


async def test_headers_go_to_their_prefix_and_nowhere_else_also_after_a_redirect(
    scene: Scene,
) -> None:
    await scene.start(
        {"prefix": scene.url, "ca": "ca.crt"},
        {"prefix": f"{scene.url}/team", "bearer": BEARER, "ca": "ca.crt"},
        {"prefix": f"{scene.url}/team/keys", "headers": {"X-Api-Key": API_KEY}, "ca": "ca.crt"},
    )
    await until_async("three credentials", lambda: len(scene.delivered()) == 3)
    await scene.call(f"{scene.url}/team?redirect={scene.url}/open")
    await scene.call(f"{scene.url}/team/keys?redirect=/teams")
    await scene.call(f"{scene.url}/other?redirect=/team/keys/x")
    found = [
        (path, headers.get("Authorization", ""), headers.get("X-Api-Key", ""))
        for path, headers in scene.peer.seen
    ]
    assert found == [
        ("/team", f"Bearer {BEARER}", ""),
        ("/open", "", ""),
        ("/team/keys", "", API_KEY),
        ("/teams", "", ""),
        ("/other", "", ""),
        ("/team/keys/x", "", API_KEY),
    ]
    # A server of another origin is never called, and one of another authority is not trusted.
    stranger = PeerServer()
    async with (
        serving(stranger.app) as url,
        serving(stranger.app, server_context(trustme.CA())) as tls,
    ):
        with pytest.raises(Exception, match="another origin"):
            await scene.call(f"{scene.url}/team?redirect={url}/team")
        await scene.call(f"{url}/team")
        with pytest.raises(httpx.ConnectError):
            await scene.call(f"{tls}/team")
    assert [headers.get("Authorization") for _, headers in stranger.seen] == [None]


async def test_credential_of_the_prefix_replaces_the_user_header(scene: Scene) -> None:
    await scene.start({"prefix": f"{scene.url}/team", "bearer": BEARER, "ca": "ca.crt"})
    await until_async("the credential", scene.delivered)
    await scene.call(f"{scene.url}/team", headers={"authorization": "Bearer of-the-user"})
    (seen,) = scene.peer.headers("/team")
    assert [value for name, value in seen.items() if name.lower() == "authorization"] == [
        f"Bearer {BEARER}"
    ]


async def test_credential_for_cards_alone_is_not_sent_with_calls(scene: Scene) -> None:
    own = {"bearer": BEARER, "ca": "ca.crt", "cardsOnly": True}
    await scene.start(
        {"prefix": scene.url, "headers": {"X-Api-Key": API_KEY}, "ca": "ca.crt"},
        {"prefix": f"{scene.url}/team", **own},
    )
    await until_async("the credentials", lambda: len(scene.delivered()) == 2)
    assert BEARER not in json.dumps(scene.delivered())
    scene.peer.accepted.add(f"Bearer {BEARER}")
    scene.sidecar.put_peer("weather", "", f"{scene.url}/team")
    await until_async(
        "the peer weather",
        lambda: scene.sidecar.file.exists() and scene.sidecar.names() == ["weather"],
    )
    await scene.call(f"{scene.url}/team/x", headers={"authorization": "Bearer of-the-user"})
    (seen,) = scene.peer.headers("/team/x")
    assert seen["Authorization"] == "Bearer of-the-user"
    assert "X-Api-Key" not in seen


async def test_client_certificate_is_used_by_the_relay_and_its_key_stays_in_the_sidecar(
    scene: Scene,
) -> None:
    certificate = {"certificate": "tls.crt", "key": "tls.key"}
    entry = {"prefix": f"{scene.mtls}/team", "clientCertificate": certificate, "ca": "ca.crt"}
    await scene.start({**entry, "bearer": BEARER})
    await until_async("the credential", scene.delivered)
    answer = await scene.call(f"{scene.mtls}/team/x")
    assert answer.json() == {"a": 1}
    (seen,) = scene.peer.headers("/team/x")
    assert seen["Authorization"] == f"Bearer {BEARER}"
    assert "agent.example" in str(scene.peer.certificates[0])
    found = json.dumps(scene.delivered())
    assert "PRIVATE KEY" not in found
    assert "CERTIFICATE" not in found
    with pytest.raises(httpx.ConnectError):
        await scene.call(f"{scene.mtls}/elsewhere")
    # Streamed, and with a certificate that is rotated meanwhile.
    peer = Peer("weather", scene.mtls, "weather")
    async with (
        scene.pool.lease(peer) as client,
        client.http.stream("POST", f"{scene.mtls}/team/x", json={"b": 1}) as stream,
    ):
        assert await stream.aread() == b'{"b":1}'
    scene.secret.put(scene.files({**entry, "bearer": BEARER}, name="next.example"))

    async def is_next() -> bool:
        await scene.call(f"{scene.mtls}/team/x")
        return "next.example" in str(scene.peer.certificates[-1])

    async with asyncio.timeout(60):
        while not await is_next():
            await asyncio.sleep(0.05)


async def test_agent_uses_the_relay_of_a_restarted_sidecar(scene: Scene) -> None:
    certificate = {"certificate": "tls.crt", "key": "tls.key"}
    await scene.start({"prefix": scene.mtls, "clientCertificate": certificate, "ca": "ca.crt"})
    before = await until_async("the credential", scene.delivered)
    await scene.call(f"{scene.mtls}/x")
    await asyncio.to_thread(scene.sidecar.stop, signal.SIGKILL)
    # Nothing was sent: such a call may be tried again.
    with pytest.raises(httpx.ConnectError):
        await scene.call(f"{scene.mtls}/x")
    await scene.start()
    await until_async("another credential", lambda: scene.delivered() != before)
    assert (await scene.call(f"{scene.mtls}/x")).status_code == 200


async def test_card_that_needs_credentials_is_read_with_them(scene: Scene) -> None:
    scene.peer.accepted.add(f"Bearer {BEARER}")
    await scene.start(
        {"prefix": scene.url, "ca": "ca.crt"},
        {"prefix": f"{scene.url}/team", "bearer": BEARER, "ca": "ca.crt"},
    )
    scene.sidecar.put_peer("weather", "", f"{scene.url}/team")
    await until_async(
        "the peer weather",
        lambda: scene.sidecar.file.exists() and scene.sidecar.names() == ["weather"],
    )
    # Elsewhere on the same origin nothing is sent.
    scene.sidecar.put_peer("news", "", f"{scene.url}/news")
    await until_async(
        "a request for the card of news",
        lambda: scene.peer.headers("/news/.well-known/agent-card.json"),
    )
    assert "Authorization" not in scene.peer.headers("/news/.well-known/agent-card.json")[0]
    message = (await until_async("a problem", scene.problems)).get("CardUnavailable", "")
    assert "401" in message


async def test_card_behind_a_client_certificate_is_read(scene: Scene) -> None:
    certificate = {"certificate": "tls.crt", "key": "tls.key"}
    await scene.start({"prefix": scene.mtls, "clientCertificate": certificate, "ca": "ca.crt"})
    scene.sidecar.put_peer("weather", "", f"{scene.mtls}/team")
    await until_async(
        "the peer weather",
        lambda: scene.sidecar.file.exists() and scene.sidecar.names() == ["weather"],
    )


@asynccontextmanager
async def load(scene: Scene, url: str) -> AsyncIterator[list[int]]:
    """Calls without a pause while the context lasts; yields their statuses."""
    statuses: list[int] = []
    ended = asyncio.Event()

    async def go() -> None:
        # Not cancelled at its end: httpcore leaves a connection open that is just being made.
        while not ended.is_set():
            statuses.append((await scene.call(url)).status_code)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(go())
        yield statuses
        ended.set()


def used(scene: Scene, count: int) -> set[str]:
    """The tokens of the last calls."""
    return {headers["Authorization"] for _, headers in scene.peer.seen[-count:]}


async def test_rotation_under_load_fails_no_call(scene: Scene) -> None:
    entry = {"prefix": f"{scene.url}/team", "bearerFile": "token", "ca": "ca.crt"}
    scene.peer.accepted = {"Bearer t0ken-0"}
    scene.secret.put({**scene.files(entry), "token": b"t0ken-0"})
    await scene.start()
    await until_async("the credential", scene.delivered)
    async with load(scene, f"{scene.url}/team/x") as statuses:
        for number in range(1, 6):
            new = f"Bearer t0ken-{number}"
            # The old one is good until calls with the new one are seen.
            scene.peer.accepted.add(new)
            scene.secret.put({**scene.files(entry), "token": f"t0ken-{number}"})
            await until_async(f"calls with {new} only", lambda new=new: used(scene, 8) == {new})
            scene.peer.accepted = {new}
            count = len(statuses)
            await until_async("twenty more calls", lambda count=count: len(statuses) > count + 20)
    assert set(statuses) == {200}
    assert scene.peer.refused == 0
    print(f"{len(statuses)} calls over 5 rotations, 0 failed")


async def test_token_certificates_and_authorities_change_under_load_and_no_call_fails(
    scene: Scene,
) -> None:
    entry = {
        "prefix": scene.mtls,
        "bearerFile": "token",
        "clientCertificate": {"certificate": "tls.crt", "key": "tls.key"},
        "ca": "ca.crt",
    }
    scene.peer.accepted = {"Bearer t0ken-0"}
    scene.secret.put({**scene.files(entry), "token": b"t0ken-0"})
    await scene.start()
    await until_async("the credential", scene.delivered)
    async with load(scene, f"{scene.mtls}/x") as statuses:
        for number in (1, 2, 3):
            old, scene.servers, scene.clients = scene.servers, trustme.CA(), trustme.CA()
            # As operators do it: the old and the new are trusted while either may be shown.
            scene.clients.configure_trust(scene.mutual)
            bundle = old.cert_pem.bytes() + scene.servers.cert_pem.bytes()
            files = {**scene.files(entry, name=f"number-{number}.example"), "ca.crt": bundle}
            scene.peer.accepted.add(f"Bearer t0ken-{number}")
            scene.secret.put({**files, "token": f"t0ken-{number}".encode()})
            await until_async(
                f"the token {number}",
                lambda number=number: f"t0ken-{number}" in str(scene.delivered()),
            )
            scene.servers.issue_cert("127.0.0.1").configure_cert(scene.mutual)
            calls = len(statuses)
            await until_async("thirty more calls", lambda calls=calls: len(statuses) > calls + 30)
    assert set(statuses) == {200}
    names = {str(certificate["subjectAltName"]) for certificate in scene.peer.certificates}
    assert sum("number-" in name for name in names) == 3


async def test_short_lived_tokens_fail_no_call_while_their_server_restarts(
    scene: Scene,
) -> None:
    # Long enough that a loaded machine notices the fault before the token expires.
    scene.tokens.life = 8.0
    oauth2 = {
        "tokenUrl": f"{scene.token_url}/token",
        "clientId": "agent",
        "clientSecret": CLIENT_SECRET,
    }
    await scene.start({"prefix": f"{scene.url}/team", "oauth2": oauth2, "ca": "ca.crt"})
    await until_async(
        "a credential with headers",
        lambda: any(entry["headers"] for entry in scene.delivered().values()),
    )

    async def accept() -> None:
        while True:
            scene.peer.accepted = scene.tokens.valid()
            await asyncio.sleep(0.01)

    accepting = asyncio.create_task(accept())
    async with load(scene, f"{scene.url}/team/x") as statuses:
        await until_async("a second token", lambda: len(scene.tokens.tokens) >= 2)
        # Down just when the next renewal is due, for less than the token has left.
        scene.tokens.down = True
        asked = len(scene.tokens.forms)
        await until_async("another request for a token", lambda: len(scene.tokens.forms) > asked)
        assert "TokenUnavailable" in await until_async("a problem", scene.problems)
        scene.tokens.down = False
        await until_async("a third token", lambda: len(scene.tokens.tokens) >= 3)
    accepting.cancel()
    assert set(statuses) == {200}
    await until_async(
        "the problem TokenUnavailable to be solved",
        lambda: "TokenUnavailable" not in scene.problems(),
    )


async def test_bad_document_keeps_the_last_good_one_and_is_a_problem(scene: Scene) -> None:
    good = {"prefix": f"{scene.url}/team", "bearer": BEARER, "ca": "ca.crt"}
    await scene.start(good)
    await until_async("the credential", scene.delivered)
    scene.secret.put({**scene.files(good), "credentials.yaml": f"credentials: [{API_KEY}"})
    await until_async(
        "the problem CredentialsInvalid", lambda: "CredentialsInvalid" in scene.problems()
    )
    assert (await scene.call(f"{scene.url}/team/x")).status_code == 200
    assert scene.peer.headers("/team/x")[0]["Authorization"] == f"Bearer {BEARER}"
    # The same where a file that it names is bad, and that file alone is mended.
    named = {**good, "bearer": API_KEY, "ca": "other.crt"}
    scene.secret.put({**scene.files(named), "other.crt": b"nothing"})
    await until_async("the problem of the PEM", lambda: "PEM" in str(scene.problems()))
    assert f"Bearer {BEARER}" in str(scene.delivered())
    scene.secret.put({**scene.files(named), "other.crt": scene.servers.cert_pem.bytes()})
    await until_async("the API key", lambda: f"Bearer {API_KEY}" in str(scene.delivered()))
    assert not scene.problems()
    scene.secret.put(scene.files())
    await until_async("the credential to be removed", lambda: not scene.delivered())


async def test_late_secret_is_used_when_it_appears(scene: Scene) -> None:
    await scene.start()
    await until_async(
        "the problem CredentialsUnreadable", lambda: "CredentialsUnreadable" in scene.problems()
    )
    scene.secret.put(scene.files({"prefix": scene.url, "bearer": BEARER, "ca": "ca.crt"}))
    await until_async("the credential", scene.delivered)
    await until_async("no problems", lambda: not scene.problems())


async def test_run_without_credentials_takes_away_those_of_the_run_before(scene: Scene) -> None:
    await scene.start({"prefix": scene.url, "bearer": BEARER, "ca": "ca.crt"})
    await until_async("the credential", scene.delivered)
    await asyncio.to_thread(scene.sidecar.stop)
    assert scene.delivered()
    # The leftovers of a sidecar that was killed while it wrote.
    cut = scene.sidecar.file.with_name(".credentials.json.7.tmp")
    cut.write_text(BEARER)
    await asyncio.to_thread(scene.sidecar.start)
    await until_async("the credential to be removed", lambda: not scene.delivered())
    assert scene.sidecar.file.with_name("credentials.json").exists()
    assert not cut.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, to write an ack as another user")
async def test_ack_of_another_user_grants_it_read_access(scene: Scene) -> None:
    await scene.start({"prefix": scene.url, "bearer": BEARER, "ca": "ca.crt"})
    await until_async("the credential", scene.delivered)
    file = scene.sidecar.file.with_name("credentials.json")
    assert "system.posix_acl_access" not in os.listxattr(file)
    scene.sidecar.acks.mkdir(exist_ok=True)
    ack = scene.sidecar.acks / "ack-7.json"
    ack.write_bytes(dump_ack(Ack(7, AckState.ACTIVE)))
    os.chown(ack, 1001, 1001)
    await until_async(
        "the access list of the file", lambda: "system.posix_acl_access" in os.listxattr(file)
    )
    assert (1001).to_bytes(4, "little") in os.getxattr(file, "system.posix_acl_access")


async def test_no_secret_is_in_anything_that_is_shown_or_logged(scene: Scene) -> None:
    scene.tokens.life = 2.0
    oauth2 = {
        "tokenUrl": f"{scene.token_url}/token",
        "clientId": "agent",
        "clientSecret": CLIENT_SECRET,
    }
    certificate = {"certificate": "tls.crt", "key": "tls.key"}
    entries = [
        {"prefix": f"{scene.url}/team", "bearer": BEARER, "ca": "ca.crt"},
        {"prefix": f"{scene.url}/keys", "headers": {"X-Api-Key": API_KEY}, "ca": "ca.crt"},
        {"prefix": f"{scene.url}/oauth", "oauth2": oauth2, "ca": "ca.crt"},
        {"prefix": scene.mtls, "clientCertificate": certificate, "ca": "ca.crt"},
    ]
    files = scene.files(*entries)
    scene.secret.put(files)
    options = ("--credentials", str(scene.secret.file), "--log-level", "debug")
    await asyncio.to_thread(scene.sidecar.start, *options)
    for name in ("team", "keys", "oauth", "refused"):
        scene.sidecar.put_peer(name, "", f"{scene.url}/{name}")
    scene.sidecar.put_peer("mtls", "", f"{scene.mtls}/x")
    await until_async("four credentials", lambda: len(scene.delivered()) == 4)
    errors = []
    for url in (f"{scene.url}/team", f"{scene.url}/keys", f"{scene.url}/oauth", f"{scene.mtls}/x"):
        await scene.call(url)
    for url in (f"{scene.url}/team?redirect=http://127.0.0.1:9", "https://127.0.0.1:9/x"):
        with contextlib.suppress(Exception):
            try:
                await scene.call(url)
            except Exception as error:
                errors.append(f"{error!r} {error}")
                raise
    await until_async("a second token", lambda: len(scene.tokens.tokens) >= 2)
    scene.tokens.down = True
    await until_async(
        "the problem TokenUnavailable", lambda: "TokenUnavailable" in scene.problems()
    )
    bad = [{"prefix": f"https://{BEARER}@x", "bearer": API_KEY, CLIENT_SECRET: API_KEY}]
    scene.secret.put({**files, "credentials.yaml": json.dumps({"credentials": bad})})
    await until_async(
        "the problem CredentialsInvalid", lambda: "CredentialsInvalid" in scene.problems()
    )
    scene.secret.put({**files, "credentials.yaml": f"credentials: !{BEARER} {API_KEY}"})
    await until_async("the problem of the YAML", lambda: "YAML" in str(scene.problems()))
    shown = [scene.sidecar.get(path).decode() for path in ("/status", "/metrics", "/")]
    shown += [scene.sidecar.log.read_text(), scene.sidecar.file.read_text(), *errors]
    shown += [repr(scene.pool.__dict__), repr(scene.pool._credentials.current())]
    key = re.sub(r"-----.*?-----|\n", "", files["tls.key"].decode())
    relay_keys = {entry["key"] for entry in scene.delivered().values()} - {""}
    issued = [token for _, token in scene.tokens.tokens]
    assert issued
    assert relay_keys
    for secret in (BEARER, API_KEY, CLIENT_SECRET, key[:40], *relay_keys, *issued):
        for text in shown:
            assert secret not in text
    delivered = scene.sidecar.file.with_name("credentials.json").read_text()
    assert CLIENT_SECRET not in delivered
    assert key[:40] not in delivered
    for process_file in ("cmdline", "environ"):
        assert scene.sidecar.process is not None
        raw = Path(f"/proc/{scene.sidecar.process.pid}/{process_file}").read_bytes()
        assert BEARER.encode() not in raw


def test_repr_of_a_peer_names_no_header() -> None:
    assert "Bearer" not in repr(replace(Peer("a", "http://a", "a"), userHeaders=True))


async def test_restart_of_the_sidecar_fails_no_call_during_a_token_outage(
    scene: Scene,
) -> None:
    oauth2 = {
        "tokenUrl": f"{scene.token_url}/token",
        "clientId": "agent",
        "clientSecret": CLIENT_SECRET,
    }
    team = {"prefix": f"{scene.url}/team", "oauth2": oauth2, "ca": "ca.crt"}
    other = {"prefix": f"{scene.url}/other", "bearer": BEARER, "ca": "ca.crt"}
    await scene.start(team, other)
    await until_async("the first token", lambda: "t0ken-1" in str(scene.delivered()))
    write_ack(scene, 7, os.geteuid())
    scene.peer.accepted = scene.tokens.valid() | {f"Bearer {BEARER}"}
    scene.tokens.down = True
    async with (
        load(scene, f"{scene.url}/team/x") as statuses,
        load(scene, f"{scene.url}/other/x") as others,
    ):
        for _ in range(3):
            await asyncio.to_thread(scene.sidecar.stop, signal.SIGKILL)
            asked, calls = len(scene.tokens.forms), len(statuses)
            await scene.start()
            await until_async(
                "another request for a token", lambda asked=asked: len(scene.tokens.forms) > asked
            )
            await until_async(
                "the problem TokenUnavailable", lambda: "TokenUnavailable" in scene.problems()
            )
            await until_async("twenty more calls", lambda calls=calls: len(statuses) > calls + 20)
        # The document is bad, or not there, when the sidecar starts again.
        scene.secret.put({**scene.files(team, other), "credentials.yaml": "["})
        await asyncio.to_thread(scene.sidecar.stop, signal.SIGKILL)
        await scene.start()
        await until_async(
            "the problem CredentialsInvalid", lambda: "CredentialsInvalid" in scene.problems()
        )
        calls = len(others)
        await until_async("twenty more calls with the other", lambda: len(others) > calls + 20)
    assert set(statuses) == {200}
    assert set(others) == {200}
    # And its own token is used again, once it can be had.
    scene.tokens.down = False
    scene.secret.put(scene.files(team, other))
    await until_async("the second token", lambda: "t0ken-2" in str(scene.delivered()))


async def test_call_without_its_token_is_not_sent_and_names_the_reason(scene: Scene) -> None:
    oauth2 = {
        "tokenUrl": f"{scene.token_url}/token",
        "clientId": "agent",
        "clientSecret": CLIENT_SECRET,
    }
    scene.tokens.down = True
    await scene.start({"prefix": f"{scene.url}/team", "oauth2": oauth2, "ca": "ca.crt"})
    entry = f"{scene.url}/team"
    await until_async(
        "the failed request in the credential",
        lambda: "503" in scene.delivered().get(entry, {}).get("missing", ""),
    )
    user = {"Authorization": "Bearer of-the-user"}
    with pytest.raises(httpx.ConnectError, match="temporarily_unavailable") as caught:
        await scene.call(f"{scene.url}/team/x", headers=user)
    assert CLIENT_SECRET not in str(caught.value)
    assert not scene.peer.headers("/team/x")
    scene.tokens.down = False
    await until_async("a credential with headers", lambda: scene.delivered()[entry]["headers"])
    assert not scene.delivered()[entry]["missing"]
    assert (await scene.call(f"{scene.url}/team/x", headers=user)).status_code == 200
    assert scene.peer.headers("/team/x")[0]["Authorization"] == "Bearer t0ken-1"


def write_ack(scene: Scene, pid: int, user: int) -> None:
    scene.sidecar.acks.mkdir(exist_ok=True)
    temporary = scene.sidecar.acks / "next"
    temporary.write_bytes(dump_ack(Ack(pid, AckState.ACTIVE)))
    os.chown(temporary, user, user)
    temporary.replace(scene.sidecar.acks / f"ack-{pid}.json")
