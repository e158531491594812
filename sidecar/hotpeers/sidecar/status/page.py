"""The HTML page: the status document for people, with every text escaped and without scripts."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from ..acks.configuration import CONFIG_HEADS, config_row
from ..acks.failures import in_words, time_of

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       color: #1d2330; background: #fff }
table { border-collapse: collapse; width: 100% } caption { text-align: left; font-weight: 600 }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d5dae3;
         vertical-align: top; overflow-wrap: anywhere }
table { margin: 1.5rem 0 } dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem }
dd { margin: 0 } .no { color: #a3241c }
@media (prefers-color-scheme: dark) { body { color: #e4e7ed; background: #14171d }
  th, td { border-color: #3a4150 } .no { color: #ff9a8f } }
"""


def render_page(status: dict[str, Any]) -> str:
    """The HTML page for a status document."""
    acked = status["ackedGeneration"]
    facts = {
        "Orchestrator": status["orchestrator"] or "not named",
        "Generation": status["generation"],
        "Live in the agent": "no agent process yet" if acked is None else f"generation {acked}",
        "Source": status["source"]["name"],
        "Peer file": status["peerFile"],
        "Version": status["version"],
    }
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        "<meta http-equiv=refresh content=5>",
        f"<title>hotpeers</title><style>{_STYLE}</style><h1>hotpeers</h1><dl>",
        *(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items()),
        "</dl>",
        _table(
            f"Peers ({len(status['peers'])})",
            ("Tool", "Ready", "Calls", "URL", "Description", "Source"),
            map(_peer, status["peers"]),
        ),
        _table(
            "Calls that fail",
            ("Process", "Tool", "Reason", "Calls", "Last", "What"),
            (
                (a["pid"], f["subject"], f["reason"], f["count"], time_of(f["time"]), f["message"])
                for a in status["acks"]
                for f in a["failures"]
            ),
        ),
        _table(
            "Refused",
            ("Name", "Reason", "Why", "Source"),
            ((r["name"], r["reason"], r["message"], r["source"]) for r in status["refused"]),
        ),
        _table(
            "Problems",
            ("Where", "Field", "Reason", "What"),
            ((p["where"], p["field"], p["reason"], p["message"]) for p in status["problems"]),
        ),
        _table(
            "Agent processes",
            ("Process", "State", "Generation", "Reason", "What"),
            (
                (a["pid"], a["state"], a["generation"], a["reason"], a["message"])
                for a in status["acks"]
            ),
        ),
        _table(
            "Configuration of the agent",
            CONFIG_HEADS,
            (row for ack in status["acks"] if (row := config_row(ack)) is not None),
        ),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _peer(peer: dict[str, Any]) -> tuple[Any, ...]:
    ready, calls = "yes" if peer["ready"] else "no", in_words(peer["failing"])
    return peer["tool"], ready, calls, peer["url"], peer["description"], peer["source"]


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th scope=col>{name}</th>" for name in heads)
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    mark = " class=no" if value == "no" else ""
    return f"<td{mark}>{escape('' if value is None else str(value))}</td>"
