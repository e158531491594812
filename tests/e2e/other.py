"""Another injector: a webhook on this machine that prepends to PYTHONPATH in the agent's container."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kit.apiserver.client import ApiError, Object
from kit.node import addresses
from kit.node.images import KAGENT_PACKAGES
from kit.node.node import Node

FOLDER = f"{KAGENT_PACKAGES}/opentelemetry/instrumentation/auto_instrumentation"
"""Of OpenTelemetry's own package in kagent's image: its sitecustomize chains to no other."""
_EXPORTERS = {f"OTEL_{one}_EXPORTER": "none" for one in ("TRACES", "METRICS", "LOGS")}


class OtherInjector:
    """Serves from the start; is asked from `register` on, in one namespace."""

    def __init__(self, node: Node, namespace: str) -> None:
        self._node = node
        self._namespace = namespace
        self._registered: list[Object] = []
        certificate, key = node.issuer.server("other-injector", addresses.HOST)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer((addresses.HOST, 0), _Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def register(self, name: str) -> None:
        """Ask the API server to call it; the name decides when."""
        authority = self._node.authority.read_bytes()
        url = f"https://{addresses.HOST}:{self._server.server_port}/"
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
        place = {"key": "kubernetes.io/metadata.name", "operator": "In"}
        webhook = {
            "name": "telemetry.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(authority).decode()},
            "rules": [{**rule, "resources": ["pods"]}],
            "namespaceSelector": {"matchExpressions": [{**place, "values": [self._namespace]}]},
        }
        manifest = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
        self._registered.append(self._node.api.create(manifest))

    def close(self) -> None:
        for one in self._registered:
            with suppress(ApiError):
                self._node.api.delete(one)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = body["request"]
        patch = base64.b64encode(json.dumps(_change(request["object"])).encode()).decode()
        response = {"uid": request["uid"], "allowed": True}
        response |= {"patchType": "JSONPatch", "patch": patch}
        answer = json.dumps({**body, "request": None, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base
        """Say nothing."""


def _change(pod: Object) -> list[Object]:
    """Prepend to PYTHONPATH, or set it, as OpenTelemetry's operator does."""
    for number, container in enumerate(pod["spec"]["containers"]):
        if container["name"] != "kagent":
            continue
        env = [dict(one) for one in container.get("env") or []]
        before = next((one for one in env if one["name"] == "PYTHONPATH"), None)
        if before is None:
            env.append({"name": "PYTHONPATH", "value": FOLDER})
        else:
            before["value"] = f"{FOLDER}:{before['value']}"
        env += [{"name": name, "value": value} for name, value in _EXPORTERS.items()]
        return [{"op": "add", "path": f"/spec/containers/{number}/env", "value": env}]
    return []
