"""Two tenants of one guard: one works, the other has all rights in its own namespace and means harm.

Each attack is one request of the hostile tenant; which, is drawn by a seeded generator.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from kit.apiserver.accounts import make_account, rule
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.server import Cluster
from kit.controller.guard_scene import EVERYTHING, orchestrator, until_governed
from kit.spawning import SPEC, declarative, document
from kit.waiting import TookTooLongError, until

GOOD, POOL, EVIL = "tenant-good", "tenant-pool", "tenant-evil"
MOST_ALIVE = 12
_LIMITS = {**SPEC["limits"], "maxAgents": MOST_ALIVE, "creates": {"count": 10_000, "window": "1h"}}
_MERGE = "application/merge-patch+json"
_WHOLE = [rule("kagent.dev", "agents", "*"), rule("hotpeers.dev", "spawnpolicies", "*")]


def agents(namespace: str, name: str = "") -> str:
    """The path of agents."""
    base = f"/apis/kagent.dev/v1alpha2/namespaces/{namespace}/agents"
    return f"{base}/{name}" if name else base


def policies(namespace: str, name: str = "") -> str:
    """The path of policies."""
    base = f"/apis/hotpeers.dev/v1alpha1/namespaces/{namespace}/spawnpolicies"
    return f"{base}/{name}" if name else base


@dataclass
class Tally:
    """What became of the working tenant's requests. `seconds` are those of its creations, `others` those
    of a request beside each that the guard is not asked about: what the API server itself takes.
    """

    others: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)

    def quantile(self, share: float, *, others: bool = False) -> float:
        """Of the times of creations, in seconds."""
        ordered = sorted(self.others if others else self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Good:
    """The tenant that works: spawns agents in its own namespace and in another, and deletes them."""

    def __init__(self, cluster: Cluster) -> None:
        self._admin = cluster.api
        for namespace in (GOOD, POOL):
            create_namespace(cluster.api, namespace)
        cluster.api.create(orchestrator(GOOD))
        spec = {**SPEC, "targetNamespaces": [GOOD, POOL], "limits": _LIMITS}
        cluster.api.create(document(spec, "workers", GOOD))
        account = make_account(cluster, GOOD, "lead", cluster_rules=EVERYTHING, seconds=3600)
        self.api = Api(account.access)
        until_governed(self.api, GOOD)
        self._alive: list[tuple[str, str]] = []
        self._number = 0

    def work(self, seconds: float, rate: float) -> Tally:
        """Create and delete agents at this rate for so long; the counts are checked on the way."""
        tally, begun, turns = Tally(), time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            self._turn(tally)
            turns += 1
            if turns % 20 == 0:
                self._check(tally)
            time.sleep(max(begun + turns / rate - time.monotonic(), 0.0))
        self._check(tally)
        return tally

    def close(self) -> None:
        """Close its connections."""
        self.api.close()

    def fill(self) -> list[str]:
        """Take every free slot, and one more. Returns violations of the limit."""
        wrong = []
        while len(self._alive) < MOST_ALIVE:
            if why := self._create(Tally()):
                wrong.append(f"{len(self._alive)} of {MOST_ALIVE} alive: {why}")
                break
        else:
            why = self._create(Tally())
            if "TooManyAgents" not in why:
                wrong.append(f"one more than {MOST_ALIVE}: {why or 'admitted'}")
        return wrong

    def _turn(self, tally: Tally) -> None:
        if len(self._alive) >= MOST_ALIVE - 2:
            namespace, name = self._alive.pop(0)
            try:
                self.api.request("DELETE", agents(namespace, name))
            except ApiError as error:
                tally.failures.append(f"delete: {error}")
        if why := self._create(tally):
            tally.failures.append(f"create: {why}")
        begun = time.perf_counter()
        plain = declarative("plain", GOOD)
        self._admin.request("POST", f"{agents(GOOD)}?dryRun=All", plain)
        tally.others.append(time.perf_counter() - begun)

    def _create(self, tally: Tally) -> str:
        self._number += 1
        namespace, name = (GOOD, POOL)[self._number % 2], f"worker-{self._number}"
        begun = time.perf_counter()
        try:
            self.api.request("POST", agents(namespace), declarative(name, namespace))
        except ApiError as error:
            return error.message
        tally.seconds.append(time.perf_counter() - begun)
        self._alive.append((namespace, name))
        return ""

    def _check(self, tally: Tally) -> None:
        """The status must become exact: the number of agents that are alive."""
        expected, last = len(self._alive), None

        def right() -> bool:
            nonlocal last
            status = self._admin.request("GET", policies(GOOD, "workers")).get("status", {})
            last = status.get("agentsAlive")
            return last == expected

        try:
            until("the count to be right", right, 15.0)
        except TookTooLongError:
            tally.counts.append(f"{last} in place of {expected}")


class Evil:
    """The tenant that means harm. `sent` counts its requests by attack and outcome."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        create_namespace(cluster.api, EVIL)
        self._account = make_account(cluster, EVIL, "evil", _WHOLE, seconds=3600)
        # Named by a policy of its own, so that all its writes are checked.
        self._pawn = make_account(cluster, EVIL, "pawn", _WHOLE, seconds=3600)
        self._cluster = cluster
        self._random = random.Random(seed)
        self.sent: Counter[tuple[str, str]] = Counter()
        self._attacks: list[Callable[[Api, random.Random], None]] = [
            _forged,
            _bystander,
            _many_policies,
            _many_policies,
            _reaching_policy,
            _broken_policy,
            _less,
            _large,
            _touch,
            _governed_spam,
        ]

    @contextmanager
    def attacking(self, rate: float, threads: int = 4) -> Iterator[None]:
        """Send so many requests a second as long as it lasts."""
        over = threading.Event()
        seeds = [self._random.random() for _ in range(threads)]
        workers = [
            threading.Thread(target=self._work, args=(over, rate / threads, seed)) for seed in seeds
        ]
        for one in workers:
            one.start()
        try:
            yield
        finally:
            over.set()
            for one in workers:
                one.join(60)

    def _work(self, over: threading.Event, rate: float, seed: float) -> None:
        api, pawn = Api(self._account.access), Api(self._pawn.access)
        draw = random.Random(seed)
        begun, turns = time.monotonic(), 0
        while not over.is_set():
            attack = draw.choice(self._attacks)
            try:
                attack(pawn if attack is _governed_spam and draw.random() < 0.9 else api, draw)
                outcome = "stored"
            except ApiError as error:
                outcome = str(error.status)
            except OSError:
                outcome = "no answer"
                api.close()
                pawn.close()
                api, pawn = Api(self._account.access), Api(self._pawn.access)
            self.sent[attack.__name__, outcome] += 1
            turns += 1
            over.wait(max(begun + turns / rate - time.monotonic(), 0.0))
        api.close()
        pawn.close()


