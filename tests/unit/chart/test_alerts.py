"""Each alert fires for the trouble that it is there for, and for no quiet cluster.

The samples are those of the registries that the product serves, as Prometheus would have scraped them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from hotpeers.base.problems import Problem
from hotpeers.console.metrics import ConsoleMetrics
from hotpeers.controller.certificates.authority import Lifetimes, new_keyring
from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.controller.reasons import ControllerReason
from hotpeers.controller.status.warnings import Usage
from hotpeers.inject.outcome import Injection
from hotpeers.inject.review import Result, Review, review
from hotpeers.kube.reasons import KubeReason
from hotpeers.mcp.hub.metrics import HubMetrics
from hotpeers.mcp.hub.tenant import Counts
from hotpeers.model.reasons import ModelReason
from hotpeers.sidecar.acks.reader import Acks
from hotpeers.sidecar.resolve.eligibility import Refused
from hotpeers.sidecar.shim.silence import Silence
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.metrics import Metrics
from hotpeers_shim.contract import Ack, AckState, CallFailure, Peer
from kit.chart.promql import Series, evaluate
from kit.chart.rendering import K8S

ALERTS = yaml.safe_load((K8S / "alerts" / "hotpeers.yaml").read_text())
RULES = {rule["alert"]: rule for group in ALERTS["groups"] for rule in group["rules"]}
SCRAPE_SECONDS = 30.0
QUIET_SECONDS = 1200.0
UNITS = {"m": 60.0, "h": 3600.0}
PEER = Peer(name="weather", url="http://weather", toolName="weather", namespace="ns", ready=True)
ACK = Ack(pid=7, state=AckState.ACTIVE, generation=3)


@dataclass
class HubCounts:
    """An orchestrator at a hub, as its metrics read it."""

    title: str = "team/lead"
    peers: tuple[Peer, ...] = (PEER,)
    refused: tuple[Refused, ...] = ()
    running: int = 0
    counts: Counts = field(default_factory=Counts)


class World:
    """One controller, hub, console and sidecar, scraped every half minute of a time of its own."""

    def __init__(self) -> None:
        self.series = Series()
        self.now = 0.0
        self.controller: ControllerMetrics | None = ControllerMetrics()
        self.problems: tuple[Problem, ...] = ()
        self.leading = True
        self.seconds = 0.01
        self.policies: tuple[Usage, ...] = (Usage("team/workers", "u", 8, 10, governs=True),)
        self.waiting = 0.0
        self.controller.count_held(lambda: 1.0, lambda: self.waiting)
        self.tenant = HubCounts()
        self.hub = HubMetrics([self.tenant])  # type: ignore[list-item]
        self.console = ConsoleMetrics()
        self.console_problems: tuple[Problem, ...] = ()
        self.failing_reviews = False
        self.sidecar = Metrics()
        self.status = Status(
            "kubernetes", "peers.json", ready=True, generation=3, peers=(PEER,), acks=Acks((ACK,))
        )
        self.certify(timedelta(days=30))

    def certify(self, life: timedelta) -> None:
        """Serve with a certificate that is valid for so long."""
        assert self.controller is not None
        pair = new_keyring(("a",), Lifetimes(serving=life), datetime.now(UTC)).serving
        self.controller.certificate_replaced(pair.certificate)

    def fires(self, rule: dict[str, Any], seconds: float) -> bool:
        """Whether an alert fires within so many seconds from now."""
        wait = rule.get("for", "0m")
        patience = float(wait[:-1]) * UNITS[wait[-1]]
        since = None
        end = self.now + seconds
        while self.now < end:
            self._scrape()
            if not evaluate(rule["expr"], self.series, self.now):
                since = None
                continue
            since = self.now if since is None else since
            if self.now - since >= patience:
                return True
        return False

    def _scrape(self) -> None:
        self.now += SCRAPE_SECONDS
        if self.controller is not None:
            self.controller.show(self.leading, 3, self.problems)
            self.controller.show_policies(self.policies)
            self.controller.reviewed(Review({}, Result.INJECTED), self.seconds)
            where = {"namespace": "hotpeers-system", "pod": "controller-1"}
            self.series.scrape(self.now, self.controller.registry, **where)
        where = {"namespace": "hotpeers-system", "pod": "hub-1"}
        self.series.scrape(self.now, self.hub.registry, **where)
        self.console.show_problems(self.console_problems)
        if self.failing_reviews:
            self.console.failed("TokenReview")
        where = {"namespace": "hotpeers-system", "pod": "console-1"}
        self.series.scrape(self.now, self.console.registry, **where)
        self.sidecar.show(self.status)
        self.series.scrape(self.now, self.sidecar.registry, namespace="team", pod="concierge-1")

    # -- trouble, of each kind

    def no_controller(self) -> None:
        self.controller = None

    def no_leader(self) -> None:
        self.leading = False

    def certificate_ends(self) -> None:
        self.certify(timedelta(days=2))

    def injection_fails(self) -> None:
        """Once: the first of its reason, as most are."""
        assert self.controller is not None
        self.controller.reviewed(review(b"{", Injection("hotpeers:1")), 0.01)

    def injection_slow(self) -> None:
        self.seconds = 1.9

    def guard_fails(self) -> None:
        assert self.controller is not None
        self.controller.decided("CREATE", "failed", ControllerReason.GUARD_FAILED.value)

    def controller_problem(self) -> None:
        self.problems = (Problem("agents", KubeReason.FORBIDDEN, "grant get on agents"),)

    def agent_not_active(self) -> None:
        self.acked(replace(ACK, state=AckState.REFUSED))

    def change_not_live(self) -> None:
        self.acked(replace(ACK, generation=2))

    def shim_not_loaded(self) -> None:
        """A program that serves and never says anything, as kagent's Go runtime."""
        with socket.create_server(("127.0.0.1", 0)) as agent:
            silence = Silence(frozenset({agent.getsockname()[1]}), patience=0)
            silence.changes(heard=False)
        assert silence.problem is not None
        self.acked()
        self.status = replace(self.status, problems=(silence.problem,))

    def source_not_read(self) -> None:
        problem = Problem("Agent in namespace a", KubeReason.FORBIDDEN, "no")
        self.status = replace(self.status, problems=(problem,))

    def peer_file_not_written(self) -> None:
        self.sidecar.projection_failed()

    def peers_not_ready(self) -> None:
        self.status = replace(self.status, peers=(replace(PEER, ready=False),))

    def calls_fail(self) -> None:
        failure = CallFailure("weather", "PeerUnreachable", "refused", count=5, time=1.0)
        self.acked(replace(ACK, failures=(failure,)))

    def peers_refused(self) -> None:
        self.status = replace(
            self.status, refused=(Refused("ns/a", "s", ModelReason.CARD_INVALID),)
        )

    def hold_not_released(self) -> None:
        self.waiting = 1200.0

    def policy_without_subjects(self) -> None:
        self.policies = (Usage("team/workers", "u", 0, 10, governs=False),)

    def agents_near_limit(self) -> None:
        self.policies = (Usage("team/workers", "u", 9, 10, governs=True),)

    def hub_calls_fail(self) -> None:
        """A peer of an orchestrator of the hub is gone, and the counter is new."""
        self.tenant.counts.failed["PeerUnreachable"] = 6

    def console_not_current(self) -> None:
        self.console_problems = (Problem("Peer", KubeReason.FORBIDDEN, "no"),)

    def console_reviews_fail(self) -> None:
        self.failing_reviews = True

    def acked(self, *acks: Ack) -> None:
        self.status = replace(self.status, acks=Acks(acks))


