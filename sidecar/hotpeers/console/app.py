"""The routes of the console: pages, events and files; and what every answer has."""

from __future__ import annotations

import gzip
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web

from hotpeers_shim.contract import clean_text

from ..base.hosts import make_host_check
from ..kube.errors import KubeError
from ..page.headers import SECURITY_HEADERS
from ..page.serving import PATH as ASSET_PATH
from ..page.serving import serve_asset
from .clients import Network
from .metrics import ConsoleMetrics
from .pages import Banner, Pages
from .query import local_path
from .reviews import MAX_TOKEN
from .rights import Rights
from .sessions import Sessions
from .sign_in import ReviewToken, SignIn, see
from .streams import Streams
from .world import View, World

logger = logging.getLogger(__name__)

_KEPT_PAGES, _KEPT_BYTES, _KEPT_SECONDS = 128, 16 * 1024 * 1024, 10
_MOST_BODY = 2 * MAX_TOKEN

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """The pages for signed-in users. `review` returns the user of a token.

    `public_url` is where browsers reach it, "" if by a port-forward. `hosts` are further names that they
    may use. `proxies` are trusted to name the client of a request.
    """

    def __init__(  # noqa: PLR0913 - all that it is made of
        self,
        world: World,
        review: ReviewToken,
        rights: Rights,
        *,
        banner: Callable[[], Banner] = Banner,
        audience: str = "",
        public_url: str = "",
        hosts: frozenset[str] = frozenset(),
        proxies: Sequence[Network] = (),
        metrics: ConsoleMetrics | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._world = world
        self._banner = banner
        self._origin = public_url.lower()
        self._secure = self._origin.startswith("https://")
        self._hosts = hosts
        self._sessions = sessions or Sessions()
        self._pages = Pages()
        self._made: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._made_bytes = 0
        self._streams = Streams(world)
        metrics = metrics or ConsoleMetrics()
        metrics.sessions.set_function(self._sessions.number)
        metrics.streams.set_function(lambda: self._streams.number)
        self._sign_in = SignIn(
            *(review, rights, self._sessions, self._pages, metrics),
            audience=audience,
            secure=self._secure,
            proxies=proxies,
        )

    def app(self) -> web.Application:
        """The HTTP application."""
        app = web.Application(
            middlewares=[self._frame, make_host_check(self._hosts), self._check_origin],
            client_max_size=_MOST_BODY,
        )
        router = app.router
        router.add_get(ASSET_PATH, serve_asset)
        router.add_get("/favicon.ico", _no_icon)
        router.add_get("/sign-in", self._sign_in.show)
        router.add_post("/sign-in", self._sign_in.sign_in)
        router.add_post("/sign-out", self._sign_in.sign_out)
        router.add_get("/events", self._events, allow_head=False)
        page = self._page
        router.add_get("/", page("overview.html", "/", self._pages.overview))
        router.add_get("/picture", page("picture.html", "/picture", self._pages.picture))
        router.add_get("/peers", page("peers.html", "/peers", self._pages.peers))
        router.add_get(
            "/spawned", page("spawned.html", "/spawned", lambda view, _: self._pages.spawned(view))
        )
        router.add_get(
            "/policies",
            page("policies.html", "/policies", lambda view, _: self._pages.policies(view)),
        )
        router.add_get("/orchestrators/{namespace}/{name}", self._orchestrator)
        return app

    def end_old_sessions(self) -> None:
        """End the sessions whose time is over, so that their tokens do not stay in memory."""
        self._sessions.end_old()

    # -- pages

    def _page(
        self, template: str, current: str, content: Callable[[View, Any], dict[str, Any]]
    ) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(
                request, template, current, lambda view: content(view, request.query)
            )

        return serve

    async def _orchestrator(self, request: web.Request) -> web.StreamResponse:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        return await self._serve(
            request,
            "orchestrator.html",
            "",
            lambda view: self._pages.orchestrator(view, namespace, name),
        )

    async def _serve(
        self,
        request: web.Request,
        template: str,
        current: str,
        content: Callable[[View], dict[str, Any] | None],
    ) -> web.StreamResponse:
        found = self._sign_in.find(request)
        try:
            visible = await self._sign_in.visible_to(found) if found is not None else None
        except KubeError as error:
            logger.warning("it is not known what a user may see: %s", error)
            return self._message(
                503,
                "Not now",
                "The API server could not be asked what you may see. Try again in a moment.",
            )
        if found is None or visible is None:
            return self._without_session(request)
        view = self._world.view(visible)
        user = clean_text(found.session.user.name, 200)
        zipped = "gzip" in request.headers.get("Accept-Encoding", "")
        # Pages are the same for all who may see the same. A time in them may be some seconds old.
        recent = str(int(time.time() // _KEPT_SECONDS))
        path, name = request.rel_url.raw_path_qs, found.session.user.name
        key = (view.version, visible, recent, path, name, zipped)
        body = self._made.get(key)
        if body is None:
            parts = content(view)
            if parts is None:
                return self._message(
                    404,
                    "Not found",
                    "There is no such orchestrator, or it is in a namespace that you may not see.",
                )
            frame = self._pages.context(view, self._banner())
            text = self._pages.render(template, **frame, **parts, current=current, user=user)
            body = gzip.compress(text.encode(), 4) if zipped else text.encode()
            self._keep(key, body)
        headers = {"Content-Type": "text/html; charset=utf-8", "Vary": "Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    def _keep(self, key: tuple[object, ...], body: bytes) -> None:
        # Queries make any number of pages, and that of all spawned agents has half a megabyte.
        self._made[key] = body
        self._made_bytes += len(body)
        while len(self._made) > _KEPT_PAGES or self._made_bytes > _KEPT_BYTES:
            _, oldest = self._made.popitem(last=False)
            self._made_bytes -= len(oldest)

    def _without_session(self, request: web.Request) -> web.Response:
        target = request.rel_url.raw_path_qs
        if request.headers.get("X-Requested-With") == "hotpeers":
            return web.Response(text="signed out\n", status=401)
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            # The browser sends no SameSite=Strict cookie when it follows a link of another site. From
            # a page of ours it sends the cookie.
            return self._message(200, "hotpeers", "One moment.", again=local_path(target))
        back = local_path(target)
        query = f"?next={quote(back, safe='/')}" if back != "/" else ""
        return see(f"/sign-in{query}")

    def _message(self, status: int, title: str, message: str, again: str = "") -> web.Response:
        body = self._pages.render("message.html", title=title, message=message, again=again)
        return web.Response(text=body, content_type="text/html", status=status)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        found = self._sign_in.find(request)
        if found is None:
            return web.Response(text="signed out\n", status=401)
        try:
            visible_now = partial(self._sign_in.visible_to, found)
            return await self._streams.serve(request, found.session.key, visible_now)
        except KubeError:
            return web.Response(text="the API server could not be asked\n", status=503)

    @web.middleware
    async def _frame(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Adds the headers of every answer."""
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if error.status not in (404, 405):
                self._add_headers(error)
                raise
            response = self._message(error.status, "Not found", "There is no such page.")
        if not response.prepared:
            self._add_headers(response)
        return response

    @web.middleware
    async def _check_origin(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses forms of other sites.

        Browsers send `Origin` with each POST, and pages cannot change it. Some proxies send another Host
        than the browser's: then it is that of the public URL.
        """
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            origin = request.headers.get("Origin", "").lower()
            site = request.headers.get("Sec-Fetch-Site", "same-origin")
            is_own = (
                not origin or origin == self._origin or _host_of(origin) == request.host.lower()
            )
            if site not in ("same-origin", "none") or not is_own:
                return web.Response(text="this form is not one of this server\n", status=403)
        return await handler(request)

    def _add_headers(self, response: web.StreamResponse) -> None:
        response.headers.update(SECURITY_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        if self._secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"


async def _no_icon(_: web.Request) -> web.Response:
    return web.Response(status=404, text="")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
