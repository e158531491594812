"""Free text in an Agent: its length is limited, and invisible characters are denied.

`maxPromptLength` of a policy limits the system message. Separately, it also limits the sum of all other
free text (description, agent card, annotations). So splitting a text over many fields does not help.
"""

from __future__ import annotations

import re

from hotpeers_shim.contract import visible_text

from ..reasons import PolicyReason
from .walk import Judge

# A braille cell without dots is a blank. It is allowed between other cells, where it separates words.
_BRAILLE = "\u2800-\u28ff"
_LONE_BLANK = re.compile(f"(?<![{_BRAILLE}])\u2800|\u2800(?![{_BRAILLE}])|\u2800\u2800")
_NEEDED = "a text without control or invisible characters"


def hidden_in(text: str) -> str:
    """The first character that people cannot see but models read, such as "U+200B", or "".

    These are the characters that the shim removes from texts of peers (`contract.visible_text`), and
    blank braille cells. Windows line ends are allowed.
    """
    plain = text.replace("\r\n", "\n")
    seen = visible_text(plain)
    if seen != plain:
        at = next((i for i, one in enumerate(seen) if one != plain[i]), len(seen))
        return f"U+{ord(plain[at]):04X}"
    return "U+2800" if _LONE_BLANK.search(plain) else ""


def _judge_seen(judge: Judge, path: str, text: str) -> None:
    if hidden := hidden_in(text):
        wrong = f"it holds {hidden}, which people do not see and models read"
        judge.deny(PolicyReason.FIELD_MALFORMED, path, wrong, _NEEDED)


def judge_line(judge: Judge, path: str, value: object, most: int) -> bool:
    """Judge one line of at most `most` characters. Returns whether it is allowed."""
    if (
        not isinstance(value, str)
        or len(value) > most
        or any(one in value for one in "\r\n\t")
        or hidden_in(value)
    ):
        judge.malformed(path, value, f"at most {most} visible characters in one line")
        return False
    return True


def judge_prompt(judge: Judge, path: str, value: object) -> None:
    """Judge the system message. Its length does not count towards other free text."""
    most = judge.spec.maxPromptLength
    if not isinstance(value, str):
        judge.malformed(path, value, "a text")
    elif len(value) > most:
        wrong = f"{len(value)} characters"
        judge.deny(PolicyReason.PROMPT_TOO_LONG, path, wrong, f"at most {most} characters")
    else:
        _judge_seen(judge, path, value)


def judge_free_text(judge: Judge, path: str, value: object) -> None:
    """Judge any other free text. Its length counts towards the common limit of these texts."""
    if not isinstance(value, str):
        judge.malformed(path, value, "a text")
        return
    most = judge.spec.maxPromptLength
    before = judge.characters
    judge.characters += len(value)
    if judge.characters > most:
        # Report the excess once, at the first field beyond the limit.
        if before <= most:
            wrong = f"all text beside the system message has at least {judge.characters} characters"
            allowed = f"at most {most} characters together (maxPromptLength)"
            judge.deny(PolicyReason.PROMPT_TOO_LONG, path, wrong, allowed)
    else:
        _judge_seen(judge, path, value)