TROUBLE: dict[str, Callable[[World], None]] = {
    "HotpeersNoController": World.no_controller,
    "HotpeersNoLeader": World.no_leader,
    "HotpeersCertificateEnds": World.certificate_ends,
    "HotpeersInjectionFails": World.injection_fails,
    "HotpeersInjectionSlow": World.injection_slow,
    "HotpeersGuardFails": World.guard_fails,
    "HotpeersControllerProblem": World.controller_problem,
    "HotpeersAgentNotActive": World.agent_not_active,
    "HotpeersChangeNotLive": World.change_not_live,
    "HotpeersShimNotLoaded": World.shim_not_loaded,
    "HotpeersSourceNotRead": World.source_not_read,
    "HotpeersPeerFileNotWritten": World.peer_file_not_written,
    "HotpeersPeersNotReady": World.peers_not_ready,
    "HotpeersCallsFail": World.calls_fail,
    "HotpeersPeersRefused": World.peers_refused,
    "HotpeersHoldNotReleased": World.hold_not_released,
    "HotpeersPolicyWithoutSubjects": World.policy_without_subjects,
    "HotpeersAgentsNearLimit": World.agents_near_limit,
    "HotpeersHubCallsFail": World.hub_calls_fail,
    "HotpeersConsoleNotCurrent": World.console_not_current,
    "HotpeersConsoleReviewsFail": World.console_reviews_fail,
}


@pytest.mark.parametrize("name", RULES)
def test_alert_fires_for_its_trouble_and_not_before(name: str) -> None:
    world, rule = World(), RULES[name]
    assert not world.fires(rule, QUIET_SECONDS)
    TROUBLE[name](world)
    assert world.fires(rule, 2 * 3600.0)


def test_promtool_has_a_test_in_which_each_alert_fires_and_one_in_which_it_does_not() -> None:
    """`make test-observing` runs them."""
    file = K8S / "alerts" / "tests" / "hotpeers.test.yaml"
    tests = yaml.safe_load(file.read_text())["tests"]
    cases = [case for group in tests for case in group["alert_rule_test"]]
    fires = {one["alertname"] for one in cases if one.get("exp_alerts")}
    quiet = {one["alertname"] for one in cases if not one.get("exp_alerts")}
    assert fires == quiet == set(RULES)


def test_agent_that_never_loads_the_shim_fires_exactly_one_alert() -> None:
    """Without any ack, only this alert fires: the alerts about late changes stay silent."""
    fired = []
    for name, rule in RULES.items():
        world = World()
        world.shim_not_loaded()
        if world.fires(rule, 3600.0):
            fired.append(name)
    assert fired == ["HotpeersShimNotLoaded"]


def test_second_failure_of_another_kind_fires_the_alert_again() -> None:
    world, rule = World(), RULES["HotpeersGuardFails"]
    assert world.controller is not None
    world.controller.decided("CREATE", "failed", ControllerReason.GUARD_FAILED.value)
    assert world.fires(rule, 120.0)
    while world.fires(rule, 60.0):
        assert world.now < 3600.0
    world.controller.decided("UPDATE", "failed", ControllerReason.GUARD_FAILED.value)
    assert world.fires(rule, 120.0)
    while world.fires(rule, 60.0):
        assert world.now < 7200.0
    world.controller.decided("UPDATE", "failed", ControllerReason.GUARD_FAILED.value)
    assert world.fires(rule, 120.0)


def test_evaluator_counts_no_increase_when_a_series_appears() -> None:
    series = Series()
    labels = frozenset({("a", "b")})
    series.points["x_total", labels] = [(at, 1.0) for at in (30.0, 60.0)]
    assert evaluate("increase(x_total[5m]) > 0", series, 60.0) == {}
    series.points["x_total", labels].append((90.0, 2.0))
    assert evaluate("increase(x_total[5m]) > 0", series, 90.0) == {labels: 1.0}
