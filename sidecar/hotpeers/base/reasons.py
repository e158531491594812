"""The vocabulary of reasons. Status, metrics, logs, Events and denials use the same words.

Each program defines its words in its module `reasons`; `hotpeers_shim.contract` defines those of the
shim. Words are stable, because dashboards, alerts and scripts depend on them. The sentence of a word
may change.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from hotpeers_shim.contract import (
    AGENT_PROBLEM_SENTENCES,
    CALL_PROBLEM_SENTENCES,
    CONFIG_PROBLEM_SENTENCES,
    NACK_SENTENCES,
    PEER_PROBLEM_SENTENCES,
    AgentProblem,
    CallProblem,
    ConfigProblem,
    Nack,
    PeerProblem,
)


class Reason(StrEnum):
    """The base class for the words of a program. A member has a word and a sentence."""

    sentence: str

    def __new__(cls, word: str, sentence: str) -> Self:
        """Create a member; its value is only the word."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member


Word = Reason | Nack | PeerProblem | CallProblem | ConfigProblem | AgentProblem
"""Any word of the vocabulary."""

_OF_THE_SHIM: dict[Word, str] = dict(
    [
        *NACK_SENTENCES.items(),
        *PEER_PROBLEM_SENTENCES.items(),
        *CALL_PROBLEM_SENTENCES.items(),
        *CONFIG_PROBLEM_SENTENCES.items(),
        *AGENT_PROBLEM_SENTENCES.items(),
    ]
)


def sentence_of(word: Word) -> str:
    """The sentence of a word."""
    return word.sentence if isinstance(word, Reason) else _OF_THE_SHIM[word]


def vocabulary() -> dict[Word, str]:
    """All words with their sentences: of the shim, and of each imported module `reasons`."""
    own = [word for program in Reason.__subclasses__() for word in program]
    return {**_OF_THE_SHIM, **{word: word.sentence for word in own}}
