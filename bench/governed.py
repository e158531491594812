"""What governing costs on a real API server: others' requests, a change of the list, and `ensure`.

    python bench/governed.py --accounts 10 100 1000 5000

Creations of ConfigMaps (dry runs) of an account that is not governed, with the guard's two configurations
asking for as many accounts; the slowest of those in the 0.4 s after the list has changed, when each API
server compiles it anew; from the answer to a write until a governed request is sent to the guard (where
nobody answers). "in [...]" is the same list as CEL would say it plainly. API server, etcd (no fsync, in
memory) and clients share the machine.
"""

import argparse
import asyncio
import itertools
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "sidecar"), str(ROOT / "runtime_patch")]

from hotpeers.controller.webhook_config import conditions  # noqa: E402
from hotpeers.controller.webhook_config import matching as form  # noqa: E402
from hotpeers.controller.webhook_config.accounts import Governed  # noqa: E402
from kit.apiserver.accounts import make_account, rule  # noqa: E402
from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.client import Api, ApiError  # noqa: E402
from kit.apiserver.namespaces import create_namespace  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from kit.controller.guarding import PATHS, configurations, user_of  # noqa: E402
from kit.controller.scene import client_of, running  # noqa: E402

NAMESPACE, NAME = "bench", "bench-guard"
NAMES = (f"agent-{number}" for number in itertools.count())


def plainly(accounts):
    """Conditions that CEL would say plainly; more than 100,000 characters are refused."""
    names = ", ".join(f"'{user_of(one)}'" for one in sorted(accounts))
    return [{"name": "governed", "expression": f"request.userInfo.username in [{names}]"}]


def quantiles(seconds):
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
    return f"p50 {p50 * 1000:7.1f} ms   p99 {p99 * 1000:7.1f} ms"


def create(api):
    """The seconds of one creation; None where it was sent to the guard."""
    begun = time.perf_counter()
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps?dryRun=All"
    try:
        api.request("POST", path, {"metadata": {"name": "any"}, "data": {"a": "b"}})
    except ApiError as error:
        if "failed calling webhook" not in error.message:
            raise
        return None
    return time.perf_counter() - begun


def write(api, accounts, conditions):
    """Both configurations by hand; the seconds since the last answer begin here."""
    for path in PATHS:
        found = form.read_asking(api.request("GET", f"{path}/{NAME}"))
        patch = form.asking_patch(found, frozenset(accounts), frozenset())
        for one in patch:
            if one["path"].endswith("matchConditions"):
                one["value"] = conditions if accounts else []
        if patch:
            api.request(
                "PATCH", f"{path}/{NAME}", patch, content_type="application/json-patch+json"
            )
    return time.perf_counter()


def measure(title, clients, accounts, render, rounds):
    api, stranger, governed = clients
    try:
        write(api, accounts, render(accounts))
    except ApiError as error:
        print(f"{title:34} refused: {error.message[-90:]}")
        return
    while create(governed) is not None:
        pass
    calm = [create(stranger) for _ in range(rounds)]
    worst = []
    for number in range(15):
        changed = {*accounts, (NAMESPACE, f"new-{number}")}
        until = write(api, changed, render(changed)) + 0.4
        slowest = 0.0
        while time.perf_counter() < until:
            slowest = max(slowest, create(stranger))
        worst.append(slowest)
    used = []
    for _ in range(40):
        write(api, set(), [])
        while create(governed) is None:
            pass
        begun = write(api, accounts, render(accounts))
        while create(governed) is not None:
            pass
        used.append(time.perf_counter() - begun)
    print(f"{title:34} others {quantiles(calm)}", flush=True)
    print(f"{'':34} slowest after a change {quantiles(worst)}")
    print(f"{'':34} written until used     {quantiles(used)}")
    write(api, set(), [])


class Nobody:
    """No subjects: all that is governed is what was asked for."""

    def governed(self):
        return frozenset()

    def fresh(self):
        return True


async def ensure(governed):
    begun = time.perf_counter()
    await governed.ensure([(NAMESPACE, next(NAMES))])
    return time.perf_counter() - begun


async def ensuring(cluster, size, rounds):
    async with client_of(cluster.kubeconfig) as client:
        governed = Governed(client, NAME, Nobody())
        async with running(governed.run()):
            await asyncio.sleep(1.0)
            if size:
                await governed.ensure(
                    [(NAMESPACE, f"filler-{number:05}") for number in range(size)]
                )
            for parallel in (1, 200):
                seconds, before = [], governed.writes
                for _ in range(rounds if parallel == 1 else 3):
                    seconds += await asyncio.gather(*(ensure(governed) for _ in range(parallel)))
                print(
                    f"ensure, {size:5} before, {parallel:3} at once      {quantiles(seconds)}   "
                    f"{governed.writes - before} writes for {len(seconds)}",
                    flush=True,
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, nargs="+", default=[10, 100, 1000, 5000])
    parser.add_argument("--rounds", type=int, default=500)
    options = parser.parse_args()
    try:
        binaries = ensure_binaries(print)
    except NoBinariesError as error:
        sys.exit(f"error: {error}")
    cluster = Cluster(binaries)
    try:
        cluster.start()
        print(f"load before {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        create_namespace(cluster.api, NAMESPACE)
        rules = [rule("", "configmaps", "create")]
        stranger, governed = (
            Api(make_account(cluster, NAMESPACE, name, rules).access)
            for name in ("stranger", "lead")
        )
        clients = cluster.api, stranger, governed
        for _ in range(300):
            create(stranger)
        print(
            f"{'without':34} others {quantiles([create(stranger) for _ in range(options.rounds)])}"
        )
        with configurations(cluster.api, NAME):
            for count in options.accounts:
                accounts = {(NAMESPACE, f"research-agent-number-{i:05}") for i in range(count - 1)}
                accounts.add((NAMESPACE, "lead"))
                for title, render in (
                    ("governed", conditions.conditions_of),
                    ("in [...]", plainly),
                ):
                    told = f"{count} accounts, {title}"
                    measure(told, clients, accounts, render, options.rounds)
        print(
            f"{'without':34} others {quantiles([create(stranger) for _ in range(options.rounds)])}"
        )
        for size in (0, 1000):
            with suppress(KeyboardInterrupt), configurations(cluster.api, NAME):
                asyncio.run(ensuring(cluster, size, 100))
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
