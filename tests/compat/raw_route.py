"""Which call of A2A a request is: of which form, on which task, with which message."""

import re
from dataclasses import dataclass
from typing import Any

import raw_wire as wire
from raw_http import Request

_METHODS = {
    "message/send": ("send", wire.JSONRPC03),
    "message/stream": ("stream", wire.JSONRPC03),
    "tasks/get": ("get", wire.JSONRPC03),
    "tasks/cancel": ("cancel", wire.JSONRPC03),
    "tasks/resubscribe": ("subscribe", wire.JSONRPC03),
    "SendMessage": ("send", wire.V1),
    "SendStreamingMessage": ("stream", wire.V1),
    "GetTask": ("get", wire.V1),
    "CancelTask": ("cancel", wire.V1),
    "SubscribeToTask": ("subscribe", wire.V1),
}
# The tenant of 1.x may hold slashes, as kagent's does.
_REST = re.compile(
    r"/rest(?P<old>/v1)?(?:/(?P<tenant>.+?))?"
    r"/(?:message:(?P<message>send|stream)|tasks/(?P<task>[^/:]+)(?::(?P<verb>cancel|subscribe))?)"
)


@dataclass
class Query:
    """One call. `rest` is whether it came over HTTP+JSON; `rpc_id` is JSON-RPC's."""

    call: str
    form: str
    rest: bool
    body: Any
    task: str = ""
    tenant: str = ""
    rpc_id: Any = None
    name: str = ""

    @property
    def _message(self) -> dict[str, Any]:
        return wire.sent(self.body)

    @property
    def text(self) -> str:
        """The message's text."""
        return wire.text_of(self.body)

    @property
    def context(self) -> str:
        """The contextId that the caller named, or ""."""
        return wire.field(self._message, "contextId")

    @property
    def message_id(self) -> str:
        """The message's id."""
        return wire.field(self._message, "messageId")

    def own(self) -> dict[str, Any]:
        """The fields of a JSON-RPC answer besides its result or error."""
        return {} if self.rest else {"id": self.rpc_id}

    def result(self, value: Any, *, pretty: bool = False) -> bytes:
        """The answer with a result."""
        whole = value if self.rest else {"jsonrpc": "2.0", "id": self.rpc_id, "result": value}
        return wire.encoded(whole, pretty=pretty)

    def logged(self, request: Request) -> dict[str, Any]:
        """The request as the log shows it."""
        return {
            "method": self.name,
            "call": self.call,
            "form": self.form,
            "rest": self.rest,
            "path": request.path,
            "headers": request.headers,
            "body": self.body,
            "text": self.text,
            "taskId": self.task,
            "contextId": self.context,
            "tenant": self.tenant,
        }


def route(request: Request) -> Query | None:
    """The call that a request is; None where there is nothing at its address."""
    if request.path in ("/", "/slash/") and request.method == "POST":
        return _rpc(request)
    match = _REST.fullmatch(request.path)
    if match is None:
        return None
    body = request.json()
    call = match["message"] or match["verb"] or "get"
    form = wire.REST03 if match["old"] else wire.V1
    query = Query(call, form, True, body, match["task"] or "", match["tenant"] or "")
    query.task = query.task or wire.field(query._message, "taskId")
    query.name = f"{request.method} {request.path}"
    return query


def _rpc(request: Request) -> Query:
    envelope = request.json()
    name = str(envelope.get("method"))
    params = envelope.get("params") or {}
    call, form = _METHODS.get(name, ("unknown", wire.JSONRPC03))
    query = Query(call, form, False, params, rpc_id=envelope.get("id"), name=name)
    query.tenant = str(params.get("tenant") or "")
    query.task = str(params.get("id") or wire.field(query._message, "taskId"))
    return query
