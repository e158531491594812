"""Free text in an Agent: what a reader cannot see is refused, and how long it may be.

`maxPromptLength` of a policy bounds the system message, and once more the sum of all other free text:
description, agent card, annotations. So a text cannot be split over many fields to make it longer.
"""

from __future__ import annotations

import re

from hotpeers_shim.contract import visible_text

from ..reasons import Reason
from .judge import Judge

# A braille cell without dots is a blank; between other cells it parts words.
_BRAILLE = "\u2800-\u28ff"
_LONE_BLANK = re.compile(f"(?<![{_BRAILLE}])\u2800|\u2800(?![{_BRAILLE}])|\u2800\u2800")
_NEEDED = "a text without control or invisible characters"


def hides(text: str) -> bool:
    """Whether `text` holds characters that are not seen, but read by a model.

    It is what the shim removes from texts of peers (`contract.visible_text`), and blank braille cells.
    Line ends of Windows are no such characters.
    """
    plain = text.replace("\r\n", "\n")
    return visible_text(plain) != plain or _LONE_BLANK.search(plain) is not None


def judge_line(judge: Judge, path: str, value: object, most: int) -> bool:
    """Judge one line of at most so many characters; whether it is one."""
    wrong = not isinstance(value, str) or len(value) > most
    if wrong or not isinstance(value, str) or any(one in value for one in "\r\n\t") or hides(value):
        judge.malformed(path, value, f"at most {most} visible characters in one line")
        return False
    return True


def judge_prompt(judge: Judge, path: str, value: object) -> None:
    """Judge the system message, which has the policy's length to itself."""
    most = judge.spec.maxPromptLength
    if not isinstance(value, str):
        judge.malformed(path, value, "a text")
    elif len(value) > most:
        wrong = f"{len(value)} characters"
        judge.deny(Reason.PROMPT_TOO_LONG, path, wrong, f"at most {most} characters")
    elif hides(value):
        judge.malformed(path, value, _NEEDED)


def judge_free_text(judge: Judge, path: str, value: object) -> None:
    """Judge any other free text; it uses up a part of what all of them may have together."""
    if not isinstance(value, str):
        judge.malformed(path, value, "a text")
        return
    most = judge.spec.maxPromptLength
    before = judge.characters
    judge.characters += len(value)
    if judge.characters > most:
        # Told once: the fields behind the first one that is too much add nothing.
        if before <= most:
            wrong = f"all text beside the system message has at least {judge.characters} characters"
            allowed = f"at most {most} characters together (maxPromptLength)"
            judge.deny(Reason.PROMPT_TOO_LONG, path, wrong, allowed)
    elif hides(value):
        judge.malformed(path, value, _NEEDED)
