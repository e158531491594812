"""One node: started in seconds, and always ended."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kit.apiserver.client import Api, ApiError, Object, read_yaml
from kit.apiserver.gobuild import Say, say_aloud
from kit.node import addresses, control_plane, kubelet
from kit.node.binaries import Binaries
from kit.node.image import Image
from kit.node.images import program_image
from kit.node.machine import Machine, NoNodeError, check_possible, clean_up, end_left_over
from kit.node.runtime import PAUSE, Runtime
from kit.node.store import Store, cache_folder
from kit.waiting import until

_DNS = Path(__file__).with_name("dns.yaml")
_PREFIX = "run-"
_CONTAINERD = "var/lib/containerd"
_COREDNS = "localhost/coredns:1"
_SECONDS = 60.0


class Node:
    """A whole Kubernetes: control plane, kubelet, kube-proxy, containerd and DNS.

    There is one at a time on a machine. Its API and its pods can be reached from here, and servers
    on `addresses.HOST` from its pods. It runs the images that were put into it and no others, so
    that nothing may be pulled `Always`.
    """

    def __init__(
        self, binaries: Binaries, images: Sequence[Image] = (), say: Say = say_aloud
    ) -> None:
        check_possible()
        self._say = say
        self._began = time.monotonic()
        self._binaries = binaries
        self._lock = _take_turn()
        _clear(binaries)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=cache_folder()))
        own = {PAUSE: binaries.pause / "pause", _COREDNS: binaries.coredns / "coredns"}
        self._images = [program_image(name, file, say) for name, file in own.items()]
        self._images += images
        self._identities = control_plane.make_identities(self.folder)
        self.access = self._identities.admin
        self.kubeconfig = self._identities.kubeconfigs["admin"]
        self.authority = self._identities.authority.file
        self.issuer = self._identities.authority
        self.url = addresses.API_URL
        self.api = Api(self.access)
        self._machine = Machine(self.folder, binaries.pause / "pause")
        self.runtime = Runtime(self._machine, binaries)
        self._store = Store()

    def start(self) -> None:
        """Bring everything up and wait until the node is ready and its DNS answers."""
        self._machine.start()
        self._tell("namespaces are there")
        self._start_control_plane()
        self._store.restore(self.folder / _CONTAINERD)
        self.runtime.start()
        self._put_images()
        self._tell("containerd has all images")
        self._wait("the API server", self._is_api_ready)
        self._tell("the API server is ready")
        self._start_node()
        self._apply_dns()
        self._wait("the node", self._is_node_ready)
        self._tell("the node is ready")
        self._wait("DNS", self._is_dns_ready)
        self._tell("DNS is ready")

    def check(self) -> None:
        """Raise with the end of its log if one of its programs has ended."""
        self._machine.check()

    def close(self) -> None:
        """End everything and remove its files."""
        try:
            self.api.close()
            self._machine.close()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            _remove_mount_points()
            self._lock.close()

    # -- below

    def _start_control_plane(self) -> None:
        spawn, binaries, identities = self._machine.spawn, self._binaries, self._identities
        spawn(*control_plane.etcd(binaries.api_server / "etcd", self.folder / "etcd"))
        spawn(*control_plane.api_server(binaries.api_server / "kube-apiserver", identities))

    def _start_node(self) -> None:
        spawn, folder, identities = self._machine.spawn, self.folder, self._identities
        programs = self._binaries.kubernetes
        spawn(*kubelet.kubelet(programs / "kubelet", folder, identities))
        name = "kube-controller-manager"
        spawn(*control_plane.controller_manager(programs / name, identities))
        spawn(*control_plane.scheduler(programs / "kube-scheduler", identities))
        spawn(*kubelet.proxy(programs / "kube-proxy", folder, identities))

    def _put_images(self) -> None:
        """Import images that are missing in the store, and save them there for the next run."""
        held = self._store.held()
        wanted = {image.reference: image.identity for image in self._images}
        missing = [one for one in self._images if held.get(one.reference) != one.identity]
        for image in missing:
            self._say(f"node: putting in {image.reference}")
            self.runtime.put(image)
        if missing:
            # At rest, since its files are copied while nothing writes them.
            self.runtime.keep_only(wanted)
            root = self.folder / _CONTAINERD
            self.runtime.restart(lambda: self._store.save(root, wanted))

    def _apply_dns(self) -> None:
        for manifest in read_yaml(_DNS):
            self.api.apply(manifest)

    def _wait(self, what: str, is_ready: Any) -> None:
        def probe() -> bool:
            self.check()
            with suppress(OSError, ApiError):
                return is_ready()
            return False

        until(f"{what} to be ready", probe, _SECONDS)

    def _is_api_ready(self) -> bool:
        self.api.request("GET", "/readyz")
        # It is ready a moment before the default objects of a cluster exist.
        return bool(self.api.request("GET", "/api/v1/namespaces/kube-system"))

    def _is_node_ready(self) -> bool:
        metadata = {"name": addresses.NODE_NAME}
        node = self.api.read({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        return is_true(node, "Ready")

    def _is_dns_ready(self) -> bool:
        metadata = {"name": "coredns", "namespace": "kube-system"}
        manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
        return is_true(self.api.read(manifest), "Available")

    def _tell(self, what: str) -> None:
        self._say(f"node: {time.monotonic() - self._began:5.1f} s  {what}")


def is_true(manifest: Object, condition: str) -> bool:
    """Whether a condition of an object's status is met."""
    conditions = manifest.get("status", {}).get("conditions") or []
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _take_turn() -> Any:
    """Lock the addresses, which only one node at a time can use."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    # Held for as long as the node is there.
    lock = (cache_folder() / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise NoNodeError(f"process {owner} runs a node on this machine: one at a time") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _clear(binaries: Binaries) -> None:
    """End and remove the leftovers of a run that was killed."""
    for left in cache_folder().glob(f"{_PREFIX}*/"):
        end_left_over(left, binaries.pause / "pause")
    clean_up()
    for left in cache_folder().glob(f"{_PREFIX}*/"):
        shutil.rmtree(left, ignore_errors=True)


def _remove_mount_points() -> None:
    """Remove the folders that setup.sh made to mount on, where they are ours: those are empty."""
    for name in ("kubelet", "containerd", "cni"):
        with suppress(OSError):
            Path("/var/lib", name).rmdir()
