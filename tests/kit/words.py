"""The whole vocabulary: the words of every program."""

import importlib
from pathlib import Path

import hotpeers
from hotpeers.base.reasons import Word, vocabulary


def every_word() -> dict[Word, str]:
    """Each word with its sentence."""
    for path in Path(hotpeers.__file__).parent.glob("*/reasons.py"):
        importlib.import_module(f"hotpeers.{path.parent.name}.reasons")
    return vocabulary()
