"""Many pods at once: the cost of the webhook for the API server."""

import re
import time
from collections.abc import Mapping
from itertools import pairwise

import pytest

from e2e.crew import INJECT
from e2e.idle import idle_pods, is_injected
from e2e.pods import Pod, list_pods
from e2e.release import Release
from e2e.stage import Stage
from e2e.timings import Timings
from kit.apiserver.client import Api
from kit.waiting import until

_PODS = 100
_ROUNDS = 3
_SECONDS = 60.0
_METRIC = "apiserver_admission_webhook_admission_duration_seconds_bucket"


def buckets(api: Api) -> dict[float, int]:
    """How many calls of our webhook the API server has seen to take at most that many seconds."""
    text = api.request("GET", "/metrics")["message"]
    found = re.findall(
        rf'^{_METRIC}{{name="inject\.hotpeers\.dev",(.*)}} (\d+)$', text, re.MULTILINE
    )
    counts: dict[float, int] = {}
    for labels, count in found:
        limit = re.search(r'le="([^"]+)"', labels)
        assert limit is not None
        key = float(limit[1].replace("+Inf", "inf"))
        counts[key] = counts.get(key, 0) + int(count)
    return counts


def quantile(share: float, counts: dict[float, int]) -> float:
    """As Prometheus' histogram_quantile: within a bucket the calls are taken to be spread evenly."""
    limits = sorted(counts)
    wanted = share * counts[limits[-1]]
    for low, high in pairwise([0.0, *limits]):
        below = counts.get(low, 0)
        if counts[high] >= wanted:
            return low + (high - low) * (wanted - below) / (counts[high] - below)
    raise AssertionError(counts)


@pytest.mark.parametrize("time_of_many", range(_ROUNDS))
def test_hundred_pods_at_once_are_injected(
    release: Release, stage: Stage, timings: Timings, time_of_many: int
) -> None:
    plain, without = create_pods(stage, "plain", {})
    before = buckets(stage.api)
    annotated, with_us = create_pods(stage, "annotated", INJECT)
    after = buckets(stage.api)
    calls = {limit: count - before.get(limit, 0) for limit, count in after.items()}
    assert calls[max(calls)] >= _PODS
    what = f"{_PODS} pods at once"
    for share in (0.5, 0.99):
        timings.note(
            f"{what}: webhook, p{share * 100:.0f} at the API server", quantile(share, calls)
        )
    timings.note(f"{what}: share within 100 ms", calls[0.1] / calls[max(calls)])
    timings.note(f"{what}: all are there, annotated", with_us)
    timings.note(f"{what}: all are there, plain", without)
    assert [one.name for one in annotated if not is_injected(one.manifest)] == []
    assert [one.name for one in plain if is_injected(one.manifest)] == []


def create_pods(stage: Stage, name: str, annotations: Mapping[str, str]) -> tuple[list[Pod], float]:
    """Let the ReplicaSet controller create the pods; all of them, and how long that took."""
    began = time.monotonic()
    stage.api.create(idle_pods(stage.namespace, name, _PODS, annotations))

    def all_pods() -> list[Pod] | None:
        pods = list_pods(stage.api, stage.namespace, {"set": name})
        return pods if len(pods) == _PODS else None

    return until(f"{_PODS} pods", all_pods, _SECONDS), time.monotonic() - began
