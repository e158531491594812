"""A real sidecar with credentials of each kind: secrets are in the credential file alone."""

import asyncio
import base64
import contextlib
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from credential_kit import Authority, Secret, Seen, TokenServer, client, serving
from hotpeers_shim.contract import Ack, AckState, dump_ack
from hotpeers_shim.credentials import CredentialReader
from sidecars import Sidecar, until

CARD = {
    "name": "Weather",
    "description": "Tells the weather",
    "version": "1",
    "protocolVersion": "0.3.0",
    "preferredTransport": "JSONRPC",
    "capabilities": {},
    "defaultInputModes": ["text"],
    "defaultOutputModes": ["text"],
    "skills": [],
}


class Scene:
    """Four peers that ask for credentials, for their cards too, and a token server."""

    def __init__(self) -> None:
        self.authority = Authority()
        self.tokens = TokenServer(secret="s3cret-of-oauth2")
        self.urls: dict[str, str] = {}
        self.seen = {
            "bearer": Seen(accepts={"Bearer s3cret-bearer"}),
            "header": Seen("X-Api-Key", {"s3cret-header"}),
            "oauth2": Seen(),
            "mtls": Seen(),
        }
        self.certificate, self.key = self.authority.client()
        self.tokens.on_issue = lambda token: self.seen["oauth2"].accepts.add(f"Bearer {token}")

    async def serve(self, stack: contextlib.AsyncExitStack) -> None:
        self.urls["idp"] = await stack.enter_async_context(serving(self.tokens))
        # Nothing is accepted before the first token.
        self.seen["oauth2"].accepts.add("Bearer nothing")
        for name, seen in self.seen.items():
            tls = self.authority.server(clients=self.authority) if name == "mtls" else None
            self.urls[name] = await stack.enter_async_context(serving(self._peer(name, seen), tls))

    def _peer(self, name: str, seen: Seen) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            answer = await seen(request)
            if request.path.startswith("/.well-known/") and answer.status == 200:
                return web.json_response(CARD | {"url": self.urls[name]})
            return answer

        return handle

    def document(self) -> list[dict[str, Any]]:
        oauth2 = {"tokenUrl": self.urls["idp"], "clientId": "orchestrator"}
        return [
            {"prefix": self.urls["bearer"], "bearer": "s3cret-bearer"},
            {
                "prefix": self.urls["header"],
                "headers": [{"name": "X-Api-Key", "value": "s3cret-header"}],
            },
            {
                "prefix": self.urls["oauth2"],
                "oauth2": {**oauth2, "clientSecret": self.tokens.secret},
            },
            {"prefix": self.urls["mtls"], "clientCertificate": {}, "caFile": "ca.crt"},
        ]

    def files(self) -> dict[str, str]:
        return {
            "ca__crt": self.authority.pem,
            "tls__crt": self.certificate,
            "tls__key": self.key,
        }

    @property
    def secrets(self) -> list[str]:
        """Everything that must not be seen, in each form that it may have."""
        issued = [token for token, _ in self.tokens.issued]
        plain = ["s3cret-bearer", "s3cret-header", self.tokens.secret, *issued]
        # Of Basic, as authlib sends it.
        pair = f"{self.tokens.client}:{self.tokens.secret}".encode()

        return [*plain, base64.b64encode(pair).decode().rstrip("="), self.key.splitlines()[2]]


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The servers, on a loop of their own: the tests wait for processes."""
    made, ready, done = Scene(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await made.serve(stack)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(20)
    yield made
    loop.call_soon_threadsafe(done.set)
    thread.join(20)
    loop.close()


@pytest.fixture
def sidecar(tmp_path: Path, scene: Scene) -> Iterator[Sidecar]:
    """It ends before the servers that it has connections to."""
    assert scene.urls
    made = Sidecar(tmp_path)
    made.peers.mkdir()
    yield made
    if made.process is not None:
        made.stop()


async def calls(sidecar: Sidecar, scene: Scene) -> dict[str, int]:
    """The status of a call of each peer, by the shim's transport."""
    async with client(CredentialReader(sidecar.file)) as http:
        return {name: (await http.post(scene.urls[name])).status_code for name in scene.seen}


