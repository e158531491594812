"""The product's own RBAC manifests, given to a ServiceAccount of a test."""

from __future__ import annotations

from pathlib import Path

import yaml

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Object

FOLDER = Path(__file__).parents[3] / "k8s" / "rbac"


def grant(account: ServiceAccount, *files: str) -> list[Object]:
    """Apply roles.yaml and these files, filled in for the account; return the objects of all."""
    applied = []
    for file in ("roles.yaml", *files):
        text = (FOLDER / file).read_text()
        text = text.replace("my-agents", account.namespace)
        text = text.replace("my-orchestrator", account.name)
        for manifest in yaml.safe_load_all(text):
            applied.append(account.cluster.api.apply(manifest))
    return applied
