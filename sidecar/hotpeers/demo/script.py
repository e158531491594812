"""What the scripted model does with a conversation: a pure function of its messages and tools.

It behaves as a model does: it knows nothing but the request. What the user wants done stands in the
user's message, in words that a real model understands as well:

    Ask weather: will it rain in Oslo?
    Ask weather: will it rain in Oslo? Then ask news: what is new there?
    Call the removed weather agent again.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ERRAND = re.compile(
    r"\bask (?:the )?(?P<ask>[\w-]+)(?: agent)?\s*:"
    r"|\bcall (?:the )?(?:removed )?(?P<again>[\w-]+)(?: agent)? again\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"[\s,;]*\b(?:and )?then\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Ask:
    """Put a question to an agent, if one of that name is offered."""

    agent: str
    question: str


@dataclass(frozen=True)
class CallAgain:
    """Repeat an earlier call to an agent, whether or not it is still offered."""

    agent: str


@dataclass(frozen=True)
class Say:
    """The model's last word in a turn."""

    text: str


@dataclass(frozen=True)
class CallTool:
    """The model's wish to call a tool."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def parse(text: str) -> tuple[Ask | CallAgain, ...]:
    """Read what a user's message asks for, in its order; nothing if it asks for no agent."""
    found = list(_ERRAND.finditer(text))
    errands: list[Ask | CallAgain] = []
    for index, match in enumerate(found):
        if match["again"]:
            errands.append(CallAgain(match["again"]))
            continue
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        errands.append(Ask(match["ask"], _LINK.sub("", text[match.end() : end]).strip()))
    return tuple(errands)


def decide(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> Say | CallTool:
    """Take the next step of the turn that the last user's message began."""
    start = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=-1)
    errands = parse(text_of(messages[start])) if start >= 0 else ()
    turn = messages[start + 1 :]
    done = len(_calls(turn))
    offered = {str(tool["name"]): tool for tool in map(_function, tools)}
    heard = [_result(message) for message in turn if message.get("role") == "tool"]
    if not errands:
        return Say(_introduction(offered))
    if done >= len(errands):
        return Say("\n".join(heard))
    errand = errands[done]
    if isinstance(errand, CallAgain):
        for call in reversed(_calls(messages[:start])):
            if _means(str(call["name"]), errand.agent):
                return CallTool(str(call["name"]), json.loads(call.get("arguments") or "{}"))
        return Say("\n".join([*heard, f"I have never called an agent {errand.agent}."]))
    for name, tool in offered.items():
        if _means(name, errand.agent):
            return CallTool(name, {_parameter(tool): errand.question})
    missing = f"I have no agent called {errand.agent}. {_introduction(offered)}"
    return Say("\n".join([*heard, missing]))


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a chat message, whose content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def last_user_text(messages: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of the last message of the user, which began the turn."""
    texts = [text_of(message) for message in messages if message.get("role") == "user"]
    return texts[-1] if texts else ""


def offered_names(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the tools that a request offers."""
    return [str(_function(tool)["name"]) for tool in tools]


def _result(message: Mapping[str, Any]) -> str:
    """Return what a tool said; some runtimes wrap it in an object, `{"result": …}`."""
    text = text_of(message)
    try:
        wrapped = json.loads(text)
    except ValueError:
        return text
    return str(wrapped["result"]) if isinstance(wrapped, dict) and "result" in wrapped else text


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function: Mapping[str, Any] = tool["function"]
    return function


def _calls(messages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        call["function"]
        for message in messages
        if message.get("role") == "assistant"
        for call in message.get("tool_calls") or ()
    ]


def _means(tool_name: str, agent: str) -> bool:
    ident = agent.replace("-", "_").lower()
    return tool_name.lower() == ident or tool_name.lower().endswith(f"__ns__{ident}")


def _parameter(tool: Mapping[str, Any]) -> str:
    """Name the parameter that takes the question, as the tool's own schema has it."""
    schema = tool.get("parameters") or {}
    names = [*(schema.get("required") or ()), *(schema.get("properties") or ())]
    return str(names[0]) if names else "request"


def _introduction(offered: Iterable[str]) -> str:
    names = sorted(offered)
    return f"I am offered: {', '.join(names)}." if names else "I am offered no tools."
