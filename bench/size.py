"""The measurement of `source.py` at one size, in a namespace of its own."""

import asyncio
import json
import os
import random
import socket
import sys
import time
from pathlib import Path

from kit.apiserver.namespaces import create_namespace
from scene import LABEL, Program, configmap, create, described, idle, peer
from tables import Change, Result

BENCH = Path(__file__).parent
PEERS = "/apis/hotpeers.dev/v1alpha1/namespaces/{}/peers"
MAPS = "/api/v1/namespaces/{}/configmaps"
SELECTOR = f"{LABEL}=true"
PRODUCT = os.environ.get("HOTPEERS_PRODUCT_PYTHON", sys.executable)
K8S_SIDECAR = os.environ.get("PEER_K8S_SIDECAR", "")
# k8s-sidecar reads one file that only a pod has. This stands in for it.
IN_A_POD = """
import builtins, io, runpy, sys
plain = builtins.open
def stand_in(name, *rest, **more):
    if name == "/var/run/secrets/kubernetes.io/serviceaccount/namespace":
        return io.StringIO("default")
    return plain(name, *rest, **more)
builtins.open = stand_in
sys.path.insert(0, "")
runpy.run_module("sidecar", run_name="__main__")
"""


class Size:
    """The measurement at one size, in a namespace of its own."""

    def __init__(self, cluster, size, folder, cards):
        self.cluster, self.size, self.folder = cluster, size, folder
        self.namespace = f"bench-{folder.name}"
        self.file = folder / "ours" / "peers.json"
        self.theirs = folder / "theirs"
        self.file.parent.mkdir(parents=True)
        self.theirs.mkdir()
        self.path = PEERS.format(self.namespace)
        self.namespaces, self.environ, self.readable = self.namespace, {}, size
        self.peers = [peer(self.namespace, number, cards) for number in range(size)]
        self.maps = [configmap(self.namespace, number) for number in range(size)]
        self.programs = {}
        self.result = Result(size, os.getloadavg()[0])

    def fill(self):
        create_namespace(self.cluster.api, self.namespace)
        asyncio.run(create(self.cluster.kubeconfig, PEERS.format(self.namespace), self.peers))
        if K8S_SIDECAR:
            asyncio.run(create(self.cluster.kubeconfig, MAPS.format(self.namespace), self.maps))

    def start(self, *, floor_first):
        maps = MAPS.format(self.namespace)
        starts = [lambda: self._start_floor("floor", self.path), self._start_ours]
        if K8S_SIDECAR:
            starts += [lambda: self._start_floor("floor of ConfigMaps", maps), self._start_theirs]
        for start in starts if floor_first else reversed(starts):
            start()
        # Each peer becomes ready with its card, and each of the first may write the file anew.
        ours = self.programs["hotpeers"]
        ours.wait_for("all peers ready", lambda: self._count(b'"ready":true') >= self.readable, 240)
        for program in self.programs.values():
            program.settle()

    def _start_ours(self):
        options = {
            "--source": "kubernetes",
            "--kubeconfig": self.cluster.kubeconfig,
            "--namespaces": self.namespaces,
            "--peer-file": self.file,
            "--listen": "none",
        }
        arguments = [part for option in options.items() for part in option]
        command = [PRODUCT, "-m", "hotpeers", "run", *arguments]
        ours = self.programs["hotpeers"] = Program(
            command, self.folder / "hotpeers.log", environ=self.environ
        )
        self.result.first["hotpeers"] = ours.wait_for(
            "the first complete file", lambda: self._count(b'"toolName"') >= self.size
        )

    def _start_floor(self, name, path):
        where = ["--path", path, "--selector", SELECTOR]
        command = [sys.executable, BENCH / "floor.py", *where]
        log = self.folder / f"{name}.log"
        floor = Program([*command, "--kubeconfig", self.cluster.kubeconfig], log, piped=True)
        if floor.popen.stdout.readline() != "ready\n":
            raise SystemExit(f"the {name}: {log.read_text()}")
        self.result.first[name] = time.monotonic() - floor.began
        self.programs[name] = floor

    def _start_theirs(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environ = {
            "LABEL": LABEL,
            "LABEL_VALUE": "true",
            "FOLDER": str(self.theirs),
            "NAMESPACE": self.namespace,
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "HEALTH_PORT": str(port),
            "HEALTH_HOST": "127.0.0.1",
        }
        theirs = self.programs["k8s-sidecar"] = Program(
            [Path(K8S_SIDECAR) / ".venv/bin/python", "-u", "-c", IN_A_POD],
            self.folder / "k8s-sidecar.log",
            cwd=Path(K8S_SIDECAR) / "src",
            environ=environ,
        )
        self.result.first["k8s-sidecar"] = theirs.wait_for(
            "its first files", lambda: len(list(self.theirs.iterdir())) >= self.size
        )

    def _count(self, text):
        return self.file.read_bytes().count(text) if self.file.exists() else 0

    def measure(self, changes, reader):
        programs = self.programs
        used = {name: program.cpu() for name, program in programs.items()}
        of_peers, of_maps = [], []
        # The server has closed what was idle for long.
        self.cluster.api.close()
        self.cluster.api.request("GET", "/readyz")
        chosen = random.Random(self.size)
        for change in range(changes):
            number = chosen.randrange(self.size)
            of_peers.append(self._change_peer(number, change, reader))
            time.sleep(chosen.uniform(0.01, 0.03))
            if K8S_SIDECAR:
                of_maps.append(self._change_map(number, change, reader))
                time.sleep(chosen.uniform(0.01, 0.03))
        result = self.result
        for name, program in programs.items():
            result.cpu[name] = (program.cpu() - used[name]) / changes * 1000
        result.idle = dict(zip(programs, idle(programs.values()), strict=True))
        result.rss = {name: program.rss() for name, program in programs.items()}
        result.ours = self._beside_floor(of_peers, "floor")
        if of_maps:
            result.theirs = self._beside_floor(of_maps, "floor of ConfigMaps")
        result.load = max(result.load, os.getloadavg()[0])

    def _beside_floor(self, changes, name):
        found = json.loads(self.programs.pop(name).end())
        return [Change(*times, found[version]) for version, *times in changes]

    def _change_peer(self, number, change, reader):
        text = described(number, change)
        patch = {"spec": {"description": text}}
        return self._patch(self.peers[number], patch, self.file, text, reader)

    def _change_map(self, number, change, reader):
        patch = {"data": configmap(self.namespace, number, change)["data"]}
        file, text = self.theirs / f"agent-{number}.json", described(number, change)
        return self._patch(self.maps[number], patch, file, text, reader)

    def _patch(self, manifest, patch, file, text, reader):
        reader.expect(file, text)
        sent = time.monotonic_ns()
        version = self.cluster.api.patch(manifest, patch)["metadata"]["resourceVersion"]
        answered = time.monotonic_ns()
        seen = reader.wait()
        if seen is None:
            logs = "\n".join(program.tail() for program in self.programs.values())
            raise SystemExit(f"{file}: the change was not seen\n{logs}")
        return version, sent, answered, seen

    def end(self):
        for program in self.programs.values():
            program.end()
