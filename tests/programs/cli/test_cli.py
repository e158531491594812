"""The commands, as a shell runs them: their output and their exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hotpeers import __version__
from hotpeers.cli.main import cli

PEER = "apiVersion: hotpeers.dev/v1alpha1\nkind: Peer\nmetadata: {name: a}\nspec: {url: http://a}\n"


def invoke(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hotpeers", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, **environment},
    )


def test_version_is_printed() -> None:
    assert invoke("--version").output == f"hotpeers, version {__version__}\n"


def test_validate_describes_good_files(tmp_path: Path) -> None:
    peer, peers = tmp_path / "a.yaml", tmp_path / "peers.json"
    peer.write_text(PEER + "---\napiVersion: v1\nkind: Service\n")
    peers.write_text('{"generation": 3, "peers": [{"name": "a", "url": "http://a"}]}')
    done = invoke("validate", str(peer), str(peers))
    assert done.exit_code == 0
    assert f"{peer}: ok: Peer a" in done.output
    assert "ignored: " in done.output
    assert f"{peers}: ok: peer file, generation 3, 1 peers" in done.output


def test_validate_names_file_document_field_and_reason(tmp_path: Path) -> None:
    good, bad, peers = (tmp_path / name for name in ("a.yaml", "b.yaml", "peers.json"))
    good.write_text(PEER)
    bad.write_text(PEER + "---\n" + PEER.replace("http://a", "gopher://a"))
    peers.write_text('{"peers": [{"name": "a", "url": 7}]}')
    done = invoke("validate", str(good), str(bad), str(peers), str(tmp_path / "missing"))
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert lines[0] == (
        f"error: {bad} document 2: spec.url: 'gopher://a' is not an http(s) URL (WrongShape)"
    )
    assert (
        lines[1] == f"error: {peers}: peers[0].url: a string is needed, not a number (WrongShape)"
    )
    assert lines[2] == f"error: {tmp_path}/missing: No such file or directory (FileUnreadable)"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("raw", "code", "part"),
    [
        (PEER.encode(), 0, "ok: Peer a"),
        (b'{"apiVersion":"hotpeers.dev/v1","generation":7,"peers":[{"na', 1, "NotJson"),
        (b'{"apiVersion":"hotpeers.dev/v2","generation":7}', 1, "UnsupportedVersion"),
        (b"", 1, "FileEmpty"),
        (b"\xff", 1, "NotUtf8"),
        (b"#\n", 0, "nothing that describes a peer"),
    ],
)
def test_validate_reads_standard_input(raw: bytes, code: int, part: str) -> None:
    done = invoke("validate", "-", stdin=raw)
    assert (done.exit_code, part in done.output) == (code, True), done.output


def test_shim_path_is_the_bootstrap_folder() -> None:
    done = run("shim", "path")
    assert done.returncode == 0
    folder = Path(done.stdout.strip())
    assert (folder.parent.name, folder.name) == ("hotpeers_shim", "bootstrap")
    assert (folder / "sitecustomize.py").is_file()


def test_shim_path_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hotpeers.cli.main import cli; cli(['shim', 'path'], standalone_mode=False);"
        "heavy = {'aiohttp', 'pydantic', 'a2a', 'rich', 'yaml', 'prometheus_client'};"
        "shim = {name for name in sys.modules if name.startswith('hotpeers_shim.')};"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys(); assert not shim, shim"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20, stdout=subprocess.DEVNULL)


def test_shim_install_copies_a_shim_that_loads(tmp_path: Path) -> None:
    for _ in range(2):
        done = run("shim", "install", str(tmp_path / "there"))
        assert (done.returncode, done.stderr) == (0, "")
    bootstrap = Path(done.stdout.strip())
    assert bootstrap == tmp_path / "there" / "hotpeers_shim" / "bootstrap"
    names = {path.name for path in (tmp_path / "there").iterdir()}
    assert names == {"hotpeers_shim", "image-pythonpath"}
    compiled = bootstrap.parent.rglob(f"*.{sys.implementation.cache_tag}.pyc")
    sources = {path.stem for path in bootstrap.parent.rglob("*.py")}
    assert {path.name.split(".")[0] for path in compiled} == sources
    started = subprocess.run(
        [sys.executable, "-c", "import sys; print('sitecustomize' in sys.modules)"],
        env={"PYTHONPATH": str(bootstrap), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert (started.stdout, started.stderr) == ("True\n", "")


def test_shim_install_replaces_an_older_one(tmp_path: Path) -> None:
    stale = tmp_path / "hotpeers_shim" / "stale.py"
    stale.parent.mkdir()
    stale.write_text("")
    assert run("shim", "install", str(tmp_path)).returncode == 0
    assert not stale.exists()


def test_failed_shim_install_prints_one_line() -> None:
    done = run("shim", "install", "/proc/nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: /proc/nowhere/hotpeers_shim: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("HOTPEERS_PEERS_DIR", "", "--peers-dir (HOTPEERS_PEERS_DIR) is missing"),
        ("HOTPEERS_LISTEN", "eighty", "--listen (HOTPEERS_LISTEN): 'eighty'"),
        ("HOTPEERS_LISTEN", ":99999", "--listen (HOTPEERS_LISTEN): ':99999'"),
        ("HOTPEERS_SELECTOR", "a=b=c", "--selector (HOTPEERS_SELECTOR): 'a=b=c'"),
        ("HOTPEERS_ORCHESTRATOR", "me", "--orchestrator (HOTPEERS_ORCHESTRATOR): 'me'"),
        ("HOTPEERS_SOURCE", "moon", "--source (HOTPEERS_SOURCE): 'moon' is not 'directory'"),
        ("HOTPEERS_LOG_FORMAT", "xml", "--log-format (HOTPEERS_LOG_FORMAT): 'xml' is not 'text'"),
    ],
)
def test_bad_setting_is_named(tmp_path: Path, name: str, value: str, part: str) -> None:
    done = run("run", **{"HOTPEERS_PEERS_DIR": str(tmp_path), name: value})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {part}")


def test_peer_file_among_the_manifests_is_refused(tmp_path: Path) -> None:
    done = run("run", "--peers-dir", str(tmp_path), "--peer-file", str(tmp_path / "peers.json"))
    assert done.returncode == 2
    assert "lies among the manifests" in done.stderr


def test_validate_reads_a_directory_as_the_source_does(tmp_path: Path) -> None:
    folder = tmp_path / "peers"
    folder.mkdir()
    (folder / "a.yaml").write_text(PEER)
    (folder / "b.yml").write_text(PEER)
    (folder / "c.json").write_text('{"name": "c", "url": "http://c", "descripton": "d"}')
    (folder / ".hidden.yaml").write_text("[")
    (folder / "readme.txt").write_text("text")
    (folder / "below").mkdir()
    (folder / "below" / "d.yaml").write_text("[")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "link.yaml").symlink_to("nowhere")
    done = invoke("validate", str(folder))
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        f"{folder}/a.yaml: ok: Peer a",
        f"{folder}/c.json: ok: Card c",
    ]
    assert done.stderr.splitlines() == [
        f"error: {folder}/b.yml: Peer a: the tool name 'a' is taken by {folder}/a.yaml; give one another"
        " name (NameCollision)",
        f"warning: {folder}/c.json document 1: descripton: is not read; did you mean 'description'?"
        " (UnknownField)",
        f"error: {folder}/link.yaml: a link to a missing file; only files are read (FileUnreadable)",
        f"error: {folder}/pipe.yaml: a named pipe; only files are read (FileUnreadable)",
    ]


def test_validate_warns_of_an_empty_directory(tmp_path: Path) -> None:
    done = invoke("validate", str(tmp_path))
    assert (done.exit_code, done.stderr) == (
        0,
        f"warning: {tmp_path}: no *.yaml, *.yml or *.json file in it\n",
    )


def test_validate_reads_the_pipe_of_a_shell() -> None:
    reading, writing = os.pipe()
    os.write(writing, PEER.encode())
    os.close(writing)
    done = invoke("validate", f"/dev/fd/{reading}")
    os.close(reading)
    assert "ok: Peer a" in done.output


def test_named_pipe_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert "a named pipe" in run("validate", str(pipe)).stderr
    done = run("policy", "explain", "-f", str(pipe))
    assert (done.returncode, "a named pipe" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", [("validate",), ("policy", "explain", "-f")])
def test_endless_input_is_read_to_the_limit(command: tuple[str, ...]) -> None:
    with Path("/dev/zero").open("rb") as zeros:
        done = subprocess.run(
            [sys.executable, "-m", "hotpeers", *command, "-"],
            stdin=zeros,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == 1
    assert "FileTooLarge" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (PEER.replace("url:", "descripton: d, timout: 5, url:"), ("'description'?", "'timeout'?")),
        (PEER.replace("url:", "url: http://b, url:"), ("DuplicateKey", "line 4")),
        (PEER.replace("a}", f"a, uid: {':'.join(['59'] * 300_000)}}}", 1), ("WrongShape", "uid")),
    ],
)
def test_validate_names_misspelt_duplicate_and_malformed_fields(
    text: str, parts: tuple[str, ...]
) -> None:
    done = invoke("validate", "-", stdin=text.encode())
    assert done.exit_code == 1
    assert all(part in done.stderr for part in parts), done.stderr
