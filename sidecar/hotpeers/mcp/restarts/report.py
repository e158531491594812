"""A decision as the ack of the agent's configuration, in the words of hot configuration."""

from __future__ import annotations

from hotpeers_shim.contract import CONFIG_PROBLEM_SENTENCES, ConfigAck, ConfigProblem, ConfigState

from .decision import Decision, Step
from .files import Version
from .proof import Proven

_PROBLEMS = {
    Step.REFUSED: (ConfigState.REFUSED, ConfigProblem.REFUSED),
    Step.ROLL_BACK: (ConfigState.REFUSED, ConfigProblem.REFUSED),
    Step.NEEDS_POD: (ConfigState.RESTART, ConfigProblem.RESTART_NEEDED),
    Step.GIVE_UP: (ConfigState.RESTART, ConfigProblem.RESTART_NEEDED),
}


def report(decision: Decision, newest: Version, proven: Proven, live: str) -> ConfigAck:
    """The ack, with its `time` not set. `live` is the digest of the config.json that runs."""
    if decision.step is Step.LIVE:
        return ConfigAck(ConfigState.LIVE, newest.content.digest, proven.hash, proven.seen)
    usual = (ConfigState.WAITING, ConfigProblem.RESTART_WAITS)
    state, problem = _PROBLEMS.get(decision.step, usual)
    message = CONFIG_PROBLEM_SENTENCES[problem]
    if decision.why:
        message = f"{message.rstrip('.')}: {decision.why}."
    return ConfigAck(state, live, "", proven.seen, problem.value, message, decision.restart)
