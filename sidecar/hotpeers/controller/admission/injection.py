"""`/inject` over HTTP, and further paths for pods of Namespaces that opted in, or are a canary."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from ...inject.effective import NOTHING, Sources
from ...inject.outcome import Injection
from ...inject.reasons import InjectReason
from ...inject.review import Request, Result, Review, answer, read_request
from ..metrics import ControllerMetrics
from ..port.intake import INTAKE, BodyError, GoneError, make_app
from ..reasons import ControllerReason

if TYPE_CHECKING:
    from .notices import Notices
    from .owners import Owners

logger = logging.getLogger(__name__)

_PATH, _OPTED_IN, _CANARY = "/inject", "/namespace", "/canary"


class Webhook:
    """Answers the API server. `injection` is the content to inject; None until it is known.

    `owners` reads the Agents and Namespaces of pods. `notices` writes Events about pods that were
    not injected. Both are None if the controller runs without an API server.
    """

    def __init__(
        self,
        metrics: ControllerMetrics,
        draining: Callable[[], bool],
        *,
        canary_image: str = "",
    ) -> None:
        self.injection: Injection | None = None
        self.owners: Owners | None = None
        self.notices: Notices | None = None
        self._metrics = metrics
        self._draining = draining
        self._canary_image = canary_image

    def app(self) -> web.Application:
        """The application that serves all paths."""
        app = make_app()
        # The namespaceSelector of each webhook decides which pods arrive at its path: the labels of
        # the Namespace need not be read again.
        for opted_in in ("", _OPTED_IN):
            for canary in ("", _CANARY):
                app.router.add_post(f"{_PATH}{opted_in}{canary}", self._inject)
        return app

    async def _inject(self, request: web.Request) -> web.Response:
        if self.injection is None:
            # The webhook's failurePolicy makes the API server admit the pod unchanged.
            return web.Response(status=503, text="not ready yet\n")
        try:
            async with request.app[INTAKE].body(request) as body:
                begun = time.perf_counter()
                injection = self._injection_for(request.path, self.injection)
                done = await self._review(body, injection, opted_in=_OPTED_IN in request.path)
                response = web.json_response(done.answer)
        except GoneError as error:
            return web.Response(status=error.status)
        except BodyError as error:
            reason = (
                InjectReason.REQUEST_INVALID if error.status < 500 else ControllerReason.TOO_BUSY
            )
            logger.warning("a request is not read: %s", error, extra={"reason": reason.value})
            self._metrics.reviewed(Review({}, Result.FAILED, reason), 0.0)
            return web.Response(status=error.status, text=f"{error}\n")
        self._metrics.reviewed(done, time.perf_counter() - begun)
        if self._draining():
            # So that the next request goes to another replica.
            response.force_close()
        return response

    def _injection_for(self, path: str, injection: Injection) -> Injection:
        # A canary that ended is as any other Namespace, also if its webhook is still configured.
        if path.endswith(_CANARY) and self._canary_image:
            return replace(injection, image=self._canary_image)
        return injection

    async def _review(self, raw: str, injection: Injection, *, opted_in: bool) -> Review:
        asked = read_request(raw)
        if isinstance(asked, Review):
            return asked
        sources = NOTHING
        if self.owners is not None:
            sources = await self.owners.sources(asked, opted_in=opted_in)
        done = answer(asked, injection, sources)
        self._tell(asked, sources, done)
        return done

    def _tell(self, asked: Request, sources: Sources, done: Review) -> None:
        # A dry run must not write Events.
        if sources.agent is None or self.notices is None or asked.dry_run:
            return
        for skip in done.told:
            self.notices.note(asked.namespace, sources.agent, skip)
