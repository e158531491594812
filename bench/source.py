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
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from agents import Agents  # noqa: E402
from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.namespaces import create_namespace  # noqa: E402
from kit.apiserver.resources import CRD_FILES, install_crd  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from scene import Program, Reader, create, peer  # noqa: E402
from size import BENCH, K8S_SIDECAR, PEERS, PRODUCT, Size  # noqa: E402
from tables import report  # noqa: E402

AGENT = ROOT / ".venvs/kagent/bin/python"


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100,1000,10000", help="numbers of labelled objects")
    parser.add_argument("--changes", type=int, default=200, help="at each size, one at a time")
    parser.add_argument("--agents", type=int, default=1000, help="half unreachable; 0: leave out")
    parser.add_argument("--offered", type=int, default=1000, help="peers end to end; 0: leave out")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",") if size]
    main(options)
