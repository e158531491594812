"""Two tenants of one guard, one of them hostile: what the other one sees of the attack.

    make bench-tenants ARGS="--seconds 600 --rate 30"

The hostile tenant has all rights on Agents and SpawnPolicies in its own namespace.
Everything shares the machine.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / one) for one in ("tests", "sidecar", "runtime_patch")]

from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.resources import AGENTS, PEERS, install_crd  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from kit.chart.binaries import ensure_helm  # noqa: E402
from kit.chart.helm import Helm  # noqa: E402
from kit.controller.guard_scene import asked  # noqa: E402
from kit.controller.tenants import EVIL, Evil, Good  # noqa: E402
from kit.webhook import Controller  # noqa: E402

POLICIES = ROOT / "k8s/crds/spawnpolicies.hotpeers.dev.yaml"


def memory(controller):
    """Resident, in MiB: now and at most."""
    status = Path(f"/proc/{controller.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(fields[one].split()[0]) // 1024 for one in ("VmRSS", "VmHWM"))


def told(title, tally):
    p50, p99 = (tally.quantile(share) * 1000 for share in (0.5, 0.99))
    plain = [tally.quantile(share, others=True) * 1000 for share in (0.5, 0.99)]
    print(
        f"{title}: {len(tally.seconds)} created, p50 {p50:.1f} ms, p99 {p99:.1f} ms,"
        f" {len(tally.failures)} failed, {len(tally.counts)} counts wrong;"
        f" beside it, without the guard: p50 {plain[0]:.1f}, p99 {plain[1]:.1f}",
        flush=True,
    )
    for one in (*tally.failures[:5], *tally.counts[:5]):
        print(f"  {one[:300]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of the attack")
    parser.add_argument("--quiet", type=float, default=60.0, help="seconds before it")
    parser.add_argument("--rate", type=float, default=30.0, help="hostile requests a second")
    parser.add_argument("--spawns", type=float, default=4.0, help="creations a second of the other")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-stamps-policy", action="store_true")
    given = parser.parse_args()
    try:
        cluster = Cluster(ensure_binaries(print))
        helm = Helm(ensure_helm(print))
    except NoBinariesError as error:
        sys.exit(f"error: {error}")
    with tempfile.TemporaryDirectory() as folder:
        controller = Controller(Path(folder), cluster, "--namespace=default")
        try:
            cluster.start()
            for file in (PEERS, AGENTS, POLICIES):
                install_crd(cluster.api, file)
            if not given.without_stamps_policy:
                for one in helm.render():
                    if one["metadata"]["name"] == "hotpeers-stamps":
                        cluster.api.apply(one)
            controller.start()
            with asked(cluster, controller):
                measure(cluster, controller, given)
        finally:
            controller.stop(signal.SIGKILL)
            cluster.close()


def measure(cluster, controller, given):
    good, evil = Good(cluster), Evil(cluster, given.seed)
    good.work(10.0, given.spawns)
    load = os.getloadavg()[0]
    print(f"load {load:.1f}, {os.cpu_count()} cores, one controller, {memory(controller)[0]} MiB")
    quiet = good.work(given.quiet, given.spawns)
    told("quiet", quiet)
    with evil.attacking(given.rate):
        attacked = good.work(given.seconds, given.spawns)
        wrong = good.fill()
    told(f"under {given.rate:g} hostile requests a second", attacked)
    ratio = attacked.quantile(0.99) / quiet.quantile(0.99)
    now, most = memory(controller)
    print(
        f"p99 {ratio:.2f} x of the quiet run; RSS {now} MiB, at most {most} MiB;"
        f" load {os.getloadavg()[0]:.1f}"
    )
    print(f"limit: {'; '.join(wrong) or 'exact'}")
    for (attack, outcome), count in sorted(evil.sent.items()):
        print(f"  {attack.strip('_')}: {outcome} {count}")
    left = cluster.api.request(
        "GET", f"/apis/hotpeers.dev/v1alpha1/namespaces/{EVIL}/spawnpolicies"
    )
    print(f"policies of the hostile tenant at the end: {len(left['items'])}")


if __name__ == "__main__":
    main()