def _name(draw: random.Random, length: int = 8) -> str:
    return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=length))


def _stamps(draw: random.Random) -> dict[str, str]:
    by = draw.choice([f"{GOOD}/lead", f"{EVIL}/evil", f"{POOL}/lead"])
    return {
        "hotpeers.dev/policy": f"{GOOD}/workers",
        "hotpeers.dev/spawned-by": by,
        "hotpeers.dev/spawned-by-serviceaccount": by,
        "hotpeers.dev/spawned-by-uid": _name(draw),
        "hotpeers.dev/depth": draw.choice(["1", "2"]),
        "hotpeers.dev/expires-at": draw.choice(["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]),
    }


def _forged(api: Api, draw: random.Random) -> None:
    """Agents that seem to be of the other tenant's policy."""
    manifest = declarative(f"worker-{_name(draw)}", EVIL)
    manifest["metadata"]["annotations"] = _stamps(draw)
    manifest["metadata"]["labels"] = {"hotpeers.dev/spawned": "true"}
    api.request("POST", agents(EVIL), manifest)


def _bystander(api: Api, draw: random.Random) -> None:
    """A foreign label and account."""
    manifest = declarative(_name(draw), EVIL)
    manifest["metadata"]["labels"] = {"hotpeers.dev/spawned": "true"}
    manifest["spec"]["declarative"]["deployment"] = {"serviceAccountName": "ci-deployer"}
    api.request("POST", agents(EVIL), manifest)


def _policy(draw: random.Random, **spec: Any) -> Object:
    whole = {**SPEC, "targetNamespaces": [EVIL], "limits": _LIMITS, **spec}
    return document(whole, f"p-{_name(draw)}", EVIL)


def _many_policies(api: Api, draw: random.Random) -> None:
    """Policies with 32 subjects of long names."""
    subjects = [{"kind": "ServiceAccount", "name": _name(draw, 240)} for _ in range(32)]
    api.request("POST", policies(EVIL), _policy(draw, subjects=subjects))


def _reaching_policy(api: Api, draw: random.Random) -> None:
    """A policy about every name in the namespaces of the other."""
    names = [f"{letter}*" for letter in "abcdefghijklmnopqrstuvwxyz"]
    api.request(
        "POST", policies(EVIL), _policy(draw, names=names, targetNamespaces=[GOOD, POOL, EVIL])
    )


def _broken_policy(api: Api, draw: random.Random) -> None:
    api.request("POST", policies(EVIL), _policy(draw, names=["**"]))


def _less(api: Api, draw: random.Random) -> None:
    """Delete some of its own objects, so that the attack can continue for ever."""
    path = draw.choice([agents, policies])
    items = api.request("GET", f"{path(EVIL)}?limit=20")["items"]
    if items:
        api.request("DELETE", path(EVIL, draw.choice(items)["metadata"]["name"]))


def _large(api: Api, draw: random.Random) -> None:
    manifest = declarative(f"large-{draw.randrange(10)}", EVIL)
    manifest["spec"]["declarative"]["systemMessage"] = "x" * 300_000
    api.request("POST", agents(EVIL), manifest)


def _touch(api: Api, draw: random.Random) -> None:
    """Changes of existing objects: every watch receives each."""
    items = api.request("GET", f"{agents(EVIL)}?limit=5")["items"]
    for one in items[:3]:
        edit = {"spec": {"description": _name(draw)}, "metadata": {"labels": {"x": _name(draw)}}}
        with suppress(ApiError):
            api.request("PATCH", agents(EVIL, one["metadata"]["name"]), edit, content_type=_MERGE)


def _governed_spam(api: Api, draw: random.Random) -> None:
    """An account of its own that it governs, and that asks for agents that it may and may not have."""
    subjects = [{"kind": "ServiceAccount", "name": "pawn"}]
    if draw.random() < 0.1:
        api.request("POST", policies(EVIL), _policy(draw, subjects=subjects))
    else:
        api.request("POST", agents(EVIL), declarative(f"worker-{_name(draw)}", EVIL))
