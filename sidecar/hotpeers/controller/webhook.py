"""`/inject` over HTTP."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

from aiohttp import web

from ..inject.review import Result, Review, review
from ..inject.verdict import Injection
from ..reasons import Reason
from .metrics import ControllerMetrics

logger = logging.getLogger(__name__)

# The API server takes objects of 3 MiB at most.
_LARGEST_REQUEST = 8 * 1024 * 1024


class Webhook:
    """Answers the API server; `injection` is what to put into pods, None while that is unknown."""

    def __init__(self, metrics: ControllerMetrics, draining: Callable[[], bool]) -> None:
        self.injection: Injection | None = None
        self._metrics = metrics
        self._draining = draining

    def app(self) -> web.Application:
        """The application that serves it."""
        app = web.Application(client_max_size=_LARGEST_REQUEST)
        app.router.add_post("/inject", self._inject)
        return app

    async def _inject(self, request: web.Request) -> web.Response:
        if self.injection is None:
            # The pod is admitted as it is: the webhook's failurePolicy says so.
            return web.Response(status=503, text="not ready yet\n")
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            logger.warning("a request is larger than %d bytes", _LARGEST_REQUEST)
            self._metrics.reviewed(Review({}, Result.FAILED, Reason.REQUEST_INVALID), 0.0)
            raise
        begun = time.perf_counter()
        done = review(raw, self.injection)
        response = web.Response(text=json.dumps(done.answer), content_type="application/json")
        self._metrics.reviewed(done, time.perf_counter() - begun)
        if self._draining():
            # So that the next request goes to another replica.
            response.force_close()
        return response
