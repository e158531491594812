"""Connects to a cluster, reads it and runs the checks."""

from __future__ import annotations

from ..kube.client import Client
from ..kube.connection import Access, connect
from .checks import BEFORE, checks_after, run_checks, unread_findings
from .reader import Reader
from .report import Report

_DEFAULT_PLACE = "hotpeers-system"


async def check_cluster(
    namespace: str, *, pre: bool, kubeconfig: str = "", context: str = ""
) -> Report:
    """Check before (`pre`) or after an installation.

    Raises `ConnectionConfigError`, and `KubeError` if the API server does not answer.
    """
    access = Access(kubeconfig, context)
    async with Client(access, await connect(access)) as client:
        reader = Reader(client, namespace)
        if pre:
            snapshot = await reader.before(namespace or _DEFAULT_PLACE)
        else:
            snapshot = await reader.after(client.namespace)
    done = run_checks(snapshot, BEFORE if pre else checks_after(snapshot))
    return Report(snapshot, done, unread_findings(snapshot))
