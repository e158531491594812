"""Besides agents, a governed subject may write Events about its own Agent.

The sidecar of an orchestrator runs with the orchestrator's ServiceAccount and writes these Events
(`hotpeers.sidecar.status.events`). They inform people; no controller acts on them. An Event must have a
fixed form and at most `MAX_BYTES` as JSON, so that it cannot pass for an Event of another component.
Only Events of this form can be updated. `controller.admission.pace` limits their rate.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...base.parts import part
from ..request import AGENT_API, AGENT_KIND, Request, Subject
from .size import too_large
from .texts import hidden_in

MAX_BYTES = 4096
ALLOWED = f"Events about its own Agent, of the sidecar's fields, at most {MAX_BYTES} bytes"
COMPONENT = "hotpeers.dev/sidecar"
_MAX_MESSAGE = 1024
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{0,128}")
_TIMES = ("firstTimestamp", "lastTimestamp", "eventTime")
_FIELDS = frozenset(
    {
        *("apiVersion", "kind", "metadata", "involvedObject", "reason", "message", "source"),
        *("type", "count", "action", "reportingComponent", "reportingInstance", *_TIMES),
    }
)
_SYSTEM = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_METADATA = frozenset({"name", "generateName", "namespace", *_SYSTEM})


def is_own_event(request: Request) -> bool:
    """Whether a request writes a sidecar's Event about the Agent of the subject."""
    subject = request.subject
    if (
        (request.group, request.resource, request.subresource) != ("", "events", "")
        or request.operation not in ("CREATE", "UPDATE")
        or not subject.agent
        or request.namespace != subject.namespace
    ):
        return False
    # A subject may not change an Event that another component wrote about its agent.
    return _is_own(request.object, subject) and (
        request.operation == "CREATE" or _is_own(request.old_object, subject)
    )


def _is_own(event: Any, subject: Subject) -> bool:
    if not isinstance(event, dict) or too_large({**event, "metadata": {}}):
        return False
    metadata = part(event, "metadata")
    own = {key: value for key, value in metadata.items() if key not in _SYSTEM}
    return (
        set(event) <= _FIELDS
        and set(metadata) <= _METADATA
        and len(json.dumps({**event, "metadata": own}).encode()) <= MAX_BYTES
        and _is_about(event.get("involvedObject"), subject)
        and _has_its_form(event)
    )


def _is_about(about: Any, subject: Subject) -> bool:
    wanted = {
        "apiVersion": AGENT_API,
        "kind": AGENT_KIND,
        "namespace": subject.namespace,
        "name": subject.agent,
        "uid": subject.agent_uid,
    }
    return (
        isinstance(about, dict)
        and {"kind", "namespace", "name"} <= set(about) <= set(wanted)
        and all(value == wanted[key] for key, value in about.items())
    )


def _has_its_form(event: dict[str, Any]) -> bool:
    source = event.get("source", {})
    message, count = event.get("message", ""), event.get("count", 1)
    return (
        source in ({}, {"component": COMPONENT})
        and event.get("reportingComponent", "") in ("", COMPONENT)
        and _fits(_INSTANCE, event.get("reportingInstance", ""))
        and event.get("type", "") in ("", "Normal", "Warning")
        and _fits(_REASON, event.get("reason", ""))
        and (event.get("action", "") == "" or _fits(_REASON, event["action"]))
        and isinstance(message, str)
        and len(message) <= _MAX_MESSAGE
        and not hidden_in(message)
        and isinstance(count, int)
        and all(event.get(key) is None or isinstance(event[key], str) for key in _TIMES)
    )


def _fits(shape: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and shape.fullmatch(value) is not None
