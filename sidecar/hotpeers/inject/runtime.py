"""Checks in the pod spec whether the agent's container runs a Python that can load the shim.

If the spec does not show it, the container is treated as Python. That is safe: the shim waits for an
agent framework and does nothing in other processes.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator

from .outcome import Json, Skip
from .reasons import InjectReason

# Only the image distinguishes kagent's Go runtime from its Python runtime. Both have no command and the
# same arguments (kagent 0.10.0-rc3, go/core/internal/controller/translator/agent/deployments.go).
_KAGENT_GO = "golang-adk"
_OTHER_PROGRAMS = frozenset(
    [
        *("node", "nodejs", "npm", "npx", "yarn", "pnpm", "bun", "deno"),
        *("java", "dotnet", "ruby", "php", "perl", "go", "nginx", "envoy"),
    ]
)
_SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "busybox"])
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_ISOLATING = frozenset("IES")


def check_runtime(pod: Json, container: Json) -> Skip | None:
    """Why the shim cannot be loaded into the container, or None if no reason is known."""
    if is_windows(pod, container):
        return Skip(InjectReason.NOT_LINUX)
    if runs_kagent_go(container):
        return Skip(InjectReason.NOT_PYTHON, f"image {str(container.get('image'))[:100]}")
    command = container.get("command") or []
    program = posixpath.basename(command[0]) if command else ""
    if program in _OTHER_PROGRAMS:
        return Skip(InjectReason.NOT_PYTHON, f"command {program}")
    words = list(_words([*command, *(container.get("args") or [])]))
    if option := _isolating_option(words):
        return Skip(InjectReason.PYTHON_ISOLATED, option)
    return None


def runs_kagent_go(container: Json) -> bool:
    """Whether the container's image is kagent's Go runtime."""
    image = str(container.get("image") or "")
    return posixpath.basename(image.partition("@")[0]).partition(":")[0] == _KAGENT_GO


def is_windows(pod: Json, container: Json) -> bool:
    """Whether the container is for Windows."""
    spec = pod["spec"]
    selector = spec.get("nodeSelector") or {}
    names = [
        (spec.get("os") or {}).get("name"),
        selector.get("kubernetes.io/os"),
        selector.get("beta.kubernetes.io/os"),
    ]
    contexts = [spec.get("securityContext"), container.get("securityContext")]
    return "windows" in names or any((one or {}).get("windowsOptions") for one in contexts)


def _words(arguments: list[str]) -> Iterator[str]:
    """The words of a command line, including the words of a shell script in it."""
    shell = bool(arguments) and posixpath.basename(arguments[0]) in _SHELLS
    for word in arguments:
        if shell and any(character.isspace() for character in word):
            try:
                yield from shlex.split(word, comments=True)
                continue
            except ValueError:
                pass  # a shell would reject it too
        yield word


def _isolating_option(words: list[str]) -> str:
    """The option that makes Python ignore PYTHONPATH or `sitecustomize`, or ""."""
    start = next(
        (at for at, word in enumerate(words) if _PYTHON.fullmatch(posixpath.basename(word))), None
    )
    if start is None:
        return ""
    rest = iter(words[start + 1 :])
    for word in rest:
        if not word.startswith("-") or word in ("-", "--"):
            return ""
        if word == "--check-hash-based-pycs":
            next(rest, "")
        if word.startswith("--"):
            continue
        # `-uIc` is -u, -I and -c. The text after the first option with a value is its value.
        letters = re.split("[cmWX]", word, maxsplit=1)[0]
        if set(letters) & _ISOLATING:
            return word[:40]
        if (ending := word[len(letters) :]) and ending[0] in "cm":
            return ""
        if len(ending) == 1:
            next(rest, "")
    return ""
