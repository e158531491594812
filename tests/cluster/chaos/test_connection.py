"""Black-holed connections: the sidecar notices the silence and reconnects."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import Sidecar
from kit.apiserver.client import Object
from kit.apiserver.proxy import Proxy
from kit.apiserver.server import Cluster
from kit.waiting import until

Make = Callable[..., Sidecar]
PROMISED = 30.0
"""Seconds within which silence is noticed: a watch lasts 22 at the most, and is late after 5 more."""
MARGIN = 10.0
"""Seconds for a machine that is busy."""


@pytest.fixture
def other_proxy(cluster: Cluster) -> Iterator[Proxy]:
    running = Proxy(cluster.port)
    yield running
    running.close()


def silences(sidecar: Sidecar) -> float:
    return sidecar.metric("hotpeers_watch_restarts_total", reason="WatchSilent")


def test_silence_is_noticed_within_thirty_seconds(
    cluster: Cluster,
    proxy: Proxy,
    other_proxy: Proxy,
    make_sidecar: Make,
    make_peer: Callable[..., Object],
    tell: Callable[[str], None],
) -> None:
    """Two at once, for the time it takes: one has a way around, one has none until it is healed."""
    cluster.api.create_all(make_peer(f"p{number}") for number in range(10))
    names = [f"p{number}" for number in range(10)]
    around = make_sidecar(replace(cluster.access, url=proxy.url))
    cut_off = make_sidecar(replace(cluster.access, url=other_proxy.url))
    with Observer(around.file) as first, Observer(cut_off.file) as second:
        for sidecar, observer in ((around, first), (cut_off, second)):
            sidecar.start()
            observer.until_names(names)
            observer.require(*names)

        began = time.monotonic()
        proxy.forget()
        other_proxy.black_hole()
        cluster.api.patch(make_peer("p3"), {"spec": {"description": "unheard"}})
        first.until_told("p3", "unheard", PROMISED + MARGIN)
        followed = time.monotonic() - began
        assert silences(around) >= 1

        left = PROMISED + MARGIN - (time.monotonic() - began)
        until("a silent watch to be noticed", lambda: silences(cut_off), left)
        noticed = time.monotonic() - began
        assert second.descriptions["p3"] == "at first"
        until("the outage in the status", partial(_shows_outage, cut_off), 60)
        other_proxy.heal()
        healed = second.until_told("p3", "unheard")
        second.until("the outage to be solved", lambda: not _shows_outage(cut_off))
    tell(
        f"black hole: a change around it was followed after {followed:.1f} s; with no way around "
        f"it was noticed after {noticed:.1f} s and caught up {healed:.2f} s after it healed; "
        f"{first.figures()}; {second.figures()}"
    )


def _shows_outage(sidecar: Sidecar) -> bool:
    return not sidecar.reasons().isdisjoint({"ApiUnreachable", "WatchSilent"})
