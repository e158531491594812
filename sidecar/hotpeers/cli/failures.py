"""One style for the errors of all commands: one line on standard error, and one exit code.

0: done. 1: the command did its work, and found something wrong. 2: the command could not do its work.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from ..base.errors import HotpeersError
from .output import FAILED

_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_INTERRUPTED = 130
_CUT_OFF = 141
"""As a shell reports a program that SIGINT or SIGPIPE ended."""


class CutOffError(Exception):
    """The reader of standard output went away, as in `hotpeers status | head -1`."""


@contextmanager
def noticing_cut_off() -> Iterator[None]:
    """Raises `CutOffError` for a broken pipe, which click would turn into the exit code of a finding."""
    try:
        yield
    except BrokenPipeError as error:
        raise CutOffError from error


def run_command(run: Callable[[], Any]) -> NoReturn:
    """Run a command and exit. An unexpected error is printed with its traceback: it is a defect."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 must not make an error of a text.
        if callable(reconfigure := getattr(stream, "reconfigure", None)):
            reconfigure(errors="backslashreplace")
    try:
        code = run()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        raise SystemExit(FAILED) from None
    except (click.ClickException, HotpeersError) as error:
        _fail(_line(error))
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(_INTERRUPTED) from None
    except CutOffError:
        # At its end Python writes what is left, and would report that this fails.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_CUT_OFF) from None
    except Exception as error:  # noqa: BLE001 - an exit code of 1 would mean a finding
        if isinstance(error, OSError) and error.errno in _NOT_WRITTEN:
            _fail(f"the output cannot be written: {error.strerror}")
        traceback.print_exception(error)
        _fail(f"{type(error).__name__}: {error}; this is a defect of hotpeers, please report it")
    raise SystemExit(code if isinstance(code, int) else 0)


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    raise SystemExit(FAILED)


def _line(error: click.ClickException | HotpeersError) -> str:
    if isinstance(error, HotpeersError):
        return str(error)
    said = error.format_message().rstrip(".").replace(". Did you mean", "; did you mean")
    said = said[:1].lower() + said[1:]
    if not isinstance(error, click.UsageError):
        return said
    command = error.ctx.command_path if error.ctx is not None else "hotpeers"
    see = f"see '{command} --help'"
    return f"{said} {see.capitalize()}" if said.endswith("?") else f"{said}; {see}"
