"""Another webhook. As others are, it puts its own folder in front of PYTHONPATH, and does not chain."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from kit.apiserver.certificates import Authority
from kit.apiserver.client import Object

FOLDER = "/otel-auto-instrumentation-python"


def _patch(pod: Any) -> list[Object]:
    spec = pod["spec"]
    at = next(index for index, one in enumerate(spec["containers"]) if one["name"] == "kagent")
    environment = spec["containers"][at].get("env", [])
    place = f"/spec/containers/{at}/env"
    for index, entry in enumerate(environment):
        if entry["name"] == "PYTHONPATH":
            value = f"{FOLDER}:{entry['value']}"
            return [{"op": "replace", "path": f"{place}/{index}/value", "value": value}]
    entry = {"name": "PYTHONPATH", "value": FOLDER}
    if environment:
        return [{"op": "add", "path": f"{place}/-", "value": entry}]
    return [{"op": "add", "path": place, "value": [entry]}]


class _Handler(BaseHTTPRequestHandler):
    patch: Callable[[Any], list[Object]]

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patch = base64.b64encode(
            json.dumps(type(self).patch(review["request"]["object"])).encode()
        ).decode()
        review["response"] = {
            "uid": review.pop("request")["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": patch,
        }
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def rival(
    folder: Path,
    name: str,
    patch: Callable[[Any], list[Object]] = _patch,
    resource: str = "pods",
    group: str = "",
    version: str = "v1",
) -> Iterator[Object]:
    """Serve it; yields its configuration. Those with a smaller name are asked first."""
    folder.mkdir(parents=True)
    authority = Authority(folder)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"patch": staticmethod(patch)})
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, authority.server("rival")))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    bundle = base64.b64encode(authority.file.read_bytes()).decode()
    webhook = {
        "name": "rival.example.com",
        "clientConfig": {"url": f"https://127.0.0.1:{server.server_port}/", "caBundle": bundle},
        "rules": [
            {
                "operations": ["CREATE"],
                "apiGroups": [group],
                "apiVersions": [version],
                "resources": [resource],
            }
        ],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    try:
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
