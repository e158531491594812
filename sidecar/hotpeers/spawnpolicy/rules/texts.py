"""Free text in an Agent: its length is limited, and invisible characters are denied.

`maxPromptLength` of a policy limits the system message. Separately, it also limits the sum of all other
free text (description, agent card, annotations). So splitting a text over many fields does not help.
"""

from __future__ import annotations

import re

from hotpeers_shim.contract import visible_text

from ..reasons import PolicyReason
from .walk import Checker

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


def _check_seen(checker: Checker, path: str, text: str) -> None:
    if hidden := hidden_in(text):
        wrong = f"it holds {hidden}, which people do not see and models read"
        checker.deny(PolicyReason.FIELD_MALFORMED, path, wrong, _NEEDED)


def check_line(checker: Checker, path: str, value: object, most: int) -> bool:
    """Checker one line of at most `most` characters. Returns whether it is allowed."""
    if (
        not isinstance(value, str)
        or len(value) > most
        or any(one in value for one in "\r\n\t")
        or hidden_in(value)
    ):
        checker.malformed(path, value, f"at most {most} visible characters in one line")
        return False
    return True


def check_prompt(checker: Checker, path: str, value: object) -> None:
    """Checker the system message. Its length does not count towards other free text."""
    most = checker.spec.maxPromptLength
    if not isinstance(value, str):
        checker.malformed(path, value, "a text")
    elif len(value) > most:
        wrong = f"{len(value)} characters"
        checker.deny(PolicyReason.PROMPT_TOO_LONG, path, wrong, f"at most {most} characters")
    else:
        _check_seen(checker, path, value)


def check_free_text(checker: Checker, path: str, value: object) -> None:
    """Checker any other free text. Its length counts towards the common limit of these texts."""
    if not isinstance(value, str):
        checker.malformed(path, value, "a text")
        return
    most = checker.spec.maxPromptLength
    before = checker.characters
    checker.characters += len(value)
    if checker.characters > most:
        # Report the excess once, at the first field beyond the limit.
        if before <= most:
            wrong = (
                f"all text beside the system message has at least {checker.characters} characters"
            )
            allowed = f"at most {most} characters together (maxPromptLength)"
            checker.deny(PolicyReason.PROMPT_TOO_LONG, path, wrong, allowed)
    else:
        _check_seen(checker, path, value)
