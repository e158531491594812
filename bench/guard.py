"""What the guard costs: admission with many SpawnPolicies and agents on a real API server.

    make bench-guard ARGS="--policies 100 --agents 1000 --rounds 500"

Orchestrators create (dry runs too), update and delete agents, and are denied some; beside each request of
theirs an account that nobody governs makes the same. Times are those of the clients, of the API server (its
histogram of the webhooks' calls), of the controller (its own) and, exact, of the webhooks alone, asked over
one open connection as the API server asks them. Everything shares the machine.
"""

import argparse
import base64
import http.client
import json
import os
import re
import signal
import ssl
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / one) for one in ("tests", "sidecar", "runtime_patch")]

from hotpeers.controller.quota.ledger import Ledger, Slot  # noqa: E402
from hotpeers.controller.quota.ledger_text import written  # noqa: E402
from hotpeers.controller.quota.ledgers import LEDGER_LABEL, ledger_name  # noqa: E402
from kit.apiserver.accounts import make_account  # noqa: E402
from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.client import Api, ApiError  # noqa: E402
from kit.apiserver.namespaces import create_namespace  # noqa: E402
from kit.apiserver.resources import AGENTS, PEERS, install_crd  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from kit.controller.guard_scene import EVERYTHING, asked, take, until_asked  # noqa: E402
from kit.spawning import SPEC, declarative, document, edited  # noqa: E402
from kit.waiting import until  # noqa: E402
from kit.webhook import Controller  # noqa: E402

POLICIES = ROOT / "k8s/crds/spawnpolicies.hotpeers.dev.yaml"
CALLS = "apiserver_admission_webhook_admission_duration_seconds"
OWN = "hotpeers_guard_seconds"
HOOKS = ("mutate", "validate")
TARGET = 0.020
ORCHESTRATORS = 10
LIMITS = {**SPEC["limits"], "maxAgents": 1000, "creates": {"count": 10_000, "window": "1h"}}
MERGE = "application/merge-patch+json"


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def space(number):
    return f"team-{number}"


def path(namespace, name=""):
    return f"/apis/kagent.dev/v1alpha2/namespaces/{namespace}/agents" + (f"/{name}" if name else "")


def spawned(namespace, number, lead):
    """An agent as the guard stamped it, made by hand, which is faster."""
    stamps = {
        "spawned-by": f"{namespace}/lead",
        "spawned-by-serviceaccount": f"{namespace}/lead",
        "spawned-by-uid": lead["metadata"]["uid"],
        "depth": "1",
        "expires-at": "2999-01-01T00:00:00Z",
        "policy": f"{namespace}/workers",
    }
    made = declarative(f"worker-old-{number}", namespace)
    made["metadata"]["labels"] = {"hotpeers.dev/peer": "true", "hotpeers.dev/spawned": "true"}
    made["metadata"]["annotations"] = {f"hotpeers.dev/{key}": one for key, one in stamps.items()}
    return made


def fill(api, policies, agents, count):
    """Policies, each in a namespace of its own with its orchestrator and what that has spawned.

    `count` of the agents were spawned; the others are somebody's.
    """
    leads = []
    for number in range(policies):
        create_namespace(api, space(number))
        leads.append(api.create(declarative("lead", space(number))))
        spec = {**SPEC, "targetNamespaces": [space(number)], "limits": LIMITS}
        api.create(document(spec, "workers", space(number)))
    made = api.create_all(
        spawned(space(i % policies), i, leads[i % policies]) for i in range(count)
    )
    rest = range(count, agents - policies)
    api.create_all(declarative(f"human-{i}", space(i % policies)) for i in rest)
    # Without ledgers nothing would be admitted for 65 s, since agents are there that none knows of.
    api.create_all(ledger(space(i), made[i::policies]) for i in range(policies))


def ledger(namespace, agents):
    """The ledger of a policy, in which its agents have been for long."""
    key = f"{namespace}/workers"
    slots = {
        f"{namespace}/{one['metadata']['name']}": Slot(number, uid=one["metadata"]["uid"][:8])
        for number, one in enumerate(agents, 1)
    }
    metadata = {
        "name": ledger_name(key),
        "namespace": "default",
        "labels": {LEDGER_LABEL: "true"},
        "annotations": {"hotpeers.dev/policy": key},
    }
    text = written(Ledger(key, slots, (), len(slots), int(time.time())))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ledger": text}}


class Times:
    """Seconds of requests, by what they were."""

    def __init__(self):
        self.found = {}

    def add(self, what, seconds):
        self.found.setdefault(what, []).append(seconds)

    def timed(self, what, call, refused=False):
        begun = time.perf_counter()
        try:
            answer = call()
        except ApiError as error:
            if not refused or "guard.hotpeers.dev" not in error.message:
                raise
            answer = None
        self.add(what, time.perf_counter() - begun)
        assert (answer is None) is refused, what
        return answer


