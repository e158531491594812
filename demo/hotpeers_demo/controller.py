"""The part of kagent's controller that a kagent agent needs: its sessions, events and tasks.

    python -m hotpeers_demo.controller --port 0

The paths and shapes are those that kagent-adk 0.10 uses (`_session_service.py`, `_task_store.py`).
Everything is kept in memory, so a conversation lives as long as this process.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hotpeers_demo import serving


@dataclass
class _Session:
    facts: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)


class Store:
    """Sessions by user and id, tasks by id."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._tasks: dict[str, Any] = {}

    async def create_session(self, request: Request) -> JSONResponse:
        """Create a session, or return the existing one."""
        body = await request.json()
        user = request.query_params.get("user_id") or body["user_id"]
        facts = {
            "id": body["id"],
            "user_id": user,
            "name": body.get("name", ""),
            "agent_id": body.get("agent_ref", ""),
        }
        session = self._sessions.setdefault((user, facts["id"]), _Session(facts))
        return _answer(session.facts, 201)

    async def list_sessions(self, request: Request) -> JSONResponse:
        """List the sessions of one user."""
        user = request.query_params.get("user_id")
        return _answer([s.facts for (owner, _), s in self._sessions.items() if owner == user])

    async def get_session(self, request: Request) -> JSONResponse:
        """Return a session with its events in the order of arrival."""
        session = self._find(request)
        if session is None:
            return _missing("session")
        return _answer({"session": session.facts, "events": session.events})

    async def delete_session(self, request: Request) -> JSONResponse:
        """Delete a session."""
        self._sessions.pop(_key(request), None)
        return _answer(None)

    async def add_event(self, request: Request) -> JSONResponse:
        """Append one event to a session."""
        session = self._find(request)
        if session is None:
            return _missing("session")
        body = await request.json()
        event = {
            "id": body["id"],
            "session_id": session.facts["id"],
            "user_id": session.facts["user_id"],
            "data": body["data"],
        }
        session.events.append(event)
        return _answer(event, 201)

    async def save_task(self, request: Request) -> JSONResponse:
        """Store the latest state of a task."""
        task = json.loads(await request.body())
        self._tasks[task["id"]] = task
        return _answer(task, 201)

    async def get_task(self, request: Request) -> JSONResponse:
        """Return a task."""
        task = self._tasks.get(request.path_params["task"])
        return _missing("task") if task is None else _answer(task)

    async def delete_task(self, request: Request) -> JSONResponse:
        """Delete a task."""
        self._tasks.pop(request.path_params["task"], None)
        return _answer(None)

    def _find(self, request: Request) -> _Session | None:
        return self._sessions.get(_key(request))


def make_app() -> Starlette:
    """Create the server, with an empty store."""
    store = Store()
    session, task = "/api/sessions/{session}", "/api/tasks/{task}"
    routes = [
        Route("/api/sessions", store.create_session, methods=["POST"]),
        Route("/api/sessions", store.list_sessions, methods=["GET"]),
        Route(session, store.get_session, methods=["GET"]),
        Route(session, store.delete_session, methods=["DELETE"]),
        Route(f"{session}/events", store.add_event, methods=["POST"]),
        Route("/api/tasks", store.save_task, methods=["POST"]),
        Route(task, store.get_task, methods=["GET"]),
        Route(task, store.delete_task, methods=["DELETE"]),
    ]
    return Starlette(routes=routes)


def _key(request: Request) -> tuple[str, str]:
    return request.query_params.get("user_id", ""), request.path_params["session"]


def _answer(data: Any, status: int = 200) -> JSONResponse:
    return JSONResponse({"error": False, "data": data, "message": ""}, status)


def _missing(what: str) -> JSONResponse:
    return JSONResponse({"error": True, "data": None, "message": f"no such {what}"}, 404)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = serving.arguments(
        "The part of kagent's controller that a kagent agent needs."
    ).parse_args()
    serving.serve(make_app(), serving.bind(options.port, options.host))


if __name__ == "__main__":
    main()
