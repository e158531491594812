"""A sub-agent that speaks A2A 0.3 and 1.0 and remembers each conversation.

    python -m hotpeers_demo.subagent --name weather --says "It will stay dry." --port 0

`/log` shows the questions. After a POST to `/hold` it works on each question until a POST to
`/release`, and reports meanwhile that it is working.
"""

import asyncio
import re
import time
from typing import Any

from a2a.helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hotpeers_demo import serving

_PATIENCE = 60.0
_PULSE = 0.25
_ABOUT_THE_PAST = re.compile(r"\b(before|earlier)\b", re.IGNORECASE)


class SubAgent(AgentExecutor):
    """Answers each question with the same words, and can list the earlier questions."""

    def __init__(self, name: str, says: str) -> None:
        self.name = name
        self.says = says
        self.log: list[dict[str, Any]] = []
        self._go = asyncio.Event()
        self._go.set()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answer one question, once the agent is not held."""
        if context.message is None or context.task_id is None or context.context_id is None:
            return
        question = context.get_user_input()
        asked = self._asked_before(context.context_id)
        entry = {
            "time": time.time(),
            "context": context.context_id,
            "text": question,
            "answered": False,
        }
        self.log.append(entry)
        if context.current_task is None:
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await updater.start_work()
        await self._work(updater)
        await updater.add_artifact([new_text_part(self._answer(question, asked))], name="answer")
        await updater.complete()
        entry["answered"] = True

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Cancel a question."""
        if context.task_id is not None and context.context_id is not None:
            await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()

    def hold(self) -> None:
        """Keep working on questions from now on."""
        self._go.clear()

    def release(self) -> None:
        """Answer the waiting questions and all further ones."""
        self._go.set()

    async def _work(self, updater: TaskUpdater) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._go.is_set() and time.monotonic() < deadline:
            try:
                await asyncio.wait_for(self._go.wait(), _PULSE)
            except TimeoutError:
                await updater.start_work()

    def _asked_before(self, context_id: str) -> list[str]:
        return [entry["text"] for entry in self.log if entry["context"] == context_id]

    def _answer(self, question: str, asked: list[str]) -> str:
        if _ABOUT_THE_PAST.search(question):
            told = "; ".join(asked) if asked else "nothing"
            return f"{self.name} remembers that you asked: {told}"
        return f"{self.name} says: {self.says}"


def make_app(agent: SubAgent, url: str) -> Starlette:
    """Create the server of an agent whose address is `url`."""
    card = _card(agent, url)
    handler = DefaultRequestHandler(
        agent_executor=agent, task_store=InMemoryTaskStore(), agent_card=card
    )

    async def show_log(_: Request) -> JSONResponse:
        return JSONResponse({"requests": agent.log})

    async def hold(_: Request) -> JSONResponse:
        agent.hold()
        return JSONResponse({"held": True})

    async def release(_: Request) -> JSONResponse:
        agent.release()
        return JSONResponse({"held": False})

    routes = [
        *create_agent_card_routes(card),
        *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True),
        Route("/log", show_log, methods=["GET"]),
        Route("/hold", hold, methods=["POST"]),
        Route("/release", release, methods=["POST"]),
    ]
    return Starlette(routes=routes)


def _card(agent: SubAgent, url: str) -> AgentCard:
    skill = AgentSkill(
        id=agent.name,
        name=agent.name,
        description=f"Answers questions about {agent.name}.",
        tags=[agent.name],
    )
    # One endpoint, listed for each version, so that clients of both generations find it.
    interfaces = [
        AgentInterface(url=f"{url}/", protocol_binding="JSONRPC", protocol_version=version)
        for version in ("1.0", "0.3")
    ]
    return AgentCard(
        name=agent.name,
        description=f"Answers questions about {agent.name}.",
        version="1.0.0",
        supported_interfaces=interfaces,
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[skill],
    )


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = serving.arguments("A sub-agent that remembers each conversation.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--says", default="All is well.")
    parser.add_argument("--url", default="", help="its public URL, if not the listening address")
    options = parser.parse_args()
    listener = serving.bind(options.port, options.host)
    agent = SubAgent(options.name, options.says)
    serving.serve(make_app(agent, options.url or serving.url_of(listener)), listener)


if __name__ == "__main__":
    main()
