"""Observes the agent's process: whether it listens, whether it is steady, and with which files it began."""

from __future__ import annotations

from dataclasses import dataclass, replace

STEADY_SECONDS = 10.0
"""A process that has listened for so long has accepted its configuration."""
GAP_SECONDS = 5.0
"""A longer pause between two looks is one of the sidecar. It does not count as time without the agent."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the agent, identified by its listening `sockets`.

    `digest` identifies the files in the agent's folder when it started, "" if two versions are
    possible. It started after `since`, in seconds since the epoch. `restarted` is when it was first seen,
    in seconds of the monotonic clock, or 0.0 for the first process of the pod.
    """

    sockets: str
    digest: str = ""
    since: float = 0.0
    restarted: float = 0.0


class Watch:
    """The newest process of the agent. `process` is known from before, and started after `since`.

    `now` is the time of the monotonic clock, which no change of the date affects. It continues when the
    sidecar's container is restarted.
    """

    def __init__(self, now: float, *, process: Process | None = None, since: float = 0.0) -> None:
        self.process = process
        self.listening = False
        self.steady = False
        self._since = since
        self._files: set[str] = set()
        self._seen_at = self._listens_since = self._steady_at = now

    def see(self, sockets: str, now: float, date: float) -> bool:
        """Take the sockets that listen now, "" if there are none. Returns whether the process is another.

        `date` is in seconds since the epoch.
        """
        gap, self._seen_at = now - self._seen_at, now
        if gap > GAP_SECONDS:
            self._steady_at += gap
        known = self.process is not None and _overlap(sockets, self.process.sockets)
        if self.process is not None and known:
            # It has opened or closed another port.
            self.process = replace(self.process, sockets=sockets)
        elif sockets:
            # The old process may have ended right after it was last seen, and the new one may have read
            # each version that was in the folder since.
            digest = next(iter(self._files)) if len(self._files) == 1 else ""
            restarted = now if self.process is not None else 0.0
            self.process = Process(sockets, digest, self._since, restarted)
        if sockets and not (known and self.listening):
            self._listens_since = now
        self.listening = bool(sockets)
        if self.listening:
            self._since = date
            self._files.clear()
        self.steady = self.listening and now - self._listens_since >= STEADY_SECONDS
        if self.steady:
            self._steady_at = now
        return self.listening and not known

    def note_files(self, digest: str) -> None:
        """Take what is in the agent's folder now, "" for nothing. Call it after each `see` and write."""
        if digest:
            self._files.add(digest)

    def unsteady(self, now: float) -> float:
        """Seconds since a process was last steady."""
        return max(now - self._steady_at, 0.0)


def _overlap(one: str, other: str) -> bool:
    """Whether two lists of sockets have one in common."""
    return bool(one and other and set(one.split(",")) & set(other.split(",")))
