"""Reports of agent processes on their own configuration: as problems, log lines and table rows.

Only agents whose configuration is followed report on it.
"""

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
    """One problem for each process whose configuration is not live; `where` names the process."""
    found = ((ack.pid, ack.config) for ack in acks.acks)
    return tuple(
        _problem(pid, config)
        for pid, config in found
        if config is not None and config.state is not ConfigState.LIVE
    )


def where_of(pid: int) -> str:
    """The `where` of problems with the configuration of process `pid`."""
    return f"process {pid}: config.json"


def new_configs(before: Acks, after: Acks) -> list[ConfigAck]:
    """The configurations whose state, digest or reason changed, one for each process.

    A configuration that became live is logged. The others are reported as problems.
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
    """The table row for one ack of the status document; None if it reports no configuration."""
    config = ack.get("config")
    if not config:
        return None
    digest = config["digest"][:12]
    return ack["pid"], config["state"], digest, config["hash"], config["reason"], config["message"]


CONFIG_HEADS = ("Process", "State", "Digest", "Config hash", "Reason", "What")
"""The column heads for `config_row`."""


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
