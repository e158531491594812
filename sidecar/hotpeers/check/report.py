"""The report of `hotpeers check`, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hotpeers_shim.contract import clean_text

from ..base.reasons import sentence_of
from .checks import Done
from .finding import Finding, Severity
from .reasons import CheckReason
from .release import consoles, controllers, hubs
from .snapshot import Part, Snapshot

_MARKS = {None: "ok", Severity.NOTE: "note", Severity.WARNING: "warn", Severity.ERROR: "FAIL"}
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """What was done and found. `unread` has a finding for each part that could not be read."""

    snapshot: Snapshot
    done: Sequence[Done]
    unread: Sequence[Finding]

    @property
    def findings(self) -> list[Finding]:
        """All findings, the worst first."""
        every = [one for done in self.done for one in done.findings] + list(self.unread)
        return sorted(every, key=lambda one: _ORDER.index(one.severity))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(one.severity is Severity.ERROR for one in self.findings)

    @property
    def incomplete(self) -> bool:
        """Whether too little is known to say that all is well.

        A request of a check failed, or the user may read no object that a check needs.
        """
        failed = any(one.reason is CheckReason.READ_FAILED for one in self.findings)
        read = (done for done in self.done if not done.left_out)
        return failed or not any(set(done.check.needs) - {Part.CLOCK} for done in read)

    def lines(self) -> Iterator[str]:
        """The report as text: a line for each check, then each finding with its remedy."""
        about = self._about()
        yield f"Kubernetes {about['kubernetes']}; kagent: {', '.join(about['kagent']) or 'none'}"
        yield from (f"{one['where']}: version {one['version']}" for one in about["hotpeers"])
        yield ""
        for done in self.done:
            missing = f" (without {', '.join(done.missing)})" if done.missing else ""
            yield f"{_mark(done):<4}  {done.check.title}{missing}"
        for one in self.findings:
            yield ""
            yield f"{one.severity}: {one.reason}: {_clean(one.where)}"
            yield f"  {_clean(one.message)}"
            yield f"  To do: {one.advice}"
            yield f"  See {one.link}"
        yield ""
        yield self.summary

    def _about(self) -> dict[str, Any]:
        """What is installed."""
        found = self.snapshot
        return {
            "kubernetes": ".".join(map(str, found.version)),
            "kagent": [_clean(one) for one in found.kagent],
            "hotpeers": [
                {"where": _clean(one.where), "version": _clean(one.version)}
                for one in (*controllers(found), *hubs(found), *consoles(found))
            ],
        }

    @property
    def summary(self) -> str:
        """The counts."""
        counts = Counter(one.severity for one in self.findings)
        told = [_count(counts[level], level) for level in _ORDER if counts[level]]
        left_out = sum(done.left_out for done in self.done)
        told += [f"{left_out} of {_count(len(self.done), 'check')} left out"] if left_out else []
        return ", ".join(told) or f"no findings in {_count(len(self.done), 'check')}"

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        counts = Counter(one.severity for one in self.findings)
        return {
            "cluster": self._about(),
            "checks": [
                {
                    "title": done.check.title,
                    "result": _result(done),
                    "missing": list(done.missing),
                }
                for done in self.done
            ],
            "findings": [
                {
                    "severity": one.severity,
                    "reason": one.reason,
                    "meaning": sentence_of(one.reason),
                    "where": _clean(one.where),
                    "message": _clean(one.message),
                    "remedy": one.advice,
                    "link": one.link,
                }
                for one in self.findings
            ],
            "summary": {f"{level}s": counts[level] for level in _ORDER},
        }


def _mark(done: Done) -> str:
    return "----" if done.left_out else _MARKS[_worst(done)]


def _result(done: Done) -> str:
    worst = _worst(done)
    return "leftOut" if done.left_out else worst or "passed"


def _worst(done: Done) -> Severity | None:
    levels = [one.severity for one in done.findings]
    return min(levels, key=_ORDER.index) if levels else None


def _clean(said: str) -> str:
    # Names and messages come from the cluster.
    return clean_text(said, _LONGEST)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
