"""The text about the live peers that a model reads in the definition of `ask_agent`."""

from __future__ import annotations

from collections.abc import Iterable

from hotpeers_shim.contract import Peer, clean_text

from .fleet import shown_name

MAX_DESCRIPTION = 1024
"""Longest description of a tool, in characters: OpenAI rejects requests with a longer one."""
MAX_DESCRIBED = 64
"""Largest number of peers that the definition of `ask_agent` describes."""
_MAX_LINE = 240

_HEAD = (
    "Ask another agent, and get its answer. It knows nothing of this conversation: say all that it "
    "needs. To go on with the same agent, pass the `conversation` of its last answer."
)
_AGENT = "The name of the agent, as it is listed."


def describe_tool(peers: Iterable[Peer]) -> tuple[str, str]:
    """The descriptions of the tool and of its parameter `agent`.

    The peers are in the tool's description if they fit there, and else in the parameter's, whose
    length no client limits. The order is by name, so that equal peers give equal texts, which
    keeps the prompt caches of models.
    """
    ready = sorted((one for one in peers if one.ready), key=shown_name)
    if not ready:
        return f"{_HEAD} There are no agents to ask now; list_agents shows when there are.", _AGENT
    shown = "\n".join(map(_line, ready[:MAX_DESCRIBED]))
    left = len(ready) - MAX_DESCRIBED
    if left > 0:
        shown += f"\n… and {left} more: find them with list_agents."
    whole = f"{_HEAD} Agents:\n{shown}"
    if len(whole) <= MAX_DESCRIPTION:
        return whole, _AGENT
    where = f"{_HEAD} There are {len(ready)} agents; the parameter `agent` lists them."
    if left > 0:
        where = (
            f"{_HEAD} There are {len(ready)} agents. The parameter `agent` lists some of them; "
            "list_agents finds the others."
        )
    return where, f"{_AGENT} Agents:\n{shown}"


def summary(peer: Peer, limit: int) -> str:
    """What a peer does in one line: its description, or else the names of its skills."""
    skills = ", ".join(filter(None, (skill.name or skill.id for skill in peer.skills)))
    return clean_text(peer.description or skills, limit)


def _line(peer: Peer) -> str:
    text = summary(peer, _MAX_LINE)
    return f"- {shown_name(peer)}: {text}" if text else f"- {shown_name(peer)}"