def requests(times, api, namespace, name, who):
    """One of each, as one account."""
    manifest, where = declarative(name, namespace), path(namespace)
    if who == "governed":
        bad = edited(manifest, ("spec.declarative.modelConfig", "huge"))
        times.timed(("denied create", who), lambda: api.request("POST", where, bad), refused=True)
    dry = f"{where}?dryRun=All"
    times.timed(("create, dry run", who), lambda: api.request("POST", dry, manifest))
    times.timed(("create", who), lambda: api.request("POST", where, manifest))
    change, own = {"spec": {"description": "Works"}}, path(namespace, name)
    times.timed(("update", who), lambda: api.request("PATCH", own, change, content_type=MERGE))
    times.timed(("delete", who), lambda: api.request("DELETE", own))


def admits(api, namespace):
    try:
        return api.request(
            "POST", f"{path(namespace)}?dryRun=All", declarative("worker-x", namespace)
        )
    except ApiError:
        return None


class Webhook:
    """The controller's port, asked as an API server asks it: over a connection that stays open."""

    def __init__(self, controller, subjects):
        access = controller.authority.file
        context = ssl.create_default_context(cafile=str(access))
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", controller.port, context=context, timeout=15
        )
        self._subjects = subjects

    def ask(self, times, what, hook, namespace, request):
        body = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": str(uuid.uuid4()),
                "resource": {"group": "kagent.dev", "version": "v1alpha2", "resource": "agents"},
                "namespace": namespace,
                "userInfo": {
                    "username": f"system:serviceaccount:{namespace}:lead",
                    "uid": self._subjects[namespace],
                },
                **request,
            },
        }
        raw = json.dumps(body)
        begun = time.perf_counter()
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", f"/guard/{hook}?timeout=5s", raw, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        times.add((what, hook), time.perf_counter() - begun)
        assert answer.status == 200, text
        return json.loads(text)["response"]

    def both(self, times, what, namespace, request):
        """Both phases, as an API server goes through them."""
        first = self.ask(times, what, "mutate", namespace, request)
        if not first["allowed"]:
            return False
        whole = dict(request["object"])
        for step in json.loads(base64.b64decode(first.get("patch", "W10="))):
            whole[step["path"].removeprefix("/")] = step["value"]
        request = {**request, "object": whole}
        second = self.ask(times, what, "validate", namespace, request)
        assert second["allowed"], second
        return True


def alone(times, webhook, leads, rounds):
    """The webhooks without an API server in front."""
    workers = {
        space(i): lead.create(declarative("worker-stays", space(i))) for i, lead in enumerate(leads)
    }
    for i in range(rounds):
        namespace = space(i % ORCHESTRATORS)
        manifest = declarative(f"worker-alone-{i}", namespace)
        asks = {"operation": "CREATE", "name": manifest["metadata"]["name"]}
        bad = edited(manifest, ("spec.declarative.modelConfig", "huge"))
        assert not webhook.both(times, "denied create", namespace, {**asks, "object": bad})
        request = {**asks, "object": manifest}
        assert webhook.both(times, "create, dry run", namespace, {**request, "dryRun": True})
        assert webhook.both(times, "create", namespace, request)
        old = workers[namespace]
        changed = edited(old, ("spec.description", f"Works {i}"))
        request = {"operation": "UPDATE", "name": old["metadata"]["name"], "object": changed}
        assert webhook.both(times, "update", namespace, {**request, "oldObject": old})


def histogram(text, name, wanted):
    """How many took at most how long, over all series that have these labels."""
    counts = {}
    for labels, count in re.findall(rf"^{name}_bucket{{(.*?)}} (\S+)$", text, re.MULTILINE):
        if all(one in labels for one in wanted):
            bound = float(re.search(r'le="([^"]*)"', labels)[1])
            counts[bound] = counts.get(bound, 0.0) + float(count)
    return counts


def told(before, after):
    """Bounds of the median and the p99 of what came in between, as text."""
    counts = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
    whole = counts.get(float("inf"), 0.0)
    if not whole:
        return "none"
    bounds = [
        min(bound for bound, count in counts.items() if count >= share * whole)
        for share in (0.5, 0.99)
    ]
    at_most_20 = [count for bound, count in counts.items() if bound <= TARGET]
    within = f", {max(at_most_20) / whole:.1%} within 20" if TARGET in counts else ""
    return f"p50 <= {bounds[0] * 1000:g}, p99 <= {bounds[1] * 1000:g} ms of {whole:.0f}{within}"