def test_secrets_are_in_the_credential_file_alone(
    sidecar: Sidecar, scene: Scene, tmp_path: Path
) -> None:
    secret = Secret(tmp_path / "secret")
    secret.put(scene.document(), **scene.files())
    for name in scene.seen:
        sidecar.put_peer(name, description="", url=scene.urls[name])
    sidecar.start("--credentials", str(secret.folder), "--log-level", "debug")
    # Their cards ask for the same.
    until(lambda: len([p for p in sidecar.read().peers if p.ready]) == len(scene.seen))
    assert asyncio.run(calls(sidecar, scene)) == dict.fromkeys(scene.seen, 200)
    # What fails says so without them: a bad document, a token server that echoes, a refused call.
    old = scene.secrets
    again = scene.document()
    again[0]["bearer"] = "s3cret-bearer-2"
    again[2]["oauth2"]["clientSecret"] = "wr0ng-secret"
    secret.put(again, **scene.files())
    until(lambda: "TokenUnavailable" in str(sidecar.status()["problems"]))
    secret.put(
        json.dumps({"credentials": [{**again[0], "s3cret-bearer": "s3cret-header"}]}),
        **scene.files(),
    )
    until(lambda: "CredentialsInvalid" in str(sidecar.status()["problems"]))
    shown = {
        path: sidecar.get(path).decode()
        for path in ("/status", "/metrics", "/", "/healthz", "/readyz")
    }
    sidecar.stop()
    shown["log"] = sidecar.log.read_text()
    shown["command"] = str(sidecar.process)
    run = sidecar.file.parent
    for path in run.rglob("*"):
        if path.is_file() and path.name != "credentials.json":
            shown[str(path)] = path.read_text()
    assert "CredentialsInvalid" in shown["log"]
    for where, text in shown.items():
        for value in [*old, *scene.secrets, "wr0ng-secret"]:
            assert value not in text, where
    file = run / "credentials.json"
    delivered = file.read_text()
    assert "s3cret-bearer" in delivered
    for value in ("s3cret-of-oauth2", scene.key.splitlines()[2]):
        assert value not in delivered
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_sidecar_without_credentials_takes_back_those_of_a_run_before(
    sidecar: Sidecar, scene: Scene, tmp_path: Path
) -> None:
    secret = Secret(tmp_path / "secret")
    secret.put(scene.document(), **scene.files())
    sidecar.start("--credentials", str(secret.folder / "credentials.yaml"))
    reader = CredentialReader(sidecar.file)
    until(lambda: reader.find(scene.urls["bearer"]))
    sidecar.stop()
    assert reader.find(scene.urls["bearer"])
    sidecar.start()
    until(lambda: not reader.find(scene.urls["bearer"]))
    assert sidecar.file.with_name("credentials.json").stat().st_mode & 0o777 == 0o644


def test_restarted_sidecar_goes_on(sidecar: Sidecar, scene: Scene, tmp_path: Path) -> None:
    secret = Secret(tmp_path / "secret")
    secret.put(scene.document(), **scene.files())
    sidecar.start("--credentials", str(secret.folder))
    until(lambda: CredentialReader(sidecar.file).find(scene.urls["bearer"]))
    assert sidecar.process is not None
    sidecar.process.kill()
    sidecar.process.wait(20)
    sidecar.start("--credentials", str(secret.folder))
    # The relay is at another port with another key.
    until(lambda: len(sidecar.read().peers) == 0)
    reader = CredentialReader(sidecar.file)

    def works() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return asyncio.run(calls(sidecar, scene)) == dict.fromkeys(scene.seen, 200)
        return False

    until(works)
    assert reader.find(scene.urls["mtls"])


def test_agent_of_another_user_gets_its_right_by_its_ack(
    sidecar: Sidecar, scene: Scene, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("takes root, to own a file of another user")
    secret = Secret(tmp_path / "secret")
    secret.put(scene.document(), **scene.files())
    sidecar.start("--credentials", str(secret.folder))
    file = sidecar.file.with_name("credentials.json")
    until(file.exists)
    assert "system.posix_acl_access" not in os.listxattr(file)
    sidecar.acks.mkdir(parents=True, exist_ok=True)
    # What is no ack gives no right, whoever owns it.
    for name, raw, user in (
        ("ack-7.json", b"{}", 4712),
        ("ack-8.json", dump_ack(Ack(pid=8, state=AckState.ACTIVE)), 4711),
    ):
        temporary = sidecar.acks / f".{name}"
        temporary.write_bytes(raw)
        os.chown(temporary, user, user)
        temporary.replace(sidecar.acks / name)
    listed = until(lambda: "system.posix_acl_access" in os.listxattr(file) and _users(file))
    assert listed == {4711}


def _users(file: Path) -> set[int]:
    """The users of an access control list, by linux/posix_acl_xattr.h."""
    raw = os.getxattr(file, "system.posix_acl_access")[4:]
    entries = [raw[at : at + 8] for at in range(0, len(raw), 8)]
    return {int.from_bytes(one[4:], "little") for one in entries if one[0] == 2}
