"""Reports that the shim does not work here: one line on stderr, and an ack of state `error`.

This module must work even if the rest of the shim cannot be imported. It therefore needs only the
standard library of Python 3.8. It cannot use the contract, so it writes the JSON of the ack itself.
"""

import atexit
import contextlib
import json
import os
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_ADK = (1, 16)
"""google-adk 1.14 and 1.15 have no `ReadonlyContext.session`."""
OLDEST_A2A = (0, 3)

RUNTIME_UNSUPPORTED = "RuntimeUnsupported"
SHIM_FAILED = "ShimFailed"

_HEARTBEAT_SECONDS = 15.0
_PACKAGES = ("google-adk", "a2a-sdk", "kagent-adk")
_said: "set[int]" = set()


def find() -> str:
    """The reason why this runtime is not supported, as a sentence; "" if it is supported."""
    if sys.version_info < OLDEST_PYTHON:
        return f"Python {sys.version.split()[0]} is older than {_text(OLDEST_PYTHON)}"
    adk, a2a = _version("google-adk"), _version("a2a-sdk")
    # google-adk may be installed without metadata. It may be new enough, so the shim tries it.
    if adk and _numbers(adk) < OLDEST_ADK:
        return f"google-adk {adk} is older than {_text(OLDEST_ADK)}"
    if not a2a:
        return "a2a-sdk is not installed: install google-adk with its extra, google-adk[a2a]"
    if _numbers(a2a) < OLDEST_A2A:
        return f"a2a-sdk {a2a} is older than {_text(OLDEST_A2A)}"
    return ""


def report(reason: str, message: str) -> None:
    """Write the line once, and the ack again and again in a thread. Never raises.

    docs/reference/files.md lists the words for `reason`. Later reports of the same process are ignored.
    """
    if os.getpid() in _said:
        return
    _said.add(os.getpid())
    message = message[:1000]
    # stderr may be closed, and the process may be unable to start a thread.
    with contextlib.suppress(Exception):
        sys.stderr.write(f"hotpeers: {reason}: {message} (the agent runs without hot peers)\n")
    with contextlib.suppress(Exception):
        threading.Thread(target=_repeat, args=(reason, message), daemon=True).start()


def _repeat(reason: str, message: str) -> None:
    """Rewrite the ack until the process ends: the sidecar drops one after a minute of silence."""
    path = _folder() / f"ack-{os.getpid()}.json"
    atexit.register(_remove, path)
    while True:
        with contextlib.suppress(Exception):  # the sidecar is missing, or has not started yet
            _write(path, reason, message)
        time.sleep(_HEARTBEAT_SECONDS)


def _folder() -> Path:
    """The folder of acks; see `settings.Settings.read`."""
    peer_file = Path(os.environ.get("HOTPEERS_PEER_FILE") or "/var/run/hotpeers/peers.json")
    return Path(os.environ.get("HOTPEERS_ACK_DIR") or peer_file.parent / "acks")


def _write(path: Path, reason: str, message: str) -> None:
    """Replace the ack file. Its fields are those of `contract.Ack`."""
    ack = {
        "apiVersion": "hotpeers.dev/v1",
        "pid": os.getpid(),
        "state": "error",
        "generation": None,
        "digest": "",
        "reason": reason,
        "message": message,
        "runtime": {"python": sys.version.split()[0], **_versions()},
        "time": time.time(),
    }
    path.parent.mkdir(mode=0o755, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(ack) + "\n", encoding="utf-8")
    temporary.replace(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _versions() -> "dict[str, str]":
    found = {package: _version(package) for package in _PACKAGES}
    return {package: version for package, version in found.items() if version}


def _version(package: str) -> str:
    try:
        return str(metadata.version(package))
    except Exception:  # noqa: BLE001 - the package is missing, or its metadata is unreadable
        return ""


def _numbers(version: str) -> "tuple[int, ...]":
    """The major and the minor number. Nothing compares more of a version."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2])


def _text(numbers: "tuple[int, ...]") -> str:
    return ".".join(map(str, numbers))
