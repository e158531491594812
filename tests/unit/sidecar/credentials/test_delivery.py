"""The credential file: only the agent's user can read it, for any user of the sidecar."""

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hotpeers.sidecar.credentials.delivery import Delivery
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers_shim.contract.credentials import Credential, load_credential_file
from hotpeers_shim.contract.prefixes import parse_prefix

SIDECAR, AGENT, OTHER_AGENT, STRANGER = 65532, 1001, 1002, 1003
SECRET = "t0ken-of-the-peer"
ONE = Credential(parse_prefix("https://a.example"), {"Authorization": f"Bearer {SECRET}"})
root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, to run as other users")

DELIVER = """
import sys
from pathlib import Path
from hotpeers.sidecar.credentials.delivery import Delivery
from hotpeers_shim.contract.credentials import Credential
from hotpeers_shim.contract.prefixes import parse_prefix
#
made = Delivery(Path(sys.argv[1]))
one = Credential(parse_prefix(sys.argv[3]), {"Authorization": "Bearer " + sys.argv[2]})
made.bring([one], frozenset(map(int, sys.argv[4:])))
print(made.problem and made.problem.reason.value)
"""
LOOK = """
import sys
from pathlib import Path
from hotpeers_shim.credentials import CredentialReader
#
reader = CredentialReader(Path(sys.argv[1]))
for line in sys.stdin:
    found = reader.find("https://a.example")
    print(reader.locked, found and found.headers["Authorization"], flush=True)
"""
READ = "import sys\n#\nprint(open(sys.argv[1]).read())"


@pytest.fixture
def peer_file() -> Iterator[Path]:
    """In a memory volume that every user can write to, like an emptyDir."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder) / "peers.json"


def run_as(
    user: int, code: str, *arguments: str, group: int = 0, groups: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    # Imports first: another user may have no right to read the environment's packages.
    change = f"import os; os.setgroups({groups}); os.setgid({group or user}); os.setuid({user})"
    imports, _, rest = code.partition("#\n")
    return subprocess.run(
        [sys.executable, "-c", f"{imports}\n{change}\n{rest}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def deliver(peer_file: Path, *users: int, url: str = "https://a.example") -> str:
    done = run_as(SIDECAR, DELIVER, str(peer_file), SECRET, url, *map(str, users))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def reads(user: int, peer_file: Path) -> bool:
    done = run_as(user, READ, str(peer_file.with_name("credentials.json")))
    return SECRET in done.stdout


@root
def test_agent_of_another_user_reads_it_and_a_stranger_does_not(peer_file: Path) -> None:
    assert deliver(peer_file, AGENT) == "None"
    assert reads(AGENT, peer_file)
    assert reads(SIDECAR, peer_file)
    assert not reads(STRANGER, peer_file)
    file = peer_file.with_name("credentials.json")
    assert file.stat().st_uid == SIDECAR
    assert stat.S_IMODE(file.stat().st_mode) & 0o007 == 0


CALL = """
import asyncio
import sys
from pathlib import Path
import anyio._backends._asyncio, httpcore._async.http11, httpx, zlib
from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.contract import Peer
from hotpeers_shim.settings import Settings
#
async def call():
    pool = Pool(Settings.read({"HOTPEERS_PEER_FILE": sys.argv[1]}))
    async with pool.lease(Peer("weather", sys.argv[2], "weather")) as client:
        print("calling", flush=True)
        response = await client.http.get(sys.argv[2])
        print(response.text, flush=True)
