"""What injection costs a pod's creation: many annotated pods at once on a real API server.

    make bench-admission ARGS="--pods 100 --rounds 5"

They come in doubling batches, as Kubernetes makes the pods of a Deployment, and all at the same moment, which
is more than it ever does. Beside them, in the same run: as many pods of the same shape that do not ask, for
which the webhook is not called. Times are those of the API server (its histogram of the webhook's
calls) and those of the clients. API server, etcd, controller and clients share the machine.
"""

import argparse
import os
import re
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.namespaces import create_namespace  # noqa: E402
from kit.waiting import until  # noqa: E402
from kit.webhook import Controller, cluster_with_accounts, injected, pod  # noqa: E402

NAMESPACE = "bench"
SHARES = (0.5, 0.9, 0.99)
CALLS = "apiserver_admission_webhook_admission_duration_seconds"


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def buckets(cluster):
    """How many calls of the webhook took at most how long, so far."""
    parts = cluster.api.request("GET", "/metrics")["message"]
    found = re.findall(rf"^{CALLS}_bucket{{(.*?)}} (\S+)$", parts, re.MULTILINE)
    counts = {}
    for labels, count in found:
        if 'name="inject.hotpeers.dev"' in labels:
            bound = float(re.search(r'le="([^"]*)"', labels)[1])
            counts[bound] = counts.get(bound, 0.0) + float(count)
    return counts


def bound_of(before, after, share):
    """The bucket that a share of the calls in between fell into or below, in seconds."""
    counts = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
    whole = counts[float("inf")]
    return min(bound for bound, count in counts.items() if count >= share * whole), int(whole)


def create(cluster, bodies):
    """The seconds that each creation took; all of them begin together."""
    barrier = threading.Barrier(len(bodies))

    def one(body):
        barrier.wait()
        begun = time.perf_counter()
        found = cluster.api.create(body)
        return time.perf_counter() - begun, injected(found)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(one, bodies))


def at_once(count):
    return [count]


def doubling(count):
    """Batches of 1, 2, 4 …: how Kubernetes makes the pods of a Deployment, without its own limit of 20/s."""
    batches, size = [], 1
    while count > 0:
        batches.append(min(size, count))
        count, size = count - size, size * 2
    return batches


def tell(title, seconds):
    shown = [quantile(seconds, 0.5), quantile(seconds, 0.99), max(seconds)]
    print(f"{title:46}" + "".join(f"{value * 1000:10.1f}" for value in shown))


def run(cluster, controller, batches, rounds, title):
    annotated, plain = [], []
    before, served, count = buckets(cluster), work(controller), 0
    for _ in range(rounds):
        for asked, seconds in ((True, annotated), (False, plain)):
            for size in batches:
                names = [
                    f"{title.split()[0]}-{asked}-{count + number}".lower() for number in range(size)
                ]
                done = create(cluster, [pod(NAMESPACE, name, asked=asked) for name in names])
                assert all(found is asked for _, found in done), "not all were injected"
                seconds += [one for one, _ in done]
                count += size
    after, done = buckets(cluster), work(controller)
    tell(f"{title}, annotated, client", annotated)
    tell(f"{title}, plain, client", plain)
    mean = (done[0] - served[0]) / (done[1] - served[1])
    bounds = [f"{share:.0%} <= {bound_of(before, after, share)[0] * 1000:g}" for share in SHARES]
    print(
        f"  call of the webhook, at the API server: {', '.join(bounds)} ms; its work: {mean * 1000:.2f} ms"
    )


def work(controller):
    name = "hotpeers_injection_seconds"
    return controller.metric(f"{name}_sum"), controller.metric(f"{name}_count")


def measure(cluster, controller, count, rounds):
    cores = os.cpu_count()
    print(
        f"{count} pods, {rounds} times; load before {os.getloadavg()[0]:.1f}, {cores} cores, one controller"
    )
    print(f"{'ms':46}{'median':>10}{'p99':>10}{'most':>10}")
    run(cluster, controller, doubling(count), rounds, "doubling batches")
    run(cluster, controller, at_once(count), rounds, "at once")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    try:
        binaries = ensure_binaries(print)
    except NoBinariesError as error:
        sys.exit(f"error: {error}")
    cluster = cluster_with_accounts(binaries)
    with tempfile.TemporaryDirectory() as folder:
        controller = Controller(Path(folder), cluster)
        try:
            cluster.start()
            controller.start()
            create_namespace(cluster.api, NAMESPACE)
            account = {"name": "agent", "namespace": NAMESPACE}
            cluster.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
            cluster.api.create(controller.configuration())
            path = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All"
            body = pod(NAMESPACE, "probe")
            until(
                "injection", lambda: injected(cluster.api.request("POST", path, body)) or None, 30
            )
            measure(cluster, controller, options.pods, options.rounds)
        finally:
            controller.stop(signal.SIGKILL)
            cluster.close()


if __name__ == "__main__":
    main()
