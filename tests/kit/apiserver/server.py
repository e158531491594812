"""One cluster: etcd, kube-apiserver, and the faults that a test can inject."""

from __future__ import annotations

import base64
import fcntl
import json
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from kit.apiserver.certificates import Authority, write_signing_key
from kit.apiserver.client import Access, Api, ApiError
from kit.apiserver.processes import Process, free_ports
from kit.waiting import until

ISSUER = "https://kubernetes.default.svc.cluster.local"
_SECONDS_TO_START = 120.0
_PREFIX = "hotpeers-cluster-"
# A range that is nowhere: there is no proxy that would serve it. (TEST-NET-1 is too small.)
_SERVICES = "198.18.0.0/16"


class Cluster:
    """etcd and kube-apiserver on 127.0.0.1; no controllers and no nodes.

    So nothing makes the `default` ServiceAccount of a namespace, nothing ends pods, nothing empties
    a deleted namespace (it stays `Terminating` with all that is in it), and a Service has no
    endpoints. Custom resources, Services, RBAC, tokens and Events are as in any cluster.
    """

    def __init__(self, binaries: Path) -> None:
        self.folder, self._folder_lock = _make_folder()
        authority = Authority(self.folder)
        etcd_port, etcd_peer_port, self.port = free_ports(3)
        self.url = f"https://127.0.0.1:{self.port}"
        self._etcd_url = f"http://127.0.0.1:{etcd_port}"
        self._certificate = authority.server("kube-apiserver")
        self._signing_key = write_signing_key(self.folder)
        self.authority = authority.file
        # system:masters is the group that RBAC does not restrict.
        admin = authority.client("admin", "system:masters")
        self.access = Access(self.url, authority.file, certificate=admin)
        self.kubeconfig = self.access.write_kubeconfig(self.folder / "admin.kubeconfig")
        self.api = Api(self.access)
        log = self.folder / "etcd.log"
        self.etcd = Process(self._etcd_command(binaries / "etcd", etcd_peer_port), log)
        log = self.folder / "kube-apiserver.log"
        self.server = Process(self._server_command(binaries / "kube-apiserver"), log)

    def add_flags(self, *flags: str) -> None:
        """Give kube-apiserver more flags, from its next start on."""
        self.server.command = [*self.server.command, *flags]

    def _etcd_command(self, binary: Path, peer_port: int) -> list[str | Path]:
        peer_url = f"http://127.0.0.1:{peer_port}"
        return [
            binary,
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
        ]

    def _server_command(self, binary: Path) -> list[str | Path]:
        certificate, key = self._certificate
        return [
            binary,
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            # The endpoint of the Service `kubernetes` must not be a loopback address. Our code does
            # not use it, so it need not be reachable.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={_SERVICES}",
            f"--cert-dir={self.folder}",
            f"--client-ca-file={self.authority}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--service-account-key-file={self._signing_key}",
            f"--service-account-signing-key-file={self._signing_key}",
            f"--service-account-issuer={ISSUER}",
            "--authorization-mode=RBAC",
            # Privileged pods are up to the level of their namespace, as on most clusters.
            "--allow-privileged=true",
            # There is no controller that would make the default ServiceAccount, which it demands.
            "--disable-admission-plugins=ServiceAccount",
        ]

    # -- running

    def start(self) -> None:
        """Start stopped processes, on the same port and with the same data.

        Wait until they are ready.
        """
        self.etcd.start()
        self.server.start()
        until("kube-apiserver to be ready", self._ready, _SECONDS_TO_START)

    def _ready(self) -> bool:
        self.etcd.check()
        self.server.check()
        with suppress(OSError, ApiError):
            self.api.request("GET", "/readyz")
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End kube-apiserver; `signal.SIGKILL` to let it fall."""
        self.server.stop(how)

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End kube-apiserver and start it again."""
        self.stop(how)
        self.start()

    def close(self) -> None:
        """End everything and remove the folder."""
        try:
            self.api.close()
            self.server.stop(signal.SIGKILL)
            self.etcd.stop(signal.SIGKILL)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._folder_lock.close()

    # -- interfering

    def compact(self) -> int:
        """Compact etcd: lists and watches of older resource versions are 410 Gone.

        The watch cache of kube-apiserver still holds the last changes. `restart` clears it; a
        server with --watch-cache=false has none.
        """
        # A key of our own that changes: a watch may still begin at the very last revision.
        key = base64.b64encode(b"/hotpeers-tests/compacted").decode()
        revision = int(self._ask_etcd("put", {"key": key})["header"]["revision"])
        self._ask_etcd("compaction", {"revision": revision, "physical": True})
        return revision

    def replace_signing_key(self) -> None:
        """Start again with another signing key: every token given until now is 401 Unauthorized."""
        write_signing_key(self.folder)
        self.restart(signal.SIGKILL)

    def _ask_etcd(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask etcd by its JSON gateway."""
        url = f"{self._etcd_url}/v3/kv/{what}"
        try:
            with urlopen(Request(url, json.dumps(body).encode()), timeout=60) as answer:
                return dict(json.loads(answer.read()))
        except URLError as error:
            raise RuntimeError(f"etcd: {what}: {error}") from error


def _make_folder() -> tuple[Path, Any]:
    """Make a folder, in memory where that is possible, and lock it for as long as we live."""
    memory = Path("/dev/shm")
    base = memory if memory.is_dir() else Path(tempfile.gettempdir())
    for left in base.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(left)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _remove_if_abandoned(folder: Path) -> None:
    """Remove the folder of a run that was killed; memory would stay taken."""
    with suppress(OSError), (folder / "lock").open() as lock:
        if time.time() - folder.stat().st_mtime < _SECONDS_TO_START:
            return  # so young that its lock may not be taken yet
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
