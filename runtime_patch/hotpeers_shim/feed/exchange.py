"""Requests to the hub, one after the other over one connection. Standard library only.

`urllib.request` would follow redirects and send the token along, and `http.client` has no limit for
a whole answer.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ..contract import MAX_FILE_BYTES, clean_text
from ..proxies import proxy_for, shown_proxy
from . import clock, wire

CONNECT_SECONDS = 5.0
"""The longest time for each of: a connection to one address, the handshake of TLS, a proxy's answer."""
GRACE_SECONDS = 5.0
"""How much longer than asked a server may take to answer."""
BODY_SECONDS = 60.0
"""The longest time to read a list."""
MAX_ANSWER_BYTES = 2 * MAX_FILE_BYTES
"""The largest answer with its headers and its framing, in bytes.

`http.client` does not bound them: it reads a chunk of the size -1 to the end of the connection.
"""
_PIECE = 64 * 1024
_CLOSED = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    http.client.RemoteDisconnected,
)
_PORTS = {"http": 80, "https": 443}


class FetchError(Exception):
    """There was no usable answer. `kind` is the same for each repetition of one problem."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the server. `body` is at most one byte longer than a peer file may be."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Exchange:
    """Asks one URL. `close` is safe at any time; the next request then connects again."""

    def __init__(
        self, url: str, *, ca_file: Path | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        """`ca_file` replaces the system's CAs. Raises `FetchError` if `url` cannot be used."""
        self._url = _parse(url)
        self._target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._ca_file = ca_file
        self._proxy = proxy_for(url, environ)
        self._wire: wire.Wire | None = None
        self._used = clock.now()

    @property
    def shown(self) -> str:
        """The URL for logs, without its query."""
        return f"{self._url.scheme}://{self._url.netloc}{self._url.path}"

    def get(self, headers: Mapping[str, str], wait: float) -> Answer:
        """Send one GET. `wait` is the time that the server was asked to wait, in seconds.

        Raises `FetchError`, or `StoodStillError` if the process stood still meanwhile.
        """
        if self._wire is not None and clock.jumped(self._used, clock.now()):
            # The connection was idle for longer than this client ever leaves it.
            self.close()
        try:
            if self._wire is not None:
                # Also if it has bytes left of an answer before, such as a body of a 304.
                with contextlib.suppress(_ClosedError, http.client.BadStatusLine):
                    return self._ask(self._wire, headers, wait)
                self.close()
            self._wire = self._connect()
            return self._ask(self._wire, headers, wait)
        except wire.StoodStillError:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise self._explained(error) from error
        except FetchError:
            self.close()
            raise
        finally:
            self._used = clock.now()

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            with contextlib.suppress(OSError):
                self._wire.close()
            self._wire = None

    def _ask(self, connection: wire.Wire, headers: Mapping[str, str], wait: float) -> Answer:
        target = self._target
        fields = {
            "Host": self._url.netloc,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **headers,
        }
        if self._proxy is not None and self._url.scheme == "http":
            target = f"{self._url.scheme}://{self._url.netloc}{target}"
            fields |= _proxy_authorization(self._proxy)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection.deadline = wire.after(wait + GRACE_SECONDS)
        connection.budget = MAX_ANSWER_BYTES
        response = http.client.HTTPResponse(connection, method="GET")  # type: ignore[arg-type]
        try:
            connection.send(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode("ascii"))
            response.begin()
        except _CLOSED as error:
            # The server closes idle connections: nothing is lost, as a GET may be repeated.
            raise _ClosedError(str(error)) from error
        connection.deadline = wire.after(BODY_SECONDS)
        answer = Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            _body(response) if response.status == 200 else b"",
        )
        if response.status not in (200, 304) or response.will_close:
            self.close()
        return answer

    def _connect(self) -> wire.Wire:
        proxy = urlsplit(self._proxy) if self._proxy else None
        if proxy is None:
            connection = _dial(self._url)
        else:
            if proxy.scheme not in _PORTS or (proxy.scheme, self._url.scheme) == ("https", "https"):
                raise FetchError(
                    "proxy", f"a {proxy.scheme} proxy cannot be used for {self._url.scheme} here"
                )
            connection = _dial(proxy)
            if proxy.scheme == "https":
                connection = self._secured(connection, proxy, None)
        wire.tune(connection)
        if self._url.scheme == "https":
            if self._proxy is not None:
                try:
                    self._tunnel(connection)
                except BaseException:
                    connection.close()
                    raise
            connection = self._secured(connection, self._url, self._ca_file)
        return wire.Wire(connection)

    def _tunnel(self, connection: socket.socket) -> None:
        authority = f"{_bracketed(self._url)}:{_port(self._url)}"
        fields = {"Host": authority, **_proxy_authorization(self._proxy or "")}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        through = wire.Wire(connection)
        through.deadline = wire.after(CONNECT_SECONDS)
        through.budget = MAX_ANSWER_BYTES
        through.send(f"CONNECT {authority} HTTP/1.1\r\n{head}\r\n".encode("ascii"))
        response = http.client.HTTPResponse(through, method="CONNECT")  # type: ignore[arg-type]
        response.begin()
        if response.status != 200:
            raise FetchError("proxy", f"the proxy answered {response.status} to CONNECT")

    def _secured(
        self, connection: socket.socket, url: SplitResult, ca_file: Path | None
    ) -> socket.socket:
        # A snapshot that is restored twice has the state of OpenSSL's generator twice.
        ssl.RAND_add(os.urandom(32), 32.0)
        try:
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        except OSError as error:
            connection.close()
            why = error.strerror or str(error)
            raise FetchError(
                "ca", f"HOTPEERS_PEERS_CA_FILE={ca_file} cannot be used: {why}"
            ) from error
        # Python requires extensions since 3.13 that private CAs often lack. One may be in the variable
        # SSL_CERT_FILE, such as that of a gateway which decrypts.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        connection.settimeout(CONNECT_SECONDS)
        try:
            return context.wrap_socket(connection, server_hostname=url.hostname)
        except BaseException:
            connection.close()
            raise

    def _explained(self, error: Exception) -> FetchError:
        kind, text = type(error).__name__, ""
        if isinstance(error, ssl.SSLCertVerificationError):
            which = self._ca_file or "the system's CAs"
            kind, text = "tls", f"its certificate is not trusted by {which}: {error.verify_message}"
        elif isinstance(error, http.client.HTTPException):
            kind, text = "http", f"the answer is not HTTP: {clean_text(str(error), 200)!r}"
        for some, named, sentence in _SENTENCES:
            if isinstance(error, some):
                kind, text = named, sentence
                break
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        via = f" (over the proxy {shown_proxy(self._proxy)})" if self._proxy else ""
        return FetchError(kind, (text or clean_text(reason, 300)) + via)


