"""The vocabulary of reasons: the same word stands in status, metric, log, Event and denial.

Each program has its own words, in its module `reasons`. The words of the shim are in
`hotpeers_shim.contract`. A word is stable: dashboards, alerts and scripts depend on it. Its
sentence may change.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from hotpeers_shim.contract import (
    CALL_PROBLEM_SENTENCES,
    CONFIG_PROBLEM_SENTENCES,
    NACK_SENTENCES,
    PEER_PROBLEM_SENTENCES,
    CallProblem,
    ConfigProblem,
    Nack,
    PeerProblem,
)


class Reason(StrEnum):
    """The base of each program's words. A member is its word and its sentence."""

    sentence: str

    def __new__(cls, word: str, sentence: str) -> Self:
        """Make a member, whose value is the word alone."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member


Word = Reason | Nack | PeerProblem | CallProblem | ConfigProblem
"""Any word of the vocabulary."""

_OF_THE_SHIM: dict[Word, str] = dict(
    [
        *NACK_SENTENCES.items(),
        *PEER_PROBLEM_SENTENCES.items(),
        *CALL_PROBLEM_SENTENCES.items(),
        *CONFIG_PROBLEM_SENTENCES.items(),
    ]
)


def sentence_of(word: Word) -> str:
    """The sentence of a word."""
    return word.sentence if isinstance(word, Reason) else _OF_THE_SHIM[word]


def vocabulary() -> dict[Word, str]:
    """The words of the shim, and of each program whose module `reasons` is loaded, with their sentences."""
    own = [word for program in Reason.__subclasses__() for word in program]
    return {**_OF_THE_SHIM, **{word: word.sentence for word in own}}
