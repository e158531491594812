"""`/hold` over HTTP: the webhook for updates of kagent's Deployments."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from ...hold.decision import Result
from ...hold.review import review
from ...inject.reasons import InjectReason
from ..metrics import ControllerMetrics
from ..port.intake import INTAKE, BodyError, GoneError
from ..reasons import ControllerReason

logger = logging.getLogger(__name__)


class HoldWebhook:
    """Answers the API server. `account` is the controller's own user; its updates end holds."""

    def __init__(
        self, account: str, metrics: ControllerMetrics, draining: Callable[[], bool]
    ) -> None:
        self._account = account
        self._metrics = metrics
        self._draining = draining

    def add_to(self, app: web.Application) -> None:
        """Add the path to an application."""
        app.router.add_post("/hold", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            async with request.app[INTAKE].body(request) as body:
                begun = time.perf_counter()
                done = review(body, self._account, datetime.now(UTC))
                response = web.json_response(done.answer)
        except GoneError as error:
            return web.Response(status=error.status)
        except BodyError as error:
            # The webhook's failurePolicy makes the API server admit the update unchanged.
            reason = (
                InjectReason.REQUEST_INVALID if error.status < 500 else ControllerReason.TOO_BUSY
            )
            logger.warning("hold: a request is not read: %s", error, extra={"reason": reason.value})
            self._metrics.hold_asked(Result.FAILED.value, 0.0)
            return web.Response(status=error.status, text=f"{error}\n")
        if not done.dry_run:
            self._metrics.hold_asked(done.result.value, time.perf_counter() - begun)
        if self._draining():
            # So that the next request goes to another replica.
            response.force_close()
        return response
