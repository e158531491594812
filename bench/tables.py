"""What `source.py` measured, as markdown."""

import math
import os
import sys
from dataclasses import dataclass, field

RSS_PART = 0.75


@dataclass(frozen=True)
class Change:
    """One change: when, in nanoseconds, it was asked for, answered, seen in a file, seen by the floor."""

    sent: int
    answered: int
    seen: int
    floor: int


@dataclass
class Result:
    """One size. What is told of each program is by its name."""

    size: int
    load: float
    ours: list = field(default_factory=list)
    theirs: list = field(default_factory=list)
    first: dict = field(default_factory=dict)
    rss: dict = field(default_factory=dict)
    cpu: dict = field(default_factory=dict)
    idle: dict = field(default_factory=dict)


def ms(changes, begin, end):
    """Milliseconds from one moment of each change to another."""
    return [(getattr(one, end) - getattr(one, begin)) / 1e6 for one in changes]


def percentile(values, part):
    return sorted(values)[max(0, math.ceil(len(values) * part) - 1)]


def spread(values):
    parts = (percentile(values, 0.5), percentile(values, 0.99), max(values))
    # Without the sign of a zero.
    return " / ".join(f"{round(part, 1) + 0.0:.1f}" for part in parts)


def verdict(good):
    return "holds" if good else "FALLS SHORT"


def report(results):
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; ", end="")
    loads = ", ".join(f"{one.load:.1f}" for one in results)
    print(f"load average by size: {loads} (of which this run is about 1)\n")
    _latency(results)
    _footprint(results)
    if results[0].theirs:
        _against_theirs(results)


def _latency(results):
    print("Event -> peer file, ms (p50 / p99 / max). Target: p99 <= 1.5 x floor + 2 ms\n")
    print("| objects | from | hotpeers | floor | p50 ratio | p99 target | |")
    print("|---|---|---|---|---|---|---|")
    for one in results:
        for kind, begin in (("the request", "sent"), ("its answer", "answered")):
            ours, floor = ms(one.ours, begin, "seen"), ms(one.ours, begin, "floor")
            target = 1.5 * percentile(floor, 0.99) + 2
            ratio = f"{percentile(ours, 0.5) / percentile(floor, 0.5):.2f}"
            print(
                f"| {one.size} | {kind} | {spread(ours)} | {spread(floor)} "
                f"| {ratio if begin == 'sent' else ''} | {target:.1f} "
                f"| {verdict(percentile(ours, 0.99) <= target)} |"
            )
    print()


def _footprint(results):
    print("| objects | program | start -> first complete file | RSS | CPU of 1,000 events | idle |")
    print("|---|---|---|---|---|---|")
    for one in results:
        for name in sorted(one.rss, reverse=True):
            print(
                f"| {one.size} | {name} | {one.first[name]:.2f} s | {one.rss[name]:.0f} MiB "
                f"| {one.cpu[name]:.1f} s | {one.idle[name]:.1f} % |"
            )
    print()


def _against_theirs(results):
    print("Beside k8s-sidecar, ms (p50 / p99 / max). An API server takes longer to write a custom")
    print("resource than a ConfigMap: what counts is the time over the floor of the same kind\n")
    print("| objects | | hotpeers | k8s-sidecar | target | |")
    print("|---|---|---|---|---|---|")
    for one in results:
        for kind, begin in (
            ("from the request", "sent"),
            ("from its answer", "answered"),
            ("over the floor", "floor"),
        ):
            ours, theirs = ms(one.ours, begin, "seen"), ms(one.theirs, begin, "seen")
            good = all(percentile(ours, part) <= percentile(theirs, part) for part in (0.5, 0.99))
            told = f"no higher | {verdict(good)}" if begin == "floor" else "|"
            print(f"| {one.size} | {kind} | {spread(ours)} | {spread(theirs)} | {told} |")
        ours, theirs = one.rss["hotpeers"], one.rss["k8s-sidecar"]
        print(
            f"| {one.size} | RSS | {ours:.0f} MiB | {theirs:.0f} MiB "
            f"| {ours / theirs:.2f} <= {RSS_PART} | {verdict(ours <= RSS_PART * theirs)} |"
        )
    print()
