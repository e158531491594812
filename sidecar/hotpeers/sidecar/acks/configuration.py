"""What agent processes say of their own configuration, where it is followed: problems, log, labels."""

from __future__ import annotations

import logging
from typing import Any

from hotpeers_shim.contract import (
    CONFIG_PROBLEM_SENTENCES,
    Ack,
    ConfigAck,
    ConfigProblem,
    ConfigState,
    Nack,
    PeerProblem,
)

from ...base.problems import Problem
from .reader import Acks

logger = logging.getLogger(__name__)

_WORDS = {word.value: word for word in (*Nack, *PeerProblem, *ConfigProblem)}


def config_problems(acks: Acks) -> tuple[Problem, ...]:
    """The configurations that are not live, one for each process: `where` begins with the process."""
    found = ((ack.pid, ack.config) for ack in acks.acks)
    return tuple(
        _problem(pid, config)
        for pid, config in found
        if config is not None and config.state is not ConfigState.LIVE
    )


def where_of(pid: int) -> str:
    """What the problems of a process' configuration are of."""
    return f"process {pid}: config.json"


def new_configs(before: Acks, after: Acks) -> list[ConfigAck]:
    """What changed of configurations: one for each process whose state or live content is another.

    What became live is logged; what did not is a problem.
    """
    old = {ack.pid: _key(ack) for ack in before.acks}
    fresh = [ack for ack in after.acks if ack.config is not None and old.get(ack.pid) != _key(ack)]
    for ack in fresh:
        config = ack.config
        if config is not None and config.state is ConfigState.LIVE:
            logger.info(
                "agent process %d: configuration %s is live",
                ack.pid,
                config.digest[:12],
                extra={"pid": ack.pid, "digest": config.digest, "configHash": config.hash},
            )
    return [ack.config for ack in fresh if ack.config is not None]


def config_row(ack: dict[str, Any]) -> tuple[Any, ...] | None:
    """The row of a process in a table of configurations, of the status document; None without one."""
    config = ack.get("config")
    if not config:
        return None
    digest = config["digest"][:12]
    return ack["pid"], config["state"], digest, config["hash"], config["reason"], config["message"]


CONFIG_HEADS = ("Process", "State", "Digest", "Config hash", "Reason", "What")
"""The heads of that table."""


def _problem(pid: int, config: ConfigAck) -> Problem:
    usual = (
        ConfigProblem.RESTART_NEEDED
        if config.state is ConfigState.RESTART
        else ConfigProblem.REFUSED
    )
    reason = _WORDS.get(config.reason, usual)
    message = config.message or CONFIG_PROBLEM_SENTENCES[usual]
    return Problem(where_of(pid), reason, message, field=", ".join(config.restart))


def _key(ack: Ack) -> tuple[str, ...]:
    config = ack.config
    return () if config is None else (config.state.value, config.digest, config.reason)
