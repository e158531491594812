"""What one change costs the resolver: `.venv/bin/python bench/resolve.py`.

The cache is compared with resolving everything anew, in one run.
"""

import statistics
import time

from hotpeers.model.snapshot import Candidate, Snapshot
from hotpeers.sidecar.cards.reader import CardState
from hotpeers.sidecar.resolve.cache import Cache
from hotpeers.sidecar.resolve.eligibility import Rules
from hotpeers.sidecar.resolve.resolver import resolve

CHANGES = 30
RULES = Rules(home="n")


def candidate(number: int, description: str = "at first") -> Candidate:
    return Candidate(
        kind="Agent",
        name=f"agent-{number}",
        namespace="n",
        source=f"Agent/n/agent-{number}",
        uid=str(number),
        url=f"http://agent-{number}.n:8080",
        description=f"{description} {number} {'.' * 200}",
        created=float(number),
        ready=True,
    )


def measure(size: int, change: str, *, cached: bool) -> float:
    """The median time of one resolution after one change, in milliseconds."""
    there = [candidate(number) for number in range(size)]
    cards = {one.card_key: CardState() for one in there}
    cache = Cache() if cached else None
    peers = resolve(Snapshot(tuple(there)), cards, RULES, (), cache).peers
    peers = resolve(Snapshot(tuple(there)), cards, RULES, peers, cache).peers
    times = []
    for turn in range(CHANGES):
        at = turn * 37 % size
        if change == "candidate":
            there[at] = candidate(at, f"changed {turn}")
        else:
            cards = {**cards, there[at].card_key: CardState(failures=turn + 1)}
        snapshot = Snapshot(tuple(there))
        begun = time.perf_counter()
        peers = resolve(snapshot, cards, RULES, peers, cache).peers
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def main() -> None:
    print(f"{'change of':12} {'candidates':>10} {'cached':>10} {'anew':>10} {'ratio':>6}")
    for change in ("candidate", "card"):
        for size in (100, 1000, 10_000):
            cached = measure(size, change, cached=True)
            anew = measure(size, change, cached=False)
            print(f"{change:12} {size:>10} {cached:>7.3f} ms {anew:>7.3f} ms {cached / anew:>6.3f}")


if __name__ == "__main__":
    main()
