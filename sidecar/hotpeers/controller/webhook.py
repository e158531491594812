"""`/inject` over HTTP."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from aiohttp import web

from ..inject.review import Result, Review, review
from ..inject.verdict import Injection
from ..reasons import Reason
from ..web.port.intake import INTAKE, BodyError, GoneError, make_app
from .metrics import ControllerMetrics

logger = logging.getLogger(__name__)


class Webhook:
    """Answers the API server; `injection` is what to put into pods, None while that is unknown."""

    def __init__(self, metrics: ControllerMetrics, draining: Callable[[], bool]) -> None:
        self.injection: Injection | None = None
        self._metrics = metrics
        self._draining = draining

    def app(self) -> web.Application:
        """The application that serves it."""
        app = make_app()
        app.router.add_post("/inject", self._inject)
        return app

    async def _inject(self, request: web.Request) -> web.Response:
        if self.injection is None:
            # The pod is admitted as it is: the webhook's failurePolicy says so.
            return web.Response(status=503, text="not ready yet\n")
        try:
            async with request.app[INTAKE].body(request) as body:
                begun = time.perf_counter()
                done = review(body, self.injection)
                response = web.json_response(done.answer)
        except GoneError as error:
            return web.Response(status=error.status)
        except BodyError as error:
            reason = Reason.REQUEST_INVALID if error.status < 500 else Reason.TOO_BUSY
            logger.warning("a request is not read: %s", error, extra={"reason": reason.value})
            self._metrics.reviewed(Review({}, Result.FAILED, reason), 0.0)
            return web.Response(status=error.status, text=f"{error}\n")
        self._metrics.reviewed(done, time.perf_counter() - begun)
        if self._draining():
            # So that the next request goes to another replica.
            response.force_close()
        return response
