"""The HTML page: the status document for people. It loads Jinja2, so import it only to make a page."""

from __future__ import annotations

from typing import Any

from ...page.environment import templates_of
from ...page.explanation import explanation_of
from ..acks.configuration import CONFIG_HEADS, config_row
from ..acks.failures import in_words, time_of


def render_page(status: dict[str, Any]) -> str:
    """The HTML page for a status document. Every text in it is escaped."""
    acks = status["acks"]
    return templates_of("hotpeers.sidecar.status").render(
        "status.html",
        status=status,
        facts=_facts(status),
        problems=[(one, explanation_of(one["reason"])) for one in status["problems"]],
        peers=[_peer(peer) for peer in status["peers"]],
        refused=[(r["name"], r["reason"], r["message"], r["source"]) for r in status["refused"]],
        failing=[
            (a["pid"], f["subject"], f["reason"], f["count"], time_of(f["time"]), f["message"])
            for a in acks
            for f in a["failures"]
        ],
        processes=[
            (a["pid"], a["state"], a["generation"], a["reason"], a["message"]) for a in acks
        ],
        config_heads=CONFIG_HEADS,
        configurations=[row for ack in acks if (row := config_row(ack)) is not None],
    )


def _facts(status: dict[str, Any]) -> list[tuple[str, Any]]:
    acked = status["ackedGeneration"]
    return [
        ("Generation", status["generation"]),
        ("Live in the agent", "no agent process yet" if acked is None else f"generation {acked}"),
        ("Source", status["source"]["name"]),
        ("Peer file", status["peerFile"]),
        ("Version", status["version"]),
    ]


def _peer(peer: dict[str, Any]) -> tuple[Any, ...]:
    ready, calls = "yes" if peer["ready"] else "no", in_words(peer["failing"])
    return peer["tool"], ready, calls, peer["url"], peer["description"], peer["source"]
