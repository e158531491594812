"""A scripted model with a live connection, as `Runner.run_live` takes it."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.models.base_llm_connection import BaseLlmConnection
from google.genai import types


class LiveModel(BaseLlm):
    """A live model whose connection makes the tool calls given to `say`."""

    model: str = "scripted-live"
    connections: int = 0
    steps: Any = None

    def say(self, calls: list[tuple[str, dict[str, Any]]]) -> None:
        if self.steps is None:
            self.steps = asyncio.Queue()
        self.steps.put_nowait(calls)

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncIterator[LlmResponse]:
        raise NotImplementedError
        yield

    @contextlib.asynccontextmanager
    async def connect(self, llm_request: LlmRequest) -> AsyncIterator[BaseLlmConnection]:
        self.connections += 1
        yield LiveConnection(self.steps)


class LiveConnection(BaseLlmConnection):
    """Tool calls come from the script; incoming messages are ignored."""

    def __init__(self, steps: "asyncio.Queue[Any]") -> None:
        self._steps = steps

    async def send_history(self, history: list[types.Content]) -> None:
        pass

    async def send_content(self, content: types.Content) -> None:
        pass

    async def send_realtime(self, input: Any) -> None:  # noqa: A002 - the framework's name
        pass

    async def receive(self) -> AsyncIterator[LlmResponse]:
        calls = await self._steps.get()
        parts = [
            types.Part(
                function_call=types.FunctionCall(
                    id=f"c{uuid.uuid4().hex[:8]}", name=name, args=args
                )
            )
            for name, args in calls
        ]
        yield LlmResponse(content=types.Content(role="model", parts=parts))

    async def close(self) -> None:
        pass
