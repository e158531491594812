"""What attackers of the webhook port cost: memory of a real controller, and time of those that it serves.

    make bench-flood ARGS="--seconds 20 --same-address"

Attackers and callers are processes on loopback; they share the machine with the controller.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.resources import AGENTS, PEERS, install_crd  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from kit.controller.flooding import attacking, calling, memory_of, raise_file_limit  # noqa: E402
from kit.webhook import Controller, pod  # noqa: E402

LIMIT = 256
ATTACKS = {
    "nobody": [],
    "silent": [("silent", 5000), ("silent", 5000)],
    "half a handshake": [("hello", 5000), ("hello", 5000)],
    "half a header": [("head", 1500)],
    "handshakes": [("handshake", 100)],
    "bodies of {}": [("objects", 200)],
    "bodies of text": [("text", 200)],
    "bodies of escapes": [("escapes", 200)],
    "bodies of wide text": [("wide", 200)],
    "all": [("silent", 4500), ("hello", 4000), ("head", 1500), ("text", 100), ("wide", 100)],
}


def review(name):
    request = {"uid": "1", "kind": {"kind": "Pod"}, "operation": "CREATE", "namespace": "team"}
    return json.dumps({"request": {**request, "object": pod("team", name)}}).encode()


def measure(folder, cluster, title, attackers, options):
    controller = Controller(folder, cluster, "--namespace=default")
    controller.start()
    pid = controller.process.pid
    before = memory_of(pid)["VmRSS"]
    try:
        with ExitStack() as stack:
            calls = stack.enter_context(
                calling(controller.port, review("a"), controller.authority.file)
            )
            for number, (kind, count) in enumerate(attackers):
                source = "127.0.0.1" if options.same_address else f"127.0.1.{number + 1}"
                stack.enter_context(
                    attacking(kind, controller.port, source, count, options.seconds)
                )
            time.sleep(options.seconds)
        after = memory_of(pid)
    finally:
        controller.stop()
    errors = [one for one in Path(controller.log).read_text().splitlines() if "rror" in one]
    if errors:
        print(f"{len(errors)} lines of errors in its log, such as {errors[:3]}")
    print(f"{title:22} {before} MiB before, {after['VmHWM']} at most, {after['VmRSS']} after")
    for name, found in calls.items():
        print(f"{'':22} {name}: {found}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--same-address", action="store_true", help="attack from the callers' own")
    parser.add_argument("--only", default="", help="attacks whose names hold this")
    options = parser.parse_args()
    raise_file_limit()
    try:
        binaries = ensure_binaries(lambda line: print(line, file=sys.stderr))
    except NoBinariesError as error:
        sys.exit(f"no etcd and kube-apiserver: {error}")
    cluster = Cluster(binaries)
    try:
        cluster.start()
        for definition in (PEERS, AGENTS, ROOT / "k8s/crds/spawnpolicies.hotpeers.dev.yaml"):
            install_crd(cluster.api, definition)
        with tempfile.TemporaryDirectory() as folder:
            for number, (title, attackers) in enumerate(ATTACKS.items()):
                if options.only in title:
                    measure(Path(folder) / str(number), cluster, title, attackers, options)
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
