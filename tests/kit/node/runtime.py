"""containerd with runc and the network of pods, and images that are put into it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from kit.apiserver.processes import Process
from kit.node import addresses
from kit.node.binaries import Binaries
from kit.node.image import Image
from kit.node.machine import Machine, runs
from kit.waiting import until

PAUSE = "localhost/pause:1"
_NAMESPACE = "k8s.io"
_SECONDS = 15.0
_SECONDS_FOR_IMAGE = 300.0
_SETTINGS = """\
version = 3
root = '/var/lib/containerd'
state = '/run/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.snapshotter.v1.erofs',
  'io.containerd.differ.v1.erofs', 'io.containerd.snapshotter.v1.blockfile']
[plugins.'io.containerd.internal.v1.opt']
  path = '/var/lib/containerd/opt'  # else it is made in /opt, on the machine's own disk
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{pause}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true  # where CAP_SYS_RESOURCE is missing, the wished score is refused
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
  runtime_path = '{shim}'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '{runc}'
  SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{cni}']
  conf_dir = '{network}'
"""


class Runtime:
    """containerd on a node."""

    def __init__(self, machine: Machine, binaries: Binaries) -> None:
        self._machine = machine
        self._binaries = binaries
        self._ctr = binaries.containerd / "ctr"
        self._process: Process

    def start(self) -> None:
        """Start containerd and wait until it answers."""
        folder = self._machine.folder
        network = folder / "cni"
        network.mkdir()
        (network / "10-bridge.conflist").write_text(json.dumps(_network(), indent=1))
        settings = folder / "containerd.toml"
        settings.write_text(
            _SETTINGS.format(
                pause=PAUSE,
                shim=self._binaries.containerd / "containerd-shim-runc-v2",
                runc=self._binaries.runc / "runc",
                cni=self._binaries.cni,
                network=network,
            )
        )
        program = self._binaries.containerd / "containerd"
        path = str(self._binaries.containerd)
        self._process = self._machine.spawn(program, "--config", settings, path=path)
        self._wait()

    def restart(self, meanwhile: Callable[[], None]) -> None:
        """End it, do something, and start it again."""
        self._process.stop()
        # Only nsenter has ended; containerd itself may still use its files.
        program = self._binaries.containerd / "containerd"
        until("containerd to end", lambda: None if runs(program) else True, _SECONDS)
        meanwhile()
        self._process.start()
        self._wait()

    def _wait(self) -> None:
        def answers() -> bool:
            self._process.check()
            with suppress(RuntimeError):
                self.ctr("version")
                return True
            return False

        until("containerd to answer", answers, _SECONDS)

    def ctr(self, *words: str | Path) -> str:
        """Ask containerd by its own command."""
        return self._machine.run(self._ctr, "-n", _NAMESPACE, *words, seconds=_SECONDS_FOR_IMAGE)

    def put(self, image: Image) -> None:
        """Put an image in, in the place of one of its name."""
        archive = self._machine.folder / "image.tar"
        try:
            self.ctr("images", "import", "--local", image.write(archive))
        finally:
            archive.unlink(missing_ok=True)

    def keep_only(self, references: Iterable[str]) -> None:
        """Remove every image except those with these names or their digests."""
        rows = [line.split() for line in self.ctr("images", "ls").splitlines()[1:]]
        wanted = set(references)
        digests = {row[2] for row in rows if row[0] in wanted}
        if left := [row[0] for row in rows if row[2] not in digests]:
            self.ctr("images", "rm", "--sync", *left)

    def run(self, container: str, *command: str) -> str:
        """Run a command in a container and return its output."""
        how = ["tasks", "exec", "--exec-id", uuid.uuid4().hex]
        return self.ctr(*how, container.removeprefix("containerd://"), *command)

    def pause(self, container: str) -> None:
        """Let a container's processes stand still."""
        self.ctr("tasks", "pause", container.removeprefix("containerd://"))

    def resume(self, container: str) -> None:
        """Let them go on."""
        self.ctr("tasks", "resume", container.removeprefix("containerd://"))

    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Kill the first process of a container, named as a pod's status names it."""
        self.ctr("tasks", "kill", "--signal", signal, container.removeprefix("containerd://"))


def _network() -> dict[str, object]:
    ranges = [[{"subnet": addresses.PODS}]]
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "ipMasqBackend": "nftables",
        "hairpinMode": True,  # a pod may ask a Service that leads to itself
        "ipam": {
            "type": "host-local",
            "ranges": ranges,
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni/ipam",
        },
    }
    ports = {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "node", "plugins": [bridge, ports]}
