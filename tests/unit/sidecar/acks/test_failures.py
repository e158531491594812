"""Failing calls in acks: how they are reported, their limits, and when they end."""

import logging
import time
from pathlib import Path

import pytest

from hotpeers.sidecar.acks.failures import OTHER, failing_calls, new_failures, reason_label, time_of
from hotpeers.sidecar.acks.reader import AckReader, Acks
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.metrics import Metrics
from hotpeers_shim.contract import Ack, AckState, CallFailure, Peer, dump_ack

DOWN = CallFailure("demo__NS__weather", "PeerUnreachable", "refused", 2, 1000.0)


def acks(*of_processes: tuple[CallFailure, ...]) -> Acks:
    return Acks(
        tuple(
            Ack(pid=pid, state=AckState.ACTIVE, failures=failures)
            for pid, failures in enumerate(of_processes, start=1)
        )
    )


def status_of(found: Acks) -> Status:
    peer = Peer(name="weather", namespace="demo", url="http://a", toolName="demo__NS__weather")
    return Status("directory /peers", "/peers.json", peers=(peer,), acks=found)


def test_failures_of_all_processes_are_merged() -> None:
    later = CallFailure("demo__NS__weather", "CallTimedOut", "slow", 3, 2000.0)
    (found,) = failing_calls(acks((DOWN,), (later,))).values()
    assert (found.reason, found.count, found.time) == ("CallTimedOut", 5, 2000.0)
    (found,) = failing_calls(acks((later,), (DOWN,))).values()
    assert (found.reason, found.count) == ("CallTimedOut", 5)


def test_start_and_end_of_a_failure_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert new_failures(acks(()), acks((DOWN,))) == [DOWN]
    assert "calls of peer demo__NS__weather fail: PeerUnreachable: refused" in caplog.text
    caplog.clear()
    again = CallFailure(DOWN.subject, DOWN.reason, "refused", 3, 1001.0)
    assert new_failures(acks((DOWN,)), acks((again,))) == []
    assert caplog.text == ""
    assert new_failures(acks((again,)), acks(())) == []
    assert "calls of peer demo__NS__weather fail no more" in caplog.text


def test_changed_reason_is_a_new_failure() -> None:
    other = CallFailure(DOWN.subject, "CallRefused", "401", 3, 1001.0)
    assert new_failures(acks((DOWN,)), acks((other,))) == [other]


def test_status_names_them_beside_the_peer_and_the_process() -> None:
    document = status_of(acks((DOWN,))).document()
    assert document["peers"][0]["failing"]["reason"] == "PeerUnreachable"
    assert document["acks"][0]["failures"][0]["count"] == 2
    assert status_of(acks(())).document()["peers"][0]["failing"] is None


def test_metric_has_only_known_peers_and_reasons() -> None:
    metrics = Metrics()
    evil = CallFailure("nobody", "PeerUnreachable", "", 1)
    odd = CallFailure(DOWN.subject, 'x"} 1\n', "", 10**300)
    metrics.show(status_of(acks((DOWN, evil))))
    line = b'hotpeers_call_failures{peer="demo__NS__weather",reason="PeerUnreachable"} 2.0'
    assert line in metrics.text()
    assert b"nobody" not in metrics.text()
    metrics.show(status_of(acks((odd,))))
    assert b'reason="Other"' in metrics.text()
    assert b"PeerUnreachable" not in metrics.text()
    metrics.show(status_of(acks(())))
    assert b"hotpeers_call_failures{" not in metrics.text()


def test_many_are_cut() -> None:
    many = tuple(CallFailure(f"peer{n}", "CallRefused") for n in range(5000))
    assert len(failing_calls(acks(many))) == 1000
    peers = tuple(Peer(name="a", url="http://a", toolName=one.subject) for one in many)
    metrics = Metrics()
    metrics.show(Status("s", "f", peers=peers, acks=acks(many)))
    assert metrics.text().count(b"hotpeers_call_failures{") == 100


def test_text_of_an_agent_is_cleaned(tmp_path: Path) -> None:
    evil = CallFailure("a\u202eb", "x" * 200, "c\x1b[31md", 1, 1.0)
    ack = Ack(pid=1, state=AckState.ACTIVE, failures=(evil,), time=time.time())
    (tmp_path / "ack-1.json").write_bytes(dump_ack(ack))
    (found,) = failing_calls(AckReader(tmp_path).read()).values()
    assert (found.subject, found.message, len(found.reason)) == ("ab", "cd", 80)
    assert reason_label(found.reason) == OTHER


@pytest.mark.parametrize("seconds", [0, -1e300, 1e300, float("nan"), float("inf")])
def test_invalid_time_is_not_shown(seconds: float) -> None:
    assert time_of(seconds) == ""


def test_time_is_shown_as_utc() -> None:
    assert time_of(1_000_000_000) == "2001-09-09 01:46:40Z"
