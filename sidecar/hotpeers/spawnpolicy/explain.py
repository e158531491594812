"""`hotpeers policy explain`: what a SpawnPolicy allows, in plain English."""

from __future__ import annotations

from collections.abc import Iterable

from .schema.images import described
from .schema.policy import Limits, McpServer, PolicySpec, SpawnPolicy


def explain(policy: SpawnPolicy) -> list[str]:
    """Sentences about one policy. The first one introduces the policy."""
    spec = policy.spec
    missing = _missing(spec)
    head = f"SpawnPolicy {policy.key}: " + (
        "everything else is denied."
        if spec.mode == "Enforce"
        else "nothing is denied; denials are only reported (mode Audit)."
    )
    if missing:
        return [head, f"It allows nothing: it does not name {_joined(missing, 'or')}."]
    parts = (_who, _what, _inside, _security, _limits, _never)
    return [head, *(line for part in parts for line in part(spec))]


def _missing(spec: PolicySpec) -> list[str]:
    declarative = "Declarative" in spec.types
    needed = {
        "subjects": spec.subjects,
        "target namespaces": spec.targetNamespaces,
        "names": spec.names,
        "types": spec.types,
        "limits": spec.limits,
        "runtimes": spec.runtimes or "BYO" in spec.types or not declarative,
        "modelConfigs": spec.modelConfigs or "BYO" in spec.types or not declarative,
        "images": spec.images or declarative or not spec.types,
    }
    return [what for what, given in needed.items() if not given]


def _who(spec: PolicySpec) -> list[str]:
    subjects = [f"{ref.kind} {ref.name}" for ref in spec.subjects]
    return [
        f"{_joined(subjects)} may create kagent Agents in {_joined(spec.targetNamespaces)},"
        f" named {_joined(spec.names, 'or')}, and update and delete those that it created.",
        "They may write nothing else, whatever rights they have.",
    ]


def _what(spec: PolicySpec) -> list[str]:
    lines = []
    if spec.templates:
        must = "must" if spec.templates.required else "may"
        lines.append(
            f"An agent {must} be made from a template, unchanged: {_joined(spec.templates.keys(), 'or')}."
        )
    if "Declarative" in spec.types:
        lines.append(
            f"Declarative agents run on {_joined(spec.runtimes, 'or')} with the model of"
            f" {_joined(spec.modelConfigs, 'or')}; their system message has at most"
            f" {spec.maxPromptLength} characters, and so has all other text of an agent together."
        )
        if spec.a2aConfig:
            lines.append("They may say on their agent card what they can do.")
    if "BYO" in spec.types:
        lines.append(f"Agents of an own image run {_joined(described(spec.images), 'or')}.")
    return lines


def _inside(spec: PolicySpec) -> list[str]:
    lines = [_server(one) for one in spec.mcpServers] or ["They have no tools of MCP servers."]
    if spec.agentTools:
        named = [
            f"{one.namespace}/{one.name}" if one.namespace else one.name for one in spec.agentTools
        ]
        lines.append(f"They may have agents as tools: {_joined(named, 'or')}.")
    sources = [
        *described(spec.skills.images),
        *(f"{one.url} at {_joined(one.refs, 'or')}" for one in spec.skills.git),
        *spec.skills.s3,
    ]
    lines.append(
        f"Skills may come from {_joined(sources, 'or')}." if sources else "They have no skills."
    )
    if spec.environment:
        lines.append(f"They may set the variables {_joined(spec.environment)}, to literal values.")
    for what, keys in (("labels", spec.labels), ("annotations", spec.annotations)):
        if keys:
            named = [one.key + (f" ({'|'.join(one.values)})" if one.values else "") for one in keys]
            lines.append(f"They may set the {what} {_joined(named)}.")
    return lines


def _server(server: McpServer) -> str:
    place = f"{server.namespace}/" if server.namespace else ""
    tools = "every tool" if "*" in server.tools else _joined(server.tools, "or")
    line = f"They may use {tools} of the {server.kind} {place}{server.name}"
    if server.requireApproval:
        approved = (
            "each call"
            if "*" in server.requireApproval
            else f"calls of {_joined(server.requireApproval)}"
        )
        line += f"; a person must approve {approved}"
    if server.allowedHeaders:
        line += f"; it is passed the headers {_joined(server.allowedHeaders)}"
    return line + "."


def _security(spec: PolicySpec) -> list[str]:
    if spec.podSecurity != "restricted":
        return []
    return [
        "Their pods meet the Pod Security Standard restricted: the guard writes their security contexts,"
        " and no one else may write them."
    ]


def _limits(spec: PolicySpec) -> list[str]:
    limits = spec.limits
    if not isinstance(limits, Limits):
        return []
    lines = [
        f"At most {limits.maxAgents} are alive at once, and {limits.creates.count} are created in"
        f" {limits.creates.window}.",
        f"Each lives {limits.ttl.default}, or as long as it asks for, up to {limits.ttl.max}.",
        "What they spawned may not spawn."
        if limits.maxDepth == 1
        else f"What they spawned may spawn too, {limits.maxDepth} deep.",
    ]
    if limits.resources:
        lines.append(
            f"A container has at most {limits.resources.cpu} of CPU and {limits.resources.memory} of"
            f" memory; an agent has at most {limits.maxReplicas} of them."
        )
    return lines


def _never(spec: PolicySpec) -> list[str]:
    after = "deleted" if spec.deletionPolicy == "Delete" else "left until they expire"
    return [
        f"When this policy is deleted, its agents are {after}.",
        "No policy allows another ServiceAccount, Secrets, volumes, host settings, further containers or"
        " commands, code that a model writes, or use by further namespaces.",
    ]


def _joined(values: Iterable[str], word: str = "and") -> str:
    items = list(values)
    if len(items) < 2:
        return items[0] if items else "nothing"
    return f"{', '.join(items[:-1])} {word} {items[-1]}"
