"""The audit log of calls: one JSON object per line, and never the content of a call.

The lines go to the logger `hotpeers.audit`, which writes them to standard error, also where the agent
has its own logging. Everything in a line that comes from others is cleaned and bounded, and JSON
escapes line breaks, so that no value can look like a second line.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ..contract import Peer, clean_text

logger = logging.getLogger("hotpeers.audit")

EVENT = "call"
MAX_NAME = 253
"""The longest name in a line, in characters."""
_MAX_ID = 128


def write(  # noqa: PLR0913 - the fields of a line
    peer: Peer,
    *,
    orchestrator: str,
    user: str,
    via: Iterable[str],
    operation: str,
    seconds: float,
    outcome: str,
    state: str,
    reason: str,
    task: str,
    context: str,
    trace: str,
) -> None:
    """Write the line of one call. `via` are the orchestrators that led to it, the first caller first."""
    line: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "logger": logger.name,
        "event": EVENT,
        "orchestrator": clean_text(orchestrator, MAX_NAME),
        "user": clean_text(user, MAX_NAME),
        "via": [clean_text(name, MAX_NAME) for name in via],
        "peer": clean_text(
            f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name, MAX_NAME
        ),
        "origin": _origin(peer.url),
        "operation": operation,
        "seconds": round(seconds, 3),
        "outcome": outcome,
        "state": state,
        "reason": reason,
        "task": clean_text(task, _MAX_ID),
        "context": clean_text(context, _MAX_ID),
        "trace": trace,
    }
    _prepare()
    logger.info("%s", json.dumps(line))


def _prepare() -> None:
    """Give the logger its own handler, unless the program has set it up (`hotpeers.base.log`)."""
    # An agent's `logging.config` disables the loggers that exist before it, unless it says otherwise.
    logger.disabled = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)


def _origin(url: str) -> str:
    """Scheme, host and port. A path or a query may be a secret, as in the URLs of webhooks."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = parts.hostname or ""
    except ValueError:
        return ""
    return clean_text(f"{parts.scheme}://{host}{port}", MAX_NAME)
