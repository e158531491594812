"""Sends requests to one API server: credentials, limits and errors. Bodies are not interpreted."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import aiohttp

from .. import __version__
from ..base.errors import ConnectionConfigError
from .connection import Access, Connection, connect
from .errors import ServerError, TooLargeError, UnauthorizedError, error_of, translated
from .lazy import import_lazily

import_lazily()

from kubernetes_asyncio.client.rest import RESTClientObject  # noqa: E402 - lazily, see above

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
_FAREWELL_SECONDS = 0.1
_MAX_ERROR_BYTES = 64 * 1024
_READ_BUFFER = 2 * 1024 * 1024
_MAX_BODY_BYTES = 16 * 1024 * 1024
_RENEW_SECONDS = 60.0
_MANAGER = "fieldManager"
_JSON = "application/json"
_METADATA_ONLY = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Params = Mapping[str, str]
Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Client:
    """A client of one API server; use it as an asynchronous context manager.

    The credentials of a pod are read again every minute. All credentials are read again after a 401.
    """

    def __init__(self, access: Access, connection: Connection) -> None:
        self._access = access
        self._connection = connection
        self._rest: RESTClientObject | None = None
        self._trusted = _trust(connection)
        self._read = 0.0
        self._renewing = asyncio.Lock()

    @property
    def namespace(self) -> str:
        """The namespace of this pod, or of the kubeconfig's context."""
        return self._connection.namespace

    async def __aenter__(self) -> Client:
        with translated():
            self._rest = _rest(self._connection)
        self._read = asyncio.get_running_loop().time()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._rest is not None:
            await self._rest.close()
            # Connections of cancelled requests close in the background, and aiohttp has no way to
            # wait for that.
            await asyncio.sleep(_FAREWELL_SECONDS)

    async def get(self, path: str, params: Params | None = None) -> Any:
        """The decoded JSON of a GET."""
        return await self._call("GET", path, params, None)

    async def metadata(self, path: str) -> Any:
        """The metadata of one object; the server does not send the rest of the object."""
        found = await self._call("GET", path, None, None, accept=_METADATA_ONLY)
        return found["metadata"]

    async def date(self, path: str) -> str:
        """The Date header of the answer to a GET; "" if it has none."""
        bounds = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        response = await self._open("GET", path, None, None, bounds)
        with translated():
            async with response:
                await _read_bounded(response, _MAX_BODY_BYTES)
        return str(response.headers.get("Date", ""))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The decoded JSON of a POST."""
        return await self._call("POST", path, None, body)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """The decoded JSON of a PUT; `ConflictError` if `resourceVersion` is not the newest."""
        return await self._call("PUT", path, None, body)

    async def patch(self, path: str, body: Body) -> Any:
        """The decoded JSON of a PATCH: a mapping is a merge patch, a sequence a JSON patch."""
        return await self._call("PATCH", path, None, body)

    async def apply(
        self, path: str, body: Mapping[str, Any], *, manager: str, dry_run: bool = False
    ) -> Any:
        """The decoded JSON of a server-side apply; `ConflictError` if another manager owns a field.

        A field that the kind does not have is an error. With `dry_run` the server runs all checks,
        including admission, but stores nothing.
        """
        params = {_MANAGER: manager, "fieldValidation": "Strict"}
        if dry_run:
            params["dryRun"] = "All"
        return await self._call("PATCH", path, params, body)

    async def delete(
        self, path: str, uid: str = "", version: str = "", *, propagation: str = ""
    ) -> Any:
        """The decoded JSON of a DELETE.

        Raises `ConflictError` if the object has another UID than `uid` or another resource version
        than `version`; "" disables each check. `propagation` is the propagation policy for objects
        that this object owns; "" leaves it to the API server.
        """
        named = {"uid": uid, "resourceVersion": version}
        wanted = {key: value for key, value in named.items() if value}
        body: dict[str, Any] = {"preconditions": wanted} if wanted else {}
        if propagation:
            body["propagationPolicy"] = propagation
        return await self._call("DELETE", path, None, body or None)

    @asynccontextmanager
    async def stream(
        self, path: str, params: Params, *, silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream the body of a GET; `SilentError` if nothing arrives for `silence` seconds."""
        bounds = aiohttp.ClientTimeout(connect=_CONNECT_SECONDS, sock_read=silence)
        response = await self._open("GET", path, params, None, bounds)
        try:
            yield _chunks(response)
        finally:
            _abandon(response)

    async def _call(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Body | None,
        *,
        accept: str = _JSON,
    ) -> Any:
        bounds = aiohttp.ClientTimeout(
            total=4 * _ANSWER_SECONDS, connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS
        )
        response = await self._open(method, path, params, body, bounds, accept)
        with translated():
            async with response:
                raw = await _read_bounded(response, _MAX_BODY_BYTES)
            try:
                return json.loads(raw)
            except RecursionError as error:
                raise ServerError("the answer nests too deep") from error

    async def _open(  # noqa: PLR0913, PLR0917 - all that makes a request
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Body | None,
        bounds: aiohttp.ClientTimeout,
        accept: str = _JSON,
    ) -> aiohttp.ClientResponse:
        """Send a request. After a 401, retry if the credentials have changed. Raises `KubeError`."""
        if self._access.in_cluster and self._age() > _RENEW_SECONDS:
            await self._renew()
        while True:
            used = self._authorization()
            response = await self._send(method, path, params, body, bounds, accept)
            if response.status < 300:
                return response
            with translated():
                async with response:
                    raw = await _read_bounded(response, _MAX_ERROR_BYTES)
            error = error_of(response.status, raw, response.headers.get("Retry-After", ""))
            if not isinstance(error, UnauthorizedError):
                raise error
            await self._renew()
            if self._authorization() == used:
                raise error

    async def _send(  # noqa: PLR0913, PLR0917 - all that makes a request
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Body | None,
        bounds: aiohttp.ClientTimeout,
        accept: str,
    ) -> aiohttp.ClientResponse:
        assert self._rest is not None, "use `async with`"  # noqa: S101
        headers = {"Accept": accept, "User-Agent": f"hotpeers/{__version__}"}
        if authorization := self._authorization():
            headers["Authorization"] = authorization
        if method == "PATCH":
            form = "merge-patch+json" if isinstance(body, Mapping) else "json-patch+json"
            # Only a server-side apply has a field manager. Its body is YAML, which includes JSON.
            form = "apply-patch+yaml" if params and _MANAGER in params else form
            headers["Content-Type"] = f"application/{form}"
        with translated():
            return await self._rest.request(  # type: ignore[no-any-return]
                method,
                self._connection.configuration.host + path,
                query_params=dict(params) if params else None,
                headers=headers,
                body=body,
                _preload_content=False,
                _request_timeout=bounds,
            )

    def _authorization(self) -> str:
        # Token files often end in a newline, which a header must not contain.
        return str(self._connection.configuration.api_key.get("BearerToken", "")).strip()

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._read

    async def _renew(self) -> None:
        """Read the credentials again. If that fails, the old ones stay in use."""
        before = self._read
        async with self._renewing:
            if self._read != before:
                return
            self._read = asyncio.get_running_loop().time()
            try:
                fresh = await connect(self._access)
                if _trust(fresh) != self._trusted:
                    rest = _rest(fresh)
                    replaced, self._rest = self._rest, rest
                    self._trusted = _trust(fresh)
                    if replaced is not None:
                        # This cuts the running requests; a watch continues on the new connection.
                        await replaced.close()
            except (ConnectionConfigError, OSError, ValueError) as error:
                logger.warning("the credentials cannot be read again: %s", error)
                return
            self._connection = fresh


