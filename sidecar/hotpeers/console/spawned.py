"""The tree of spawned agents. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .records import AgentRecord

_MOST_NODES = 2_000
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Tree:
    """An agent with those that it spawned. `agent` is None for the orchestrator at the root."""

    name: str
    agent: AgentRecord | None
    children: tuple[Tree, ...]

    @property
    def size(self) -> int:
        """The number of spawned agents in this tree."""
        return (self.agent is not None) + sum(child.size for child in self.children)


def spawned_tree(agents: Sequence[AgentRecord]) -> list[Tree]:
    """The trees of these agents, the largest first. Each agent is in exactly one tree.

    Stamps may be forged: agents that name each other as parent become children of a root of their own.
    """
    children: dict[str, list[AgentRecord]] = {}
    names = {str(one.key) for one in agents}
    for one in agents[:_MOST_NODES]:
        children.setdefault(one.parent or f"account {one.account}", []).append(one)
    placed: set[AgentRecord] = set()

    def tree(one: AgentRecord, depth: int) -> Tree:
        placed.add(one)
        below = children.get(str(one.key), ()) if depth < _DEEPEST else ()
        return Tree(str(one.key), one, trees_of(below, depth + 1))

    def trees_of(members: Iterable[AgentRecord], depth: int) -> tuple[Tree, ...]:
        return tuple(tree(one, depth) for one in members if one not in placed)

    trees = [
        Tree(parent, None, trees_of(members, 1))
        for parent, members in children.items()
        if parent not in names
    ]
    # Only circles are left, and chains that are too deep.
    left = [one for one in agents[:_MOST_NODES] if one not in placed]
    while left:
        trees.append(Tree(left[0].parent, None, trees_of(left[:1], 1)))
        left = [one for one in left if one not in placed]
    return sorted((one for one in trees if one.children), key=lambda one: (-one.size, one.name))
