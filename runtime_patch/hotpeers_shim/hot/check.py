"""Checks the files of a configuration as a whole: the result is `Good` or a `Report`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..contract import (
    CONFIG_PROBLEM_SENTENCES,
    ConfigProblem,
    ConfigState,
    PeerProblem,
    Rejection,
)
from . import changes
from .content import Content
from .document import parse_document
from .runtime import Runtime


@dataclass(frozen=True, slots=True)
class Good:
    """Good files, the configuration object made from them, and its fields as plain values."""

    content: Content
    config: Any
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """The state of the newest files, for the ack. `restart` names changes that need a restart."""

    state: ConfigState
    reason: str = ""
    message: str = ""
    restart: tuple[str, ...] = ()


LIVE = Report(ConfigState.LIVE)


def refused(why: str) -> Report:
    """The report that kagent refuses the configuration."""
    problem = ConfigProblem.REFUSED
    message = f"{CONFIG_PROBLEM_SENTENCES[problem]} {why}"
    return Report(ConfigState.REFUSED, problem.value, message)


def restart_needed(names: tuple[str, ...]) -> Report:
    """The report that the configuration changes `names`, which are read only at the start."""
    problem = ConfigProblem.RESTART_NEEDED
    message = f"{CONFIG_PROBLEM_SENTENCES[problem]} Changed: {', '.join(names)}."
    return Report(ConfigState.RESTART, problem.value, message, names)


def feature_missing(why: str) -> Report:
    """The report that the configuration of this process cannot be followed."""
    return Report(ConfigState.REFUSED, PeerProblem.FEATURE_MISSING.value, why)


class Checker:
    """Checks new files. It compares them with the files that the process started with."""

    def __init__(self, runtime: Runtime, start: Good) -> None:
        self._runtime = runtime
        self._start = start

    def check(self, newest: Content | Rejection) -> Good | Report:
        """Parse, validate, compare with the start, and try to make an agent. Never raises."""
        if isinstance(newest, Rejection):
            return _rejected(newest)
        document = parse_document(newest.config)
        if isinstance(document, Rejection):
            return _rejected(document)
        try:
            config = self._runtime.validate(document)
            facts = self._runtime.facts(config)
            names = changes.restarts(self._start.facts, facts)
            names += changes.changed_files(self._start.content, newest)
            if names:
                return restart_needed(names)
            self._runtime.build(config)
        except Exception as error:  # noqa: BLE001 - any exception of kagent is a refusal
            return refused(self._runtime.explain(error))
        return Good(newest, config, facts)


def _rejected(rejection: Rejection) -> Report:
    return Report(ConfigState.REFUSED, rejection.reason.value, rejection.message)
