"""Rules of `spec.declarative.tools`: tool servers, the tools of each, and agents as tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..decision import listed, shown
from ..reasons import PolicyReason
from ..schema.policy import McpServer
from .metadata import is_name, matches
from .walk import Checker, each, fields, flag, only

MAX_TOOLS = 20
_MAX_NAMES = 50


def check_tools(checker: Checker, path: str, value: Any) -> None:
    """Checker the list of tools."""
    each(checker, path, value, _tool, MAX_TOOLS)


def _tool(checker: Checker, path: str, value: Any) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or kind not in ("McpServer", "Agent"):
        checker.deny(
            PolicyReason.TOOL_NOT_ALLOWED,
            path,
            "its type is missing or unknown",
            "McpServer, Agent",
        )
        return
    mine = "mcpServer" if kind == "McpServer" else "agent"
    if not isinstance(value.get(mine), dict):
        checker.malformed(f"{path}.{mine}", value.get(mine), "an object")
    handlers: dict[str, Callable[[Checker, str, Any], None]] = {"type": lambda *_: None}
    if kind == "McpServer":
        handlers["mcpServer"] = _server
    else:
        handlers |= {"agent": _agent, "isolateSessions": flag}
    fields(checker, path, value, handlers)


def _server(checker: Checker, path: str, value: Any) -> None:
    if not isinstance(value, dict):
        return
    rule = next((one for one in checker.spec.mcpServers if _is_server(checker, one, value)), None)
    if rule is None:
        known = tuple(_titled(one.kind, one.namespace, one.name) for one in checker.spec.mcpServers)
        title = shown(_titled(value.get("kind"), value.get("namespace"), value.get("name")))
        checker.deny(PolicyReason.TOOL_NOT_ALLOWED, path, f"{title} is not allowed", listed(known))
        return
    fields(
        checker,
        path,
        value,
        {
            "name": lambda *_: None,
            "namespace": lambda *_: None,
            "kind": lambda *_: None,
            "apiGroup": only(
                PolicyReason.TOOL_NOT_ALLOWED,
                *(("",) if rule.kind == "Service" else ("", "kagent.dev")),
            ),
            "toolNames": _names,
            "requireApproval": _names,
            "allowedHeaders": lambda one, where, item: _headers(one, where, item, rule),
        },
    )
    _choose(checker, path, value, rule)


def _is_server(checker: Checker, rule: McpServer, value: dict[str, Any]) -> bool:
    return (
        value.get("kind") == rule.kind
        and value.get("name") == rule.name
        and value.get("namespace", checker.namespace) == (rule.namespace or checker.namespace)
    )


def _choose(checker: Checker, path: str, value: dict[str, Any], rule: McpServer) -> None:
    """Checker the tools chosen from an allowed server, and those that need a person's approval."""
    names, approved = value.get("toolNames") or [], value.get("requireApproval") or []
    if not isinstance(names, list) or not isinstance(approved, list):
        return
    every = "*" in rule.tools
    if not names and (not every or rule.requireApproval):
        wrong = "no tool is named, which means every tool of the server"
        checker.deny(PolicyReason.TOOL_NOT_ALLOWED, f"{path}.toolNames", wrong, listed(rule.tools))
    for number, name in enumerate(names):
        if not every and name not in rule.tools:
            wrong = f"{shown(name)} is not allowed"
            where = f"{path}.toolNames[{number}]"
            checker.deny(PolicyReason.TOOL_NOT_ALLOWED, where, wrong, listed(rule.tools))
        if ("*" in rule.requireApproval or name in rule.requireApproval) and name not in approved:
            wrong = f"{shown(name)} needs a person's approval of each call"
            where = f"{path}.requireApproval"
            checker.deny(PolicyReason.APPROVAL_REQUIRED, where, wrong, "a list with that tool too")


def _names(checker: Checker, path: str, value: Any) -> None:
    each(checker, path, value, _name, _MAX_NAMES)


def _name(checker: Checker, path: str, value: Any) -> None:
    # "*" is a wildcard only in a policy.
    if not isinstance(value, str) or not value or value == "*":
        checker.malformed(path, value, "the name of a tool")
    elif len(value) > 128 or not value.isascii() or not value.isprintable():
        checker.malformed(path, value, "at most 128 printable ASCII characters")


def _headers(checker: Checker, path: str, value: Any, rule: McpServer) -> None:
    def header(one: Checker, where: str, item: Any) -> None:
        if not isinstance(item, str) or item.lower() not in rule.allowedHeaders:
            wrong = f"the header {shown(item)} may not be passed on"
            one.deny(PolicyReason.TOOL_NOT_ALLOWED, where, wrong, listed(rule.allowedHeaders))

    each(checker, path, value, header, _MAX_NAMES)


def _agent(checker: Checker, path: str, value: Any) -> None:
    fields(
        checker,
        path,
        value,
        {
            "name": _agent_name,
            "namespace": lambda *_: None,
            "kind": only(PolicyReason.AGENT_NOT_ALLOWED, "Agent"),
            "apiGroup": only(PolicyReason.AGENT_NOT_ALLOWED, "", "kagent.dev"),
        },
    )
    if not isinstance(value, dict):
        return
    name, namespace = value.get("name"), value.get("namespace", checker.namespace)
    for rule in checker.spec.agentTools:
        same = namespace == (rule.namespace or checker.namespace)
        if same and isinstance(name, str) and matches(name, rule.name):
            return
    known = tuple(_titled("", one.namespace, one.name) for one in checker.spec.agentTools)
    title = shown(_titled("", value.get("namespace"), name))
    checker.deny(PolicyReason.AGENT_NOT_ALLOWED, path, f"{title} is not allowed", listed(known))


def _agent_name(checker: Checker, path: str, value: Any) -> None:
    # Check the whole name: one that only starts with an allowed prefix might refer to an agent of
    # another namespace.
    if not is_name(value):
        checker.malformed(path, value, "the name of an agent")


def _titled(kind: object, namespace: object, name: object) -> str:
    place = f"{namespace}/" if isinstance(namespace, str) and namespace else ""
    what = f"{kind} " if isinstance(kind, str) and kind else ""
    return f"{what}{place}{name if isinstance(name, str) else '?'}"
