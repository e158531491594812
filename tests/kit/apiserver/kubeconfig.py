"""The kubeconfig of a test cluster, of a scripted server, or of a missing server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

NOWHERE = "http://127.0.0.1:9"
"""Where no API server is."""


def write_kubeconfig(
    path: Path,
    url: str,
    *,
    namespace: str = "default",
    user: Mapping[str, str] | None = None,
    **cluster: str,
) -> Path:
    """Write one with one context; `cluster` holds further fields of the cluster, e.g.

    `proxy_url="…"`.
    """
    said = {name.replace("_", "-"): value for name, value in cluster.items()}
    context = {"cluster": "test", "user": "test", "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, **said}}],
        "users": [{"name": "test", "user": user or {}}],
        "contexts": [{"name": "test", "context": context}],
        "current-context": "test",
    }
    path.write_text(json.dumps(config, indent=1))
    path.chmod(0o600)
    return path