asyncio.run(call())
"""


@root
def test_first_call_of_an_agent_waits_for_its_right_to_read(peer_file: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(20)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        deliver(peer_file, url=url)
        imports, _, rest = CALL.partition("#\n")
        change = f"import os; os.setgroups([]); os.setgid({AGENT}); os.setuid({AGENT})"
        code = f"{imports}\n{change}\n{rest}"
        with subprocess.Popen(
            [sys.executable, "-c", code, str(peer_file), url], stdout=subprocess.PIPE, text=True
        ) as agent:
            assert agent.stdout is not None
            assert agent.stdout.readline() == "calling\n"
            # As when the sidecar has seen the first ack.
            deliver(peer_file, AGENT, url=url)
            connection, _ = server.accept()
            with connection:
                assert f"Bearer {SECRET}" in connection.recv(65536).decode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
                assert agent.stdout.readline() == "done\n"


@root
def test_agent_without_read_access_keeps_its_credentials(peer_file: Path) -> None:
    deliver(peer_file)
    imports, _, rest = LOOK.partition("#\n")
    change = f"import os; os.setgroups([]); os.setgid({AGENT}); os.setuid({AGENT})"
    with subprocess.Popen(
        [sys.executable, "-c", f"{imports}\n{change}\n{rest}", str(peer_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None

        def look() -> str:
            print(file=agent.stdin, flush=True)
            return str(agent.stdout.readline().strip())

        assert look() == "True None"
        assert look() == "True None"
        deliver(peer_file, AGENT)
        assert look() == f"False Bearer {SECRET}"
        deliver(peer_file, OTHER_AGENT)
        assert look() == f"True Bearer {SECRET}"
        agent.stdin.close()


@root
def test_group_of_the_file_cannot_read_it(peer_file: Path) -> None:
    deliver(peer_file, AGENT)
    file = str(peer_file.with_name("credentials.json"))
    done = run_as(STRANGER, READ, file, group=SIDECAR, groups=(AGENT,))
    assert "PermissionError" in done.stderr


@root
def test_list_follows_the_users(peer_file: Path) -> None:
    deliver(peer_file, AGENT, OTHER_AGENT)
    assert reads(AGENT, peer_file)
    assert reads(OTHER_AGENT, peer_file)
    deliver(peer_file, OTHER_AGENT)
    assert not reads(AGENT, peer_file)
    assert reads(OTHER_AGENT, peer_file)


@root
def test_only_the_sidecars_user_reads_the_file_before_an_ack(peer_file: Path) -> None:
    assert deliver(peer_file) == "None"
    assert reads(SIDECAR, peer_file)
    assert not reads(AGENT, peer_file)


@root
def test_only_the_sidecar_can_write_the_file(peer_file: Path) -> None:
    deliver(peer_file, AGENT)
    done = run_as(
        AGENT, "import sys\n#\nopen(sys.argv[1], 'a')", str(peer_file.with_name("credentials.json"))
    )
    assert "PermissionError" in done.stderr


def test_equal_users_take_no_list(peer_file: Path) -> None:
    made = Delivery(peer_file)
    made.bring([ONE], frozenset({os.geteuid()}))
    file = peer_file.with_name("credentials.json")
    assert made.problem is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "system.posix_acl_access" not in os.listxattr(file)


@pytest.fixture
def without_lists(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that has no access control lists."""
    done = subprocess.run(
        ["mount", "-t", "ramfs", "none", tmp_path], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("takes the right to mount a file system")
    yield tmp_path / "peers.json"
    subprocess.run(["umount", tmp_path], check=True)


def test_no_secret_is_written_without_acl_support(without_lists: Path) -> None:
    mine = os.geteuid()
    made = Delivery(without_lists)
    made.bring([ONE], frozenset({mine}))
    assert made.problem is None
    made.bring([ONE], frozenset({mine + 1}))
    assert made.problem is not None
    assert made.problem.reason is SidecarReason.CREDENTIALS_NOT_DELIVERED
    assert "access control lists" in made.problem.message
    for file in without_lists.parent.iterdir():
        assert SECRET not in file.read_text()
    # An agent of the sidecar's own user beside it is served all the same.
    made.bring([ONE], frozenset({mine, mine + 1}))
    assert made.problem is not None
    assert SECRET in without_lists.with_name("credentials.json").read_text()
    made.bring([ONE], frozenset({mine}))
    assert made.problem is None


def test_deleted_file_is_written_again(peer_file: Path) -> None:
    made = Delivery(peer_file)
    made.bring([ONE], frozenset())
    file = peer_file.with_name("credentials.json")
    first = file.stat().st_ino
    made.bring([ONE], frozenset())
    assert file.stat().st_ino == first
    file.unlink()
    made.bring([ONE], frozenset())
    assert json.loads(file.read_text())["credentials"][0]["prefix"] == "https://a.example"
    assert load_credential_file(file.read_bytes()).credentials == (ONE,)
    assert [path.name for path in peer_file.parent.iterdir()] == ["credentials.json"]
