"""What the Kubernetes source costs: a change on a real API server -> the peer file, at several sizes.

    make bench
    python bench/source.py --sizes 100,1000,10000 --changes 200
    PEER_K8S_SIDECAR=<checkout with a .venv> make bench     # the same changes through k8s-sidecar

Beside `hotpeers run --source kubernetes` runs, in the same run and for the same changes, the floor: a
bare watch that decodes each event and writes nothing (`floor.py`). Changes are made one at a time: the
description of a Peer is patched. Times are taken from before the request is sent, and from when its
answer was there; the event may overtake the answer, so that times of the second kind may be negative.
The cards of all peers are served, by one process on this machine. Files lie in memory.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.namespaces import create_namespace  # noqa: E402
from kit.apiserver.resources import CRD_FILES, install_crd  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from scene import LABEL, Program, Reader, configmap, create, described, idle, peer  # noqa: E402
from tables import Change, Result, report  # noqa: E402

BENCH = Path(__file__).parent
PEERS = "/apis/hotpeers.dev/v1alpha1/namespaces/{}/peers"
MAPS = "/api/v1/namespaces/{}/configmaps"
SELECTOR = f"{LABEL}=true"
PRODUCT = os.environ.get("HOTPEERS_PRODUCT_PYTHON", sys.executable)
AGENT = ROOT / ".venvs/kagent/bin/python"
K8S_SIDECAR = os.environ.get("PEER_K8S_SIDECAR", "")
# It insists on one file of a pod, whatever it is told to watch.
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


def main(options):
    try:
        binaries = ensure_binaries()
    except NoBinariesError as error:
        raise SystemExit(f"no API server to measure with: {error}") from error
    if not K8S_SIDECAR:
        print("PEER_K8S_SIDECAR names no checkout: nothing is compared with k8s-sidecar\n")
    base = Path(tempfile.mkdtemp(prefix="hotpeers-bench-", dir=memory()))
    cluster = Cluster(binaries)
    cards = Program([sys.executable, BENCH / "cards.py"], base / "cards.log", piped=True)
    try:
        port = int(cards.popen.stdout.readline())
        cluster.start()
        for file in CRD_FILES:
            install_crd(cluster.api, file)
        reader = Reader()
        reader.start()
        results = []
        for turn, size in enumerate(options.sizes):
            one = Size(cluster, size, base / str(size), port)
            try:
                one.fill()
                one.start(floor_first=turn % 2 == 0)
                one.measure(options.changes, reader)
            finally:
                one.end()
            results.append(one.result)
            print(f"{size} objects measured", file=sys.stderr, flush=True)
        if results:
            report(results)
        if options.agents:
            print(f"\n{options.agents} Agents, of which half have a card that cannot be read\n")
            report([of_agents(cluster, options, base, port, reader)])
        if options.offered:
            end_to_end(cluster, options, base, port)
    finally:
        cards.end()
        cluster.close()
        shutil.rmtree(base)


def of_agents(cluster, options, base, port, reader):
    """See `agents.py`."""
    from agents import Agents

    one = Agents(cluster, options.agents, base / "agents", port)
    try:
        one.fill()
        one.start(floor_first=True)
        one.measure(options.changes, reader)
    finally:
        one.end()
    return one.result


def end_to_end(cluster, options, base, port):
    """In the agent's own environment: see `offered.py`."""
    if not AGENT.exists():
        print(f"no {AGENT.relative_to(ROOT)}: nothing is offered to an agent")
        return
    sys.stdout.flush()
    standing = options.offered
    folder = base / "offered"
    folder.mkdir()
    namespace = "bench-offered"
    create_namespace(cluster.api, namespace)
    path = PEERS.format(namespace)
    manifests = [peer(namespace, number, port) for number in range(standing + 1)]
    asyncio.run(create(cluster.kubeconfig, path, manifests[:-1]))
    url = manifests[-1]["spec"]["url"]
    numbers = ["--standing", str(standing), "--changes", str(options.changes)]
    where = ["--kubeconfig", cluster.kubeconfig, "--namespace", namespace, "--url", url]
    subprocess.run(
        [AGENT, BENCH / "offered.py", *numbers, *where],
        env={**os.environ, "HOTPEERS_PRODUCT_PYTHON": PRODUCT, "TMPDIR": str(folder)},
        check=True,
    )


def memory():
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    # `agents.py` imports this module by its name.
    sys.modules["source"] = sys.modules["__main__"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100,1000,10000", help="numbers of labelled objects")
    parser.add_argument("--changes", type=int, default=200, help="at each size, one at a time")
    parser.add_argument("--agents", type=int, default=1000, help="half unreachable; 0: leave out")
    parser.add_argument("--offered", type=int, default=1000, help="peers end to end; 0: leave out")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",") if size]
    main(options)
