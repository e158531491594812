"""Agents and their references, with the hash that kagent v0.10.0-rc3 gives each configuration."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from kit.apiserver.client import Object

_VERSION = "kagent.dev/v1alpha2"


@dataclass(frozen=True)
class Case:
    """One Agent of the namespace `test`, the last of these objects."""

    name: str
    hash: str
    objects: list[Object]

    @property
    def agent(self) -> str:
        return str(self.objects[-1]["metadata"]["name"])


def _object(kind: str, name: str, spec: Object, **more: Any) -> Object:
    metadata = {"name": name, "namespace": "test"}
    return {"apiVersion": _VERSION, "kind": kind, "metadata": metadata, "spec": spec, **more}


def _digest(text: str) -> Object:
    """A status with the hash of a Secret."""
    return {"secretHash": hashlib.sha256(text.encode()).hexdigest()}


def _model(name: str, **spec: Any) -> Object:
    spec = {"provider": "OpenAI", "model": f"model-of-{name}", **spec}
    return _object("ModelConfig", name, spec, status=_digest(name))


def _agent(name: str, description: str, **declarative: Any) -> Object:
    own = {"runtime": "python", "modelConfig": "main", **declarative}
    spec = {"type": "Declarative", "description": description, "declarative": own}
    return _object("Agent", name, spec)


_TUNED = {
    "baseUrl": "http://models.example:8081/v1",
    "temperature": "0.25",
    "topP": "1",
    "maxTokens": 512,
    "seed": 0,
    "apiFormat": "chatCompletions",
}
_SERVER = {
    "description": "Looks words up",
    "url": "http://words.test:80/mcp?a=1&b=2",
    "protocol": "STREAMABLE_HTTP",
    "timeout": "1m30s",
    "terminateOnClose": True,
    "headersFrom": [{"name": "X-Team", "value": "<one>"}, {"name": "A-First", "value": "1"}],
}
_EVENTS = {"description": "Sends events", "url": "http://events.test/sse", "protocol": "SSE"}
_TOOLS = [
    {"type": "Agent", "agent": {"name": "wise-one"}, "isolateSessions": True},
    {
        "type": "McpServer",
        "mcpServer": {
            "kind": "RemoteMCPServer",
            "name": "words",
            "toolNames": ["define", "rhyme"],
            "requireApproval": ["rhyme"],
            "allowedHeaders": ["x-user-id"],
        },
    },
    {"type": "McpServer", "mcpServer": {"kind": "RemoteMCPServer", "name": "events"}},
]
_CONTEXT = {
    "compaction": {
        "compactionInterval": 5,
        "overlapSize": 0,
        "summarizer": {"modelConfig": "short", "promptTemplate": "Shorten: {conversation_history}"},
    }
}
_SKILLS = {
    "refs": ["registry.example:5000/skills/plants:v2", "skills/soil@sha256:00"],
    "gitRefs": [
        {"url": "https://git.example/garden.git", "ref": "main", "path": "skills/water/"},
        {"url": "https://git.example/tools.git", "ref": "0" * 40, "name": "spade"},
    ],
    "insecureSkipVerify": True,
}


def _with_skills() -> Object:
    made = _agent("gardener", "Knows plants", systemMessage="You garden.", stream=True)
    made["spec"]["skills"] = _SKILLS
    made["spec"]["sandbox"] = {"network": {"allowedDomains": ["plants.example"]}}
    return made


def _byo() -> Object:
    spec = {"type": "BYO", "byo": {"deployment": {"image": "example/own:1"}}, "description": "Own"}
    return _object("Agent", "own-code", spec)


CASES = [
    Case(
        "characters that Go escapes",
        "9281143704064988418",
        [
            _model("main"),
            _agent("plain", "A & B", systemMessage='Say <b>"é"</b>\u2028\tthen\x7f\x01.'),
        ],
    ),
    Case(
        "tools",
        "5603858929588599351",
        [
            _model("main", openAI=_TUNED, defaultHeaders={"B": "2", "A": "1"}),
            _object("RemoteMCPServer", "words", _SERVER, status=_digest("words")),
            _object("RemoteMCPServer", "events", _EVENTS, status=_digest("events")),
            _agent("wise-one", "Knows all", systemMessage="You know."),
            _agent("asker", "Asks others", systemMessage="Ask.", tools=_TOOLS),
        ],
    ),
    Case(
        "memory and a summarizer",
        "1002723780848504289",
        [
            _model("main"),
            _model("short"),
            _model("vectors", openAI={"baseUrl": "http://vectors.example/v1"}),
            _agent(
                "elephant",
                "Remembers",
                systemMessage="Remember.",
                context=_CONTEXT,
                memory={"modelConfig": "vectors", "ttlDays": 30},
            ),
        ],
    ),
    Case("skills", "16893987942857307943", [_model("main"), _with_skills()]),
    Case("an image of its own", "16247724455438171453", [_byo()]),
]
