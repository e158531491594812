"""The console as the chart installs it, with a token as `kubectl create token` makes it."""

from __future__ import annotations

import re

import httpx

from e2e.crew import Crew
from e2e.pods import list_pods
from e2e.release import NAMESPACE, Release
from e2e.stage import PEER_LABEL
from kit.apiserver.client import Object
from kit.apiserver.resources import account_manifest
from kit.waiting import until

CONSOLE = {"app.kubernetes.io/name": "hotpeers", "app.kubernetes.io/component": "console"}
RBAC = "rbac.authorization.k8s.io"


def reader(crew: Crew) -> str:
    """The token of an account that may see the orchestrators of one namespace."""
    api, namespace = crew.stage.api, crew.stage.namespace
    metadata: Object = {"namespace": namespace, "name": "reader"}
    rule = {"apiGroups": ["hotpeers.dev"], "resources": ["orchestrators"], "verbs": ["list"]}
    base: Object = {"apiVersion": f"{RBAC}/v1", "metadata": metadata}
    subject = {"kind": "ServiceAccount", **metadata}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "reader"}
    api.create(account_manifest(namespace, "reader"))
    api.create({**base, "kind": "Role", "rules": [rule]})
    api.create({**base, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/reader/token"
    wanted = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": ["hotpeers-console"], "expirationSeconds": 600},
    }
    return str(api.request("POST", path, wanted)["status"]["token"])


def test_reader_of_a_namespace_sees_its_orchestrators_live(crew: Crew, release: Release) -> None:
    token = reader(crew)

    def address() -> str:
        ready = [one for one in list_pods(release.api, NAMESPACE, CONSOLE) if one.is_ready]
        return ready[0].address if ready else ""

    url = f"http://{until('the console', address, 90)}:8094"
    with httpx.Client(base_url=url, follow_redirects=True, timeout=30) as user:
        assert user.post("/sign-in", data={"token": "no"}).status_code == 403
        assert user.get("/").url.path == "/sign-in"
        assert user.post("/sign-in", data={"token": token}).status_code == 200

        def page(path: str = "/") -> str:
            return re.sub(r"</?(?:wbr|span)[^>]*>", "", user.get(path).text)

        lead = f"{crew.stage.namespace}/{crew.first.name}"
        until("the orchestrator", lambda: lead in page())
        # Every other namespace is hidden, also that of the release.
        assert "hotpeers-system/" not in page()
        with crew.sub_agent("displayed", "I am here.", **{PEER_LABEL: "true"}):
            shown = f"{crew.stage.namespace}/displayed"
            until("its new peer", lambda: shown in page(f"/orchestrators/{lead}"))
            until("the caller of the peer", lambda: shown in page("/picture"))
