"""The one thing besides agents that a governed subject may write: Events about its own Agent.

The sidecar of an orchestrator runs with the orchestrator's ServiceAccount and writes them
(`hotpeers.feedback`); an Event is what happened, told to people, and nothing acts on it.
"""

from __future__ import annotations

from typing import Any

from .request import Request
from .size import too_large
from .stamps import part

_FIELDS = frozenset(
    {
        *(
            "apiVersion",
            "kind",
            "metadata",
            "involvedObject",
            "reason",
            "message",
            "source",
            "type",
        ),
        *("firstTimestamp", "lastTimestamp", "eventTime", "count", "action", "series", "related"),
        *("reportingComponent", "reportingInstance"),
    }
)
_METADATA = frozenset(
    {
        *("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation"),
        "managedFields",
    }
)


def is_own_event(request: Request) -> bool:
    """Whether a request writes an Event of the sidecar about the Agent of the subject."""
    subject, event = request.subject, request.object
    if (
        (request.group, request.resource, request.subresource) != ("", "events", "")
        or request.operation not in ("CREATE", "UPDATE")
        or not subject.agent
        or request.namespace != subject.namespace
        or not isinstance(event, dict)
    ):
        return False
    return (
        _is_about(event, subject.agent, subject.namespace)
        and (
            request.operation == "CREATE"
            or _is_about(request.old_object, subject.agent, subject.namespace)
        )
        and set(event) <= _FIELDS
        and set(part(event, "metadata")) <= _METADATA
        and not too_large({**event, "metadata": {}})
    )


def _is_about(event: Any, agent: str, namespace: str) -> bool:
    about = part(event, "involvedObject")
    return (about.get("kind"), about.get("name"), about.get("namespace")) == (
        "Agent",
        agent,
        namespace,
    )
