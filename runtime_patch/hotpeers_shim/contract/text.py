"""Makes text from an untrusted source safe for a model and for a person.

It removes invisible characters: terminal sequences, control characters, characters that reorder
text, tags and all others that Unicode lists as default-ignorable. They can carry instructions that
only a model reads, or make a text look like another one. Joiners are kept if a script or an emoji
needs them.
"""

from __future__ import annotations

import re
import unicodedata

from .limits import MAX_DESCRIPTION

# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt), C0 and C1 controls except
# tab and newline, interlinear annotations, surrogates and private use. ZWNJ and ZWJ (200C, 200D)
# and the variation selectors FE0E and FE0F have their own rules below.
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]+"
)
# CSI, OSC and the two-character sequences of ECMA-48, as terminals interpret them, with C1 forms.
_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]{0,512}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# A word break without width. It becomes a space if no other space separates the words.
_ZERO_WIDTH_SPACE = re.compile("\u200b+")
_SELECTABLE = re.compile("[\u200c\u200d\ufe0e\ufe0f]")
_PLAIN = re.compile(r"[\t\n\x20-\x7e]*")

# Scripts in which ZWJ and ZWNJ change how a word is written: Arabic to Sinhala, Myanmar, Khmer and
# Mongolian, and the blocks that extend them.
_JOINING = (
    (0x0600, 0x0DFF),
    (0x1000, 0x109F),
    (0x1780, 0x18AF),
    (0xA8E0, 0xA8FF),
    (0xAA60, 0xAA7F),
)


def visible_text(text: str) -> str:
    """`text` without invisible characters. Lines are kept, and every line end becomes a newline."""
    if _PLAIN.fullmatch(text):
        return text
    text = _LINE_ENDS.sub("\n", _TERMINAL.sub("", text))
    text = _HIDDEN.sub("", text)
    if not text.isascii():
        text = _ZERO_WIDTH_SPACE.sub(_space, text)
        text = _SELECTABLE.sub(_needed, text)
    return text


def clean_text(text: str, limit: int = MAX_DESCRIPTION) -> str:
    """The visible part of `text` in one line of at most `limit` characters.

    A text that is cut ends in an ellipsis.
    """
    # Cut first, so that a hostile text of many megabytes is not scanned as a whole.
    line = " ".join(visible_text(text[: limit * 4]).split())
    if len(line) <= limit:
        return line
    # The cut may leave a joiner without its second part, so clean the text again.
    return visible_text(line[: limit - 1]).rstrip() + "…"


def cut_text(text: str, limit: int, *, gone: int = 0) -> str:
    """Cut `text` to about `limit` characters: a line with the number cut replaces the middle.

    `gone` characters were cut before. The number in the line includes them.
    """
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    gone += len(text) - head - tail
    return f"{text[:head]}\n[… {gone:,} characters were cut here …]\n{text[-tail:]}"


def _space(match: re.Match[str]) -> str:
    text, start, end = match.string, match.start(), match.end()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    return " " if before.strip() and after.strip() else ""


def _needed(match: re.Match[str]) -> str:
    """The joiner or variation selector if it changes the visible text, else ""."""
    text, at, sign = match.string, match.start(), match.group()
    if at == 0:
        return ""
    before = text[at - 1]
    if sign in "\ufe0e\ufe0f":
        return sign if _is_pictograph(before) or before in "0123456789#*" else ""
    after = text[at + 1 : at + 2]
    drawn = text[at - 2 : at - 1] if before in "\ufe0e\ufe0f" else before
    if sign == "\u200d" and _is_pictograph(drawn) and _is_pictograph(after):
        return sign
    point = ord(before)
    joins = unicodedata.category(before)[0] in "LM" and any(a <= point <= z for a, z in _JOINING)
    return sign if joins else ""


def _is_pictograph(character: str) -> bool:
    """Whether `character` is a symbol such as an emoji, or a skin colour modifier."""
    return bool(character) and (
        unicodedata.category(character) == "So" or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
