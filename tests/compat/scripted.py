"""A scripted model in the agent's own process, and one conversation with an agent that uses it."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai import types

Step = str | list[tuple[str, dict[str, Any]]]
"""What the model says in one step: words, or calls of tools."""


class ScriptedModel(BaseLlm):
    """Answers with the steps of its script; a function in it is called with the request."""

    model: str = "scripted"
    script: list[Any] = []
    offered: list[list[str]] = []
    seen: list[Any] = []

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncIterator[LlmResponse]:
        names = [
            declaration.name
            for tool in llm_request.config.tools or []
            for declaration in tool.function_declarations or []
        ]
        self.offered.append(names)
        self.seen.append(llm_request)
        step = self.script.pop(0) if self.script else "done"
        if callable(step):
            step = step(llm_request)
        if isinstance(step, str):
            parts = [types.Part(text=step)]
        else:
            parts = [
                types.Part(
                    function_call=types.FunctionCall(
                        id=f"call-{uuid.uuid4().hex[:8]}", name=name, args=args
                    )
                )
                for name, args in step
            ]
        yield LlmResponse(content=types.Content(role="model", parts=parts))


def call(name: str, request: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, {"request": request})]


class Conversation:
    """One session of one agent; `turn` runs one message of the user to the end."""

    def __init__(
        self,
        *,
        tools: list[Any] | None = None,
        agent: Any = None,
        fresh_runner: bool = False,
        sessions: Any = None,
        session_id: str | None = None,
        state: dict[str, Any] | None = None,
        artifacts: Any = None,
        **agent_options: Any,
    ) -> None:
        self.model = ScriptedModel(script=[], offered=[], seen=[])
        self.make_agent: Callable[[], Any] = lambda: (
            agent
            if agent is not None
            else LlmAgent(
                name="orchestrator", model=self.model, tools=list(tools or []), **agent_options
            )
        )
        self.sessions = sessions or InMemorySessionService()
        self.session_id = session_id or f"s-{uuid.uuid4().hex[:8]}"
        self.fresh_runner = fresh_runner
        self.initial_state = state
        self.artifacts = artifacts
        self._runner: Any = None

    def runner(self) -> Any:
        if self._runner is None or self.fresh_runner:
            self._runner = Runner(
                app_name="app",
                agent=self.make_agent(),
                session_service=self.sessions,
                artifact_service=self.artifacts,
            )
        return self._runner

    async def turn(self, text: Any, *script: Any) -> list[Any]:
        """The events of one turn, while the model says `script`."""
        self.model.script[:] = list(script)
        message = (
            text
            if isinstance(text, types.Content)
            else types.Content(role="user", parts=[types.Part(text=text)])
        )
        runner = self.runner()
        if not await self.sessions.get_session(
            app_name="app", user_id="user", session_id=self.session_id
        ):
            await self.sessions.create_session(
                app_name="app",
                user_id="user",
                session_id=self.session_id,
                state=self.initial_state,
            )
        events = []
        async with contextlib.aclosing(
            runner.run_async(user_id="user", session_id=self.session_id, new_message=message)
        ) as stream:
            async for event in stream:
                events.append(event)
        return events

    async def state(self) -> dict[str, Any]:
        session = await self.sessions.get_session(
            app_name="app", user_id="user", session_id=self.session_id
        )
        return dict(session.state)


def results(events: list[Any]) -> list[str]:
    """The results of tools in these events."""
    return [
        str(response.response.get("result"))
        for event in events
        for response in event.get_function_responses()
    ]


def texts(events: list[Any]) -> list[str]:
    return [
        part.text
        for event in events
        for part in (event.content.parts if event.content else None) or []
        if part.text
    ]
