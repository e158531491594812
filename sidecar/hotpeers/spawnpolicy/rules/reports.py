"""Besides agents, a governed subject may write the status of its own Orchestrator.

The sidecar of an orchestrator runs with the orchestrator's ServiceAccount and writes this status
(`hotpeers.sidecar.status.orchestrator`). It informs people; no decision reads it. The CRD bounds its
size, RBAC allows the one object, and `controller.admission.pace` limits the rate.
"""

from __future__ import annotations

from ...base.parts import part
from ..request import Request

ALLOWED = "the status of the Orchestrator of its own workload"


def is_own_report(request: Request) -> bool:
    """Whether a request writes the status of the Orchestrator of the subject's workload.

    kagent gives the workload the name of its Agent. The name of another workload is not known, but
    RBAC allows its account only the right one. An Orchestrator of the hub is never meant.
    """
    subject = request.subject
    return (
        (request.group, request.resource, request.subresource)
        == ("hotpeers.dev", "orchestrators", "status")
        and request.operation == "UPDATE"
        and request.namespace == subject.namespace
        and request.name == (subject.agent or request.name)
        and bool(part(request.old_object, "spec", "workload"))
    )
