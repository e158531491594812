"""Rules of `spec.skills`: sources of files that are fetched into the agent's pod."""

from __future__ import annotations

import re
from typing import Any

from ..decision import listed, shown
from ..reasons import PolicyReason
from ..schema.images import described, is_allowed
from .walk import Checker, Handler, each, fields

_MAX_SOURCES = 20
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"[A-Za-z0-9._/-]{0,512}")
_REGION = re.compile(r"[a-z]{2}-[a-z-]{1,20}-[0-9]")


def check_skills(checker: Checker, path: str, value: Any) -> None:
    """Checker the sources of skills."""
    allowed, handlers = checker.spec.skills, dict[str, Handler]()
    # If the policy lists no Secret, the field has no handler and is denied as forbidden.
    if allowed.gitAuthSecrets:
        handlers["gitAuthSecretRef"] = _secret(allowed.gitAuthSecrets)
    if allowed.imagePullSecrets:
        pull = _secret(allowed.imagePullSecrets)
        handlers["imagePullSecrets"] = lambda one, where, item: each(
            one, where, item, pull, _MAX_SOURCES
        )
    fields(
        checker,
        path,
        value,
        {
            **handlers,
            "refs": lambda one, where, item: each(one, where, item, _image, _MAX_SOURCES),
            "gitRefs": lambda one, where, item: each(one, where, item, _git, _MAX_SOURCES),
            "s3Refs": lambda one, where, item: each(one, where, item, _s3, _MAX_SOURCES),
        },
    )


def _secret(allowed: tuple[str, ...]) -> Handler:
    """A handler for a Secret that only the container that fetches skills can read."""

    def handler(checker: Checker, path: str, value: Any) -> None:
        if not isinstance(value, dict) or set(value) != {"name"} or value["name"] not in allowed:
            wrong = "the policy does not allow this Secret for fetching skills"
            checker.deny(PolicyReason.SKILL_NOT_ALLOWED, path, wrong, listed(allowed))

    return handler


def _image(checker: Checker, path: str, value: Any) -> None:
    images = checker.spec.skills.images
    if not is_allowed(value, images):
        wrong = f"{shown(value)} is not allowed"
        checker.deny(PolicyReason.SKILL_NOT_ALLOWED, path, wrong, listed(described(images)))


def _git(checker: Checker, path: str, value: Any) -> None:
    fields(
        checker,
        path,
        value,
        {"url": lambda *_: None, "ref": lambda *_: None, "path": _path, "name": _folder},
    )
    if not isinstance(value, dict):
        return
    url, ref = value.get("url"), value.get("ref")
    sources = checker.spec.skills.git
    if not any(url == one.url and ref in one.refs for one in sources):
        known = tuple(f"{one.url} at {'|'.join(one.refs)}" for one in sources)
        wrong = f"{shown(url)} at {shown(ref)} is not allowed"
        checker.deny(PolicyReason.SKILL_NOT_ALLOWED, path, wrong, listed(known))


def _s3(checker: Checker, path: str, value: Any) -> None:
    fields(checker, path, value, {"uri": lambda *_: None, "region": _region, "name": _folder})
    if not isinstance(value, dict):
        return
    uri, prefixes = value.get("uri"), checker.spec.skills.s3
    for prefix in prefixes:
        if isinstance(uri, str) and uri.startswith(prefix) and _is_plain(uri.removeprefix(prefix)):
            return
    wrong = f"{shown(uri)} is not allowed"
    checker.deny(PolicyReason.SKILL_NOT_ALLOWED, f"{path}.uri", wrong, listed(prefixes))


def _path(checker: Checker, path: str, value: Any) -> None:
    if not isinstance(value, str) or value.startswith("/") or not _is_plain(value):
        checker.malformed(path, value, "a folder of the repository, without '..'")


def _folder(checker: Checker, path: str, value: Any) -> None:
    if not isinstance(value, str) or not _FOLDER.fullmatch(value):
        checker.malformed(path, value, "letters, digits, '.', '_' and '-'")


def _region(checker: Checker, path: str, value: Any) -> None:
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        checker.malformed(path, value, "a region such as eu-central-1")


def _is_plain(key: str) -> bool:
    return bool(_KEY.fullmatch(key)) and not {".", ".."} & set(key.split("/"))