def metrics(cluster, controller):
    with urllib.request.urlopen(f"http://127.0.0.1:{controller.health_port}/metrics") as answer:
        return cluster.api.request("GET", "/metrics")["message"], answer.read().decode()


def row(what, seconds, judged=True):
    p50, p99, most = (
        one * 1000 for one in (*(quantile(seconds, s) for s in (0.5, 0.99)), max(seconds))
    )
    verdict = ("holds" if p99 <= TARGET * 1000 else "FALLS SHORT") if judged else ""
    print(f"| {what} | {p50:.1f} / {p99:.1f} / {most:.1f} | {verdict} |", flush=True)


def report(clients, hooks, before, after):
    print("\nThe webhooks alone, ms (p50 / p99 / max). Target: p99 <= 20 ms each\n")
    print("| request, phase | ms | |\n|---|---|---|")
    for (what, hook), seconds in hooks.found.items():
        row(f"{what}, {hook}", seconds)
    print("\nWhole requests at the API server, ms (p50 / p99 / max), beside the same ungoverned\n")
    print("| request | ms | |\n|---|---|---|")
    for (what, who), seconds in sorted(clients.found.items()):
        row(f"{what}, {who}", seconds, judged=False)
    print("\nThe API server's own time of each call of a webhook, dry runs among them:")
    for operation in ("CREATE", "UPDATE", "DELETE"):
        for hook in HOOKS:
            for rejected in ("false", "true"):
                wanted = [f'name="{hook}.', f'operation="{operation}"', f'rejected="{rejected}"']
                found = [histogram(one[0], CALLS, wanted) for one in (before, after)]
                if sum(found[1].values()) > sum(found[0].values()):
                    how = "denied" if rejected == "true" else "admitted"
                    print(f"  {operation} {how}, {hook}: {told(*found)}")
    print("The controller's own time of the same calls:")
    for phase in ("Mutating", "Validating"):
        found = [histogram(one[1], OWN, [f'phase="{phase}"']) for one in (before, after)]
        print(f"  {phase}: {told(*found)}")


def measure(cluster, controller, given):
    subjects, leads, others = {}, [], []
    for number in range(ORCHESTRATORS):
        account = make_account(
            cluster, space(number), "lead", cluster_rules=EVERYTHING, seconds=3600
        )
        subjects[space(number)] = cluster.api.read(account.manifest)["metadata"]["uid"]
        leads.append(Api(account.access))
        other = make_account(
            cluster, space(number), "other", cluster_rules=EVERYTHING, seconds=3600
        )
        others.append(Api(other.access))
        take(cluster.api, space(number))
    for number, api in enumerate(leads):
        until_asked(api, space(number))
    until("all to be admitted", lambda: all(map(admits, leads, subjects)) or None, 30)
    clients, hooks, warm = Times(), Times(), Times()
    for number in range(3 * ORCHESTRATORS):
        i = number % ORCHESTRATORS
        requests(warm, leads[i], space(i), f"worker-warm-{number}", "governed")
        requests(warm, others[i], space(i), f"other-warm-{number}", "not governed")
    print(
        f"load before {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, one controller", flush=True
    )
    before = metrics(cluster, controller)
    for number in range(given.rounds):
        i = number % ORCHESTRATORS
        requests(clients, leads[i], space(i), f"worker-{number}", "governed")
        requests(clients, others[i], space(i), f"other-{number}", "not governed")
    after = metrics(cluster, controller)
    alone(hooks, Webhook(controller, subjects), leads, given.rounds)
    report(clients, hooks, before, after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", type=int, default=100)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--spawned", type=int, help="how many of them; all by default")
    parser.add_argument("--rounds", type=int, default=500)
    given = parser.parse_args()
    most = given.agents - given.policies
    count = most if given.spawned is None else min(given.spawned, most)
    try:
        binaries = ensure_binaries(print)
    except NoBinariesError as error:
        sys.exit(f"error: {error}")
    cluster = Cluster(binaries)
    with tempfile.TemporaryDirectory() as folder:
        controller = Controller(Path(folder), cluster, "--namespace=default")
        try:
            cluster.start()
            for file in (PEERS, AGENTS, POLICIES):
                install_crd(cluster.api, file)
            fill(cluster.api, given.policies, given.agents, count)
            controller.start()
            print(f"{given.policies} SpawnPolicies, {given.agents} agents, {count} of them spawned")
            with asked(cluster, controller):
                measure(cluster, controller, given)
        finally:
            controller.stop(signal.SIGKILL)
            cluster.close()


if __name__ == "__main__":
    main()
