"""An upgrade from the previous version under live sidecars, the way back, and the switch that turns all off.

    make bench-upgrade
    python bench/upgrade.py --previous 56fa447 --sidecars 40

The controller and the sidecars are first those of the previous version, built from its commit. The upgrade
replaces the chart and the controller, and leaves the sidecars as they are. There are no nodes: the
controllers are processes that run with the environment and the account of their Deployment.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from kit.apiserver.binaries import ensure_binaries  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from kit.chart.binaries import ensure_helm  # noqa: E402
from kit.chart.helm import Helm  # noqa: E402
from kit.upgrading import fleet  # noqa: E402
from kit.waiting import until  # noqa: E402

UV = ROOT / ".venv/bin/uv"


def environment_of(commit, folder):
    """An environment with the wheel of that commit; returns its interpreter."""
    source, venv = folder / "source", folder / "venv"
    source.mkdir()
    archive = subprocess.run(
        ["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    subprocess.run(["tar", "--extract", "--directory", source], input=archive, check=True)
    python = venv / "bin/python"
    build = ["build", "--quiet", "--wheel", "--build-constraints", "requirements/build.txt"]
    for command in (
        ["venv", "--quiet", "--python", sys.executable, venv],
        [
            "pip",
            "sync",
            "--quiet",
            "--require-hashes",
            "--python",
            python,
            "requirements/product.txt",
        ],
        [*build, "--python", python, "--out-dir", folder / "dist"],
    ):
        subprocess.run([UV, *command], cwd=source, check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    install = ["pip", "install", "--quiet", "--no-deps", "--python", python, wheel]
    subprocess.run([UV, *install], check=True)
    return python


def unchanged(before, after):
    """How many sidecars have the same process, the same peer file and the same watches as before."""
    same = sum(one == other for one, other in zip(before, after, strict=True))
    return f"{same} of {len(before)} sidecars unchanged (process, peer file)"


def spread(seconds):
    ordered = sorted(seconds)
    return f"first {ordered[0]:.2f} s, last {ordered[-1]:.2f} s"


def main(options, folder):
    python = environment_of(options.previous, folder)
    cluster = Cluster(ensure_binaries())
    helm = Helm(ensure_helm(), cluster.kubeconfig)
    print(f"{options.sidecars} sidecars of {options.previous}; load {os.getloadavg()[0]:.1f}")
    try:
        made = fleet(
            cluster,
            helm,
            folder,
            size=options.sidecars,
            namespaces=options.namespaces,
            peers=options.peers,
            python=python,
        )
        began = time.monotonic()
        with made as running:
            print(f"all ready after {time.monotonic() - began:.0f} s")
            before = running.mark()
            print(f"upgrade: {running.replace('new-1', running.upgrade)}")
            print(f"  {unchanged(before, running.mark())}")
            running.until_following(before)
            print(f"  watches begun again: {sum(running.restarts())} of {watches(before)}")
            print(f"  a new Peer in all peer files: {spread(running.add_peer('after'))}")
            before = running.mark()
            print(f"rollback: {running.replace('old-2', running.roll_back, python)}")
            print(f"  {unchanged(before, running.mark())}")
            running.until_following(before)
            print(f"  a new Peer in all peer files: {spread(running.add_peer('back'))}")
            off(running)
    finally:
        cluster.close()


def watches(marks):
    return sum(scope[2] == "following" for one in marks for scope in one.scopes)


def off(running):
    """Turn everything off, change the cluster, and turn it on again."""
    contents = [one.content for one in running.mark()]
    began = time.monotonic()
    running.turn(on=False)
    until("the rights to be gone", lambda: running.may_read() == {False}, 60)
    print(f"off: webhooks and rights are gone after {time.monotonic() - began:.1f} s")
    until("no watch to be open", lambda: watches(running.mark()) == 0, 120)
    print(f"  the last watch has ended after {time.monotonic() - began:.1f} s")
    running.create_peers("off")
    time.sleep(5)
    kept = sum(one.content == other for one, other in zip(running.mark(), contents, strict=True))
    print(f"  {kept} of {len(contents)} peer files unchanged, 5 s after a new Peer")
    began = time.monotonic()
    running.turn(on=True)
    print(
        f"on: helm {time.monotonic() - began:.1f} s; the Peer: {spread(running.until_peer('off'))}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--previous", default="56fa447", help="commit of the previous version")
    parser.add_argument("--sidecars", type=int, default=40)
    parser.add_argument("--namespaces", type=int, default=4)
    parser.add_argument("--peers", type=int, default=10)
    with tempfile.TemporaryDirectory(prefix="upgrade-") as name:
        main(parser.parse_args(), Path(name))
