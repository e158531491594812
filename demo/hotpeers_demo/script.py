"""The decisions of the scripted model: a pure function of the messages and tools of a request.

Like a real model, it knows only the request. The user's message says what to do, in words that a
real model understands too:

    Ask weather: will it rain in Oslo?
    Ask weather: will it rain in Oslo? Then ask news: what is new there?
    Call the removed weather agent again.
    Call find with {"query": "maps"}, then call read with {"name": "<hits.0.name of find>"}

The instructions may contain the answer to a message that asks for nothing:

    Answer every question with: It stays dry.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotpeers_demo.recall import NotHeardError, calls_of, fill_in, result_of, text_of

_ERRAND = re.compile(
    r"\bask (?:the )?(?P<ask>[\w-]+)(?: agent)?\s*:"
    r"|\bcall (?:the )?(?:removed )?(?P<again>[\w-]+)(?: agent)? again\b"
    r"|\bcall (?P<tool>[\w-]+) with\s*(?=\{)",
    re.IGNORECASE,
)
_LINK = re.compile(r"[\s,;]*\b(?:and )?then\s*$", re.IGNORECASE)
_INSTRUCTING = ("system", "developer")
_ANSWER = re.compile(r"^\s*Answer every question with: (.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Ask:
    """Ask an agent a question, if an agent of that name is offered."""

    agent: str
    question: str


@dataclass(frozen=True)
class CallAgain:
    """Repeat an earlier call to an agent, whether or not it is still offered."""

    agent: str


@dataclass(frozen=True)
class Use:
    """Call a tool by its exact name. Arguments may refer to earlier results (`recall`)."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Say:
    """The model's final text of a turn."""

    text: str


@dataclass(frozen=True)
class CallTool:
    """The model's request to call a tool."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Errand = Ask | CallAgain | Use


def parse(text: str) -> tuple[Errand, ...]:
    """Return the errands of a user's message, in their order; empty if there are none."""
    errands: list[Errand] = []
    match = _ERRAND.search(text)
    while match is not None:
        end = match.end()
        if match["tool"]:
            try:
                arguments, end = json.JSONDecoder().raw_decode(text, end)
            except ValueError:
                pass  # not JSON: the words are not an errand
            else:
                errands.append(Use(match["tool"], arguments))
        following = _ERRAND.search(text, end)
        if match["ask"]:
            last = following.start() if following else len(text)
            errands.append(Ask(match["ask"], _LINK.sub("", text[end:last]).strip()))
        elif match["again"]:
            errands.append(CallAgain(match["again"]))
        match = following
    return tuple(errands)


def decide(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> Say | CallTool:
    """Return the next step of the turn that the user's last message began."""
    start = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=-1)
    errands = parse(text_of(messages[start])) if start >= 0 else ()
    turn = messages[start + 1 :]
    done = len(calls_of(turn))
    offered = {str(tool["name"]): tool for tool in map(_function, tools)}
    heard = [result_of(message) for message in turn if message.get("role") == "tool"]
    if not errands:
        return Say(_instructed(messages) or _introduction(offered))
    if done >= len(errands):
        return Say("\n".join(heard))
    step = _step(errands[done], messages, messages[:start], offered)
    return step if isinstance(step, CallTool) else Say("\n".join([*heard, step]))


def _step(
    errand: Errand,
    messages: Sequence[Mapping[str, Any]],
    earlier: Sequence[Mapping[str, Any]],
    offered: Mapping[str, Mapping[str, Any]],
) -> CallTool | str:
    """The call for an errand, or a text that says why there is none."""
    if isinstance(errand, CallAgain):
        for call in reversed(calls_of(earlier)):
            if _means(str(call["name"]), errand.agent):
                return CallTool(str(call["name"]), json.loads(call.get("arguments") or "{}"))
        return f"I have never called an agent {errand.agent}."
    if isinstance(errand, Use):
        return _use(errand, messages, offered)
    for name, tool in offered.items():
        if _means(name, errand.agent):
            return CallTool(name, {_parameter(tool): errand.question})
    return f"I have no agent called {errand.agent}. {_introduction(offered)}"


def _use(
    errand: Use, messages: Sequence[Mapping[str, Any]], offered: Iterable[str]
) -> CallTool | str:
    if errand.tool not in offered:
        return f"I have no tool called {errand.tool}. {_introduction(offered)}"
    try:
        return CallTool(errand.tool, fill_in(errand.arguments, messages))
    except NotHeardError as error:
        return str(error)


def last_user_text(messages: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of the last message of the user, which began the turn."""
    texts = [text_of(message) for message in messages if message.get("role") == "user"]
    return texts[-1] if texts else ""


def offered_names(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the tools that a request offers."""
    return [str(_function(tool)["name"]) for tool in tools]


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function: Mapping[str, Any] = tool["function"]
    return function


def _means(tool_name: str, agent: str) -> bool:
    ident = agent.replace("-", "_").lower()
    return tool_name.lower() == ident or tool_name.lower().endswith(f"__ns__{ident}")


def _parameter(tool: Mapping[str, Any]) -> str:
    """The name of the parameter for the question, from the tool's schema."""
    schema = tool.get("parameters") or {}
    names = [*(schema.get("required") or ()), *(schema.get("properties") or ())]
    return str(names[0]) if names else "request"


def _instructed(messages: Iterable[Mapping[str, Any]]) -> str:
    """The answer that the instructions contain, or ""."""
    told = "\n".join(text_of(one) for one in messages if one.get("role") in _INSTRUCTING)
    found = _ANSWER.search(told)
    return found[1] if found else ""


def _introduction(offered: Iterable[str]) -> str:
    names = sorted(offered)
    return f"I am offered: {', '.join(names)}." if names else "I am offered no tools."
