"""A plain client of the Kubernetes API, for tests to set the scene with."""

from __future__ import annotations

import http.client
import json
import ssl
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

from kit.apiserver.kubeconfig import write_kubeconfig

_SECONDS = 60.0
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_FIELD_MANAGER = "hotpeers-tests"

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""


class ApiError(Exception):
    """The API server refused; `status` is the HTTP code, `reason` and `message` are its own."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.message = str(body.get("message", ""))
        super().__init__(f"{status} {self.reason}: {self.message}")


@dataclass(frozen=True)
class Access:
    """The URL of a server and an identity: a certificate and key, a token, or anonymous."""

    url: str
    authority: Path
    certificate: tuple[Path, Path] | None = None
    token: str = ""

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings for it."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if self.certificate is not None:
            context.load_cert_chain(*map(str, self.certificate))
        return context

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers for it."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def write_kubeconfig(self, path: Path, namespace: str = "default") -> Path:
        """Write it as a kubeconfig with one context."""
        user = {"token": self.token} if self.token else {}
        if self.certificate is not None:
            certificate, key = map(str, self.certificate)
            user = {"client-certificate": certificate, "client-key": key}
        authority = str(self.authority)
        return write_kubeconfig(
            path, self.url, namespace=namespace, user=user, certificate_authority=authority
        )


class Api:
    """Requests to one API server as one user; idle connections are kept open."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._tls = access.context()
        self._idle: deque[http.client.HTTPSConnection] = deque()
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    # -- objects

    def create(self, manifest: Object) -> Object:
        """Create an object; its apiVersion, kind and namespace say where."""
        return self.request("POST", self.path(manifest, named=False), manifest)

    def create_all(self, manifests: Iterable[Object], threads: int = 4) -> list[Object]:
        """Create many objects, a few at a time."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.create, manifests))

    def apply(self, manifest: Object) -> Object:
        """Create an object or make it so, as `kubectl apply --server-side` does."""
        path = f"{self.path(manifest)}?force=true&fieldManager={_FIELD_MANAGER}"
        return self.request("PATCH", path, manifest, content_type=_APPLY)

    def patch(self, manifest: Object, change: Object, subresource: str = "") -> Object:
        """Merge a change into an object; `subresource` is "status" for its status."""
        path = self.path(manifest) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, change, content_type=_MERGE)

    def delete(self, manifest: Object, **options: Any) -> Object:
        """Delete an object."""
        return self.request("DELETE", self.path(manifest), options or None)

    def read(self, manifest: Object) -> Object:
        """Read an object as it is now."""
        return self.request("GET", self.path(manifest))

    def refusal(self, method: str, path: str, body: Any = None, **more: Any) -> str:
        """Send a request. Returns the message of the error, "" if there is none."""
        try:
            self.request(method, path, body, **more)
        except ApiError as error:
            return error.message or f"status {error.status}"
        return ""

    def is_gone(self, manifest: Object) -> bool:
        """Whether the server has no such object."""
        try:
            self.read(manifest)
        except ApiError as error:
            return error.status == 404
        return False

    def list(self, api_version: str, kind: str, namespace: str = "", **query: Any) -> Object:
        """Read the list of a kind, with its `metadata.resourceVersion`."""
        path = self.path(_reference(api_version, kind, namespace), named=False)
        return self.request("GET", f"{path}?{urlencode(query)}")

    def table(self, api_version: str, kind: str, namespace: str = "") -> Object:
        """Read the list of a kind as `kubectl get` shows it."""
        path = self.path(_reference(api_version, kind, namespace), named=False)
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        return self.request("GET", path, headers=accept)

    def watch(
        self, api_version: str, kind: str, namespace: str = "", **query: Any
    ) -> Iterator[Object]:
        """Yield the events of a kind until the server ends the watch (`timeoutSeconds`)."""
        path = self.path(_reference(api_version, kind, namespace), named=False)
        query = {"watch": "true", "timeoutSeconds": 10, **query}
        connection = self._connect(float(query["timeoutSeconds"]) + _SECONDS)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers=self.access.headers())
            response = connection.getresponse()
            if response.status >= 400:
                raise ApiError(response.status, _decode(response.read()))
            while line := response.readline():
                yield json.loads(line)
        finally:
            connection.close()

    # -- below

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        """Make one request; `ApiError` if it is refused, `OSError` if there is no answer.

        A body of bytes is sent as it is.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self.access.headers(), **(headers or {})}
        if data is not None:
            headers["Content-Type"] = content_type
        connection = self._idle.pop() if self._idle else self._connect(_SECONDS)
        reused = connection.sock is not None
        try:
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
            except (ConnectionError, ssl.SSLEOFError):
                connection.close()
                if not reused:
                    raise
                # The server closed the idle connection. The next use opens a new one.
                connection.request(method, path, data, headers)
                response = connection.getresponse()
            answer = _decode(response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise OSError(f"{method} {path}: {error!r}") from error
        self._idle.append(connection)
        if response.status >= 400:
            raise ApiError(response.status, answer)
        return answer

    def close(self) -> None:
        """Close the connections that are kept open."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, seconds: float) -> http.client.HTTPSConnection:
        parts = urlsplit(self.access.url)
        assert parts.hostname is not None
        return http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=seconds, context=self._tls
        )

    def path(self, manifest: Object, *, named: bool = True) -> str:
        """Return the URL path of an object, or of the list that it is in."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        metadata = manifest.get("metadata", {})
        plural, namespaced = self._resource(version, kind)
        path = _root(version)
        if namespaced and metadata.get("namespace"):
            path += f"/namespaces/{metadata['namespace']}"
        return f"{path}/{plural}/{metadata['name']}" if named else f"{path}/{plural}"

    def _resource(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._resources:
            for resource in self.request("GET", _root(version))["resources"]:
                if "/" not in resource["name"]:
                    key = (version, resource["kind"])
                    self._resources[key] = (resource["name"], resource["namespaced"])
        return self._resources[version, kind]


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _reference(api_version: str, kind: str, namespace: str) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace}}


def _decode(raw: bytes) -> Object:
    try:
        answer = json.loads(raw)
    except ValueError:
        return {"message": raw.decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)}


def read_yaml(path: Path) -> list[Object]:
    """The objects of a YAML file."""
    return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]
