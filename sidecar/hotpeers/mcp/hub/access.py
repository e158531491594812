"""Rejects requests without the token of an orchestrator, before anything of them is parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..http import HEALTH
from .tenant import Tenant

TOKEN_HEADER = "x-hotpeers-token"  # noqa: S105 - a name
"""The header with the token. With it, `Authorization` is free for the token of the user."""


def given_token(headers: Mapping[str, str]) -> str:
    """The token in a request: in `TOKEN_HEADER`, or else the bearer token in `Authorization`."""
    found = headers.get(TOKEN_HEADER, "").strip()
    if not found:
        kind, _, rest = headers.get("authorization", "").partition(" ")
        return rest.strip() if kind.lower() == "bearer" else ""
    # kagent reads whole header values from Secrets, so people write "Bearer" there.
    return found[7:].strip() if found[:7].lower() == "bearer " else found


class Guarded:
    """Lets requests of known orchestrators through to `app`.

    `find` returns the orchestrator of a token, None if no orchestrator has it. `is_ready` tells
    whether the hub knows all orchestrators. The SDK binds an MCP session to the user in the scope,
    so a session cannot be used with another token.
    """

    def __init__(
        self,
        app: ASGIApp,
        find: Callable[[str], Tenant | None],
        is_ready: Callable[[], bool],
        rejected: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._find = find
        self._is_ready = is_ready
        self._rejected = rejected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 without a token, 503 before the hub is ready, or else as the application."""
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        if not self._is_ready():
            busy = PlainTextResponse("the hub has not read the cluster yet; try again\n", 503)
            busy.headers["Retry-After"] = "1"
            await busy(scope, receive, send)
            return
        tenant = self._find(given_token(Headers(scope=scope)))
        if tenant is None:
            self._rejected()
            refusal = PlainTextResponse(
                "the token of an Orchestrator is needed, in the header X-Hotpeers-Token or as the bearer "
                "token; its Secret is named in spec.tokenSecret of the Orchestrator\n",
                401,
            )
            refusal.headers["WWW-Authenticate"] = "Bearer"
            await refusal(scope, receive, send)
            return
        identity = AccessToken(token="-", client_id=tenant.orchestrator.uid, scopes=[])  # noqa: S106
        await self._app({**scope, "user": AuthenticatedUser(identity)}, receive, send)
