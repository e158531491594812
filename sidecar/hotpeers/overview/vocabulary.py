"""The words that the status of an orchestrator may have.

`base.reasons.vocabulary` has the words of imported modules, so a program that explains a status imports
this module.
"""

from __future__ import annotations

from ..base.reasons import sentence_of, vocabulary
from ..controller.reasons import ControllerReason
from ..hold.reasons import HoldReason
from ..kube.reasons import KubeReason
from ..mcp.reasons import McpReason
from ..model.reasons import ModelReason
from ..registry.reasons import RegistryReason
from ..sidecar.reasons import SidecarReason
from ..spawnpolicy.reasons import PolicyReason
from .reasons import OverviewReason

VOCABULARIES = (
    ControllerReason,
    HoldReason,
    KubeReason,
    McpReason,
    ModelReason,
    OverviewReason,
    PolicyReason,
    RegistryReason,
    SidecarReason,
)
"""The words of the programs that write a status; those of the shim are always known."""


def meaning_of(reason: str) -> str:
    """The sentence of a word; "" for a text that is not in the vocabulary."""
    known = {str(word): word for word in vocabulary()}
    return sentence_of(known[reason]) if reason in known else ""
