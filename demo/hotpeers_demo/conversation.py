"""An A2A client of the orchestrator, for each version of the protocol that it supports."""

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import httpx
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types import AgentCard, Artifact, Role, SendMessageRequest, StreamResponse, TaskState

from hotpeers_demo.outcome import StepError


@dataclass(frozen=True)
class Turn:
    """The result of one message."""

    state: str
    text: str

    @property
    def completed(self) -> bool:
        """Whether the turn ended in the state `completed`."""
        return self.state == "completed"


class Conversation:
    """One thread: every message carries the same contextId."""

    def __init__(self, client: Client, context_id: str = "") -> None:
        self._client = client
        self.context_id = context_id or str(uuid.uuid4())
        self.turns = 0

    async def say(self, text: str, seconds: float | None = 30.0) -> Turn:
        """Send one message and return the end of the turn. Raises `StepError`.

        None as `seconds` sets no limit.
        """
        try:
            async with asyncio.timeout(seconds):
                turn = await self._say(text)
        except TimeoutError:
            raise StepError(f"the turn “{text}” to end within {seconds:g} s", "no end") from None
        except Exception as error:
            # The errors of an A2A client have no common base class; each means that the turn was lost.
            raise StepError(f"an answer to “{text}”", f"{type(error).__name__}: {error}") from error
        self.turns += 1
        return turn

    async def _say(self, text: str) -> Turn:
        message = new_text_message(text, context_id=self.context_id, role=Role.ROLE_USER)
        state, words, artifacts = "unknown", "", dict[str, str]()
        async for event in self._client.send_message(SendMessageRequest(message=message)):
            state, words = _latest(event, state, words)
            for artifact, append in _artifacts(event):
                said = get_artifact_text(artifact)
                before = artifacts.get(artifact.artifact_id, "") if append else ""
                artifacts[artifact.artifact_id] = before + said
        return Turn(state, "\n".join(filter(None, artifacts.values())) or words)


class Caller:
    """An A2A client of one orchestrator, whose card gives the version of the protocol."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.AsyncClient(timeout=None, trust_env=False)  # noqa: S113 - each wait has its own limit
        self._client: Client | None = None

    async def connect(self) -> AgentCard | None:
        """Read the orchestrator's card; None while it does not answer."""
        try:
            async with asyncio.timeout(60.0):
                card = await A2ACardResolver(self._http, self._url).get_agent_card()
        except Exception:  # noqa: BLE001  (every failure means "not ready yet")
            return None
        self._client = ClientFactory(ClientConfig(httpx_client=self._http)).create(card)
        return card

    def conversation(self, context_id: str = "") -> Conversation:
        """Begin a thread, or continue the one with this id."""
        if self._client is None:
            raise RuntimeError("connect first")
        return Conversation(self._client, context_id)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _latest(event: StreamResponse, state: str, words: str) -> tuple[str, str]:
    if event.HasField("message"):
        return "completed", get_message_text(event.message)
    status = None
    if event.HasField("task"):
        status = event.task.status
    elif event.HasField("status_update"):
        status = event.status_update.status
    if status is None:
        return state, words
    name = TaskState.Name(status.state).removeprefix("TASK_STATE_").lower()
    said = get_message_text(status.message) if status.HasField("message") else ""
    from_agent = status.message.role == Role.ROLE_AGENT
    return name, said if said and from_agent else words


def _artifacts(event: StreamResponse) -> Iterable[tuple[Artifact, bool]]:
    if event.HasField("artifact_update"):
        yield event.artifact_update.artifact, event.artifact_update.append
    elif event.HasField("task"):
        for artifact in event.task.artifacts:
            yield artifact, False
