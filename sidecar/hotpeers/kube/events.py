"""Kubernetes Events of the controller: what happened, told to people. Nothing acts on them."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hotpeers_shim.contract import clean_text

_COMPONENT = "hotpeers.dev/controller"
# The API server refuses notes of more than 1 kB.
_MAX_NOTE = 1000


def make_event(
    regarding: dict[str, str], reason: str, action: str, note: str, *, warning: bool = False
) -> dict[str, Any]:
    """An Event about an object that has a namespace (apiVersion, kind, namespace, name, uid)."""
    now = datetime.now(UTC)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{regarding['name'][:200]}.{uuid4().hex[:16]}",
            "namespace": regarding["namespace"],
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "firstTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "count": 1,
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
        "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
        "action": action,
        "reason": reason,
        "involvedObject": regarding,
        "message": clean_text(note, _MAX_NOTE),
        "type": "Warning" if warning else "Normal",
    }