def _rest(connection: Connection) -> RESTClientObject:
    """The object that sends requests. Raises the errors of reading the connection's files.

    Its default session (kubernetes_asyncio 36.1, client/rest.py) looks for proxies and for a password
    in ~/.netrc at each request, in another thread. Requests must not carry such a password. So if no
    proxy is configured, the session is replaced by one that looks for neither.
    """
    rest = RESTClientObject(connection.configuration)
    if not getproxies():
        connector = rest.pool_manager.connector
        rest.pool_manager.detach()
        rest.pool_manager = aiohttp.ClientSession(connector=connector, read_bufsize=_READ_BUFFER)
    return rest


def _trust(connection: Connection) -> tuple[object, ...]:
    """The settings that need a new connection when they change."""
    config = connection.configuration
    files = (config.ssl_ca_cert, config.cert_file, config.key_file)
    return (
        config.host,
        config.verify_ssl,
        config.tls_server_name,
        config.proxy,
        *((name, Path(name).stat().st_mtime_ns) if name else None for name in files),
    )


def _abandon(response: aiohttp.ClientResponse) -> None:
    """Close an unfinished response. Abort the transport: a TLS shutdown would wait for the server."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with translated():
        async for chunk in response.content.iter_any():
            yield chunk


async def _read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise TooLargeError(f"the answer is larger than {limit} bytes")
    return bytes(body)