class _ClosedError(OSError):
    """The server closed the connection before it answered."""


_SENTENCES: tuple[tuple[type[Exception], str, str], ...] = (
    (_ClosedError, "closed", "the connection was closed before an answer"),
    (wire.TooLargeError, "size", f"its answer has more than {MAX_ANSWER_BYTES} bytes"),
    (TimeoutError, "timeout", "no answer in time"),
    (http.client.IncompleteRead, "cut", "the answer ends too early"),
)


def _parse(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError as error:
        raise FetchError("url", f"it is not a URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise FetchError("url", "it is not an http or https URL")
    if "@" in parts.netloc:
        raise FetchError("url", "it has a user or a password; set HOTPEERS_PEERS_TOKEN instead")
    if not url.isascii() or any(not sign.isprintable() or sign == " " for sign in url):
        raise FetchError("url", "it has characters that a URL cannot have")
    return parts


def _port(url: SplitResult) -> int:
    return url.port or _PORTS.get(url.scheme, 0)


def _bracketed(url: SplitResult) -> str:
    host = url.hostname or ""
    return f"[{host}]" if ":" in host else host


def _dial(url: SplitResult) -> socket.socket:
    return socket.create_connection((url.hostname or "", _port(url)), CONNECT_SECONDS)


def _proxy_authorization(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _body(response: http.client.HTTPResponse) -> bytes:
    """The body, cut one byte behind the limit of a peer file."""
    encoding = response.getheader("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise FetchError("encoding", f"its answer is compressed as {clean_text(encoding, 40)!r}")
    body = bytearray()
    while len(body) <= MAX_FILE_BYTES and (piece := response.read(_PIECE)):
        body += piece
    if len(body) > MAX_FILE_BYTES:
        response.will_close = True
        return bytes(body[: MAX_FILE_BYTES + 1])
    if response.length:
        # `read` with a size does not report a body that ends too early.
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(body)
