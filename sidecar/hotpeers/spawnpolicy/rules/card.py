"""Rules of `spec.declarative.a2aConfig`: the skills on an agent's card.

The card is text for other models and people. Besides the card, kagent 0.10 derives only the
`appProtocol` of the agent's Service from this field.
"""

from __future__ import annotations

import re
from typing import Any

from ..reasons import PolicyReason
from .texts import check_free_text
from .walk import Checker, each, fields

_MAX_SKILLS = 32
_MAX_ITEMS = 20
_MEDIA_TYPE = re.compile(r"[a-z]{1,32}(/[A-Za-z0-9][A-Za-z0-9.+_-]{0,126})?")


def check_card(checker: Checker, path: str, value: Any) -> None:
    """Checker the card. Its author is the creator of the agent, or the author of the template."""
    if not checker.spec.a2aConfig and not checker.templated:
        wrong = "the policy allows no text of its own on the agent card"
        allowed = "leave it out, a template that has it, or a policy with a2aConfig: true"
        checker.deny(PolicyReason.FIELD_FORBIDDEN, path, wrong, allowed)
        return
    fields(
        checker,
        path,
        value,
        {"skills": lambda one, where, item: each(one, where, item, _skill, _MAX_SKILLS)},
    )


def _skill(checker: Checker, path: str, value: Any) -> None:
    fields(
        checker,
        path,
        value,
        {
            "id": check_free_text,
            "name": check_free_text,
            "description": check_free_text,
            "tags": _texts,
            "examples": _texts,
            "inputModes": _modes,
            "outputModes": _modes,
        },
    )


def _texts(checker: Checker, path: str, value: Any) -> None:
    each(checker, path, value, check_free_text, _MAX_ITEMS)


def _modes(checker: Checker, path: str, value: Any) -> None:
    each(checker, path, value, _mode, _MAX_ITEMS)


def _mode(checker: Checker, path: str, value: Any) -> None:
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        checker.malformed(path, value, "a media type such as text/plain")
