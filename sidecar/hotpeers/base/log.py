"""Logging, as text for people or as one JSON object a line."""

from __future__ import annotations

import logging
import sys
from typing import Literal

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"


def set_up_logging(form: Literal["text", "json"], level: str) -> None:
    """Send the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        from pythonjsonlogger.json import JsonFormatter  # noqa: PLC0415 - only where it is used

        handler.setFormatter(
            JsonFormatter(
                "{asctime}{levelname}{name}{message}",
                style="{",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(_SingleLine(_TEXT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("hotpeers").setLevel(level.upper())
    # Each audit message is a JSON object for programs, so level and format do not apply to it.
    lines = logging.StreamHandler(sys.stderr)
    audit = logging.getLogger("hotpeers.audit")
    audit.handlers[:] = [lines]
    audit.propagate = False
    audit.setLevel(logging.INFO)


class _SingleLine(logging.Formatter):
    """Escapes line breaks, so that no message can look like a second log line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in logging
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
