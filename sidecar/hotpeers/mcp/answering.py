"""The answer to a model when a tool fails. It has the same four fields for every failure."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_types import CallToolResult, TextContent

from ..base.reasons import sentence_of
from ..registry.fault import Fault
from ..registry.reasons import RegistryReason
from .results import FaultResult

logger = logging.getLogger(__name__)


def answered(
    seconds: float,
) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
    """A decorator that returns an expected failure or a timeout of `seconds` as a result for a model."""

    def wrap(tool: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(tool)
        async def call(*args: Any, **kwargs: Any) -> Any:
            try:
                async with asyncio.timeout(seconds):
                    return await tool(*args, **kwargs)
            except Fault as fault:
                logger.info("%s: %s: %s", tool.__name__, fault.reason, fault)
                return _failed(fault)
            except TimeoutError:
                advice = "Look with list_spawned_agents before you try again."
                message = f"{tool.__name__} was given up after {seconds:g} s"
                return _failed(Fault(RegistryReason.OUTCOME_UNKNOWN, message, advice))

        return call

    return wrap


def _failed(fault: Fault) -> CallToolResult:
    result = FaultResult(
        reason=fault.reason.value,
        sentence=sentence_of(fault.reason),
        message=fault.message,
        advice=fault.advice,
    )
    said = result.model_dump()
    return CallToolResult(
        content=[TextContent(type="text", text=json.dumps(said, ensure_ascii=False))],
        structured_content=said,
        is_error=True,
    )
