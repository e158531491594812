"""`hotpeers status`: fetches the status of a running sidecar, and prints it as tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotpeers_shim.contract import clean_text

from ..base.errors import StatusError
from ..sidecar.acks.configuration import CONFIG_HEADS, config_row
from ..sidecar.acks.failures import in_words, time_of

_SECONDS = 5.0


def fetch_status(url: str) -> dict[str, Any]:
    """The status document of the sidecar at `url`. Raises `StatusError`."""
    address = url.rstrip("/") + "/status"
    if not address.startswith(("http://", "https://")):
        raise StatusError(f"--url: {url!r} is not an http(s) URL")
    try:
        # Use no proxy: the sidecar is on this machine, or behind a forwarded port.
        with build_opener(ProxyHandler({})).open(address, timeout=_SECONDS) as response:
            data = json.load(response)
    except HTTPError as error:
        # Show the body: the sidecar explains in one line, for example, that a Host is not allowed.
        said = clean_text(error.read(1000).decode("utf-8", "replace"), 300)
        raise StatusError(f"{address}: status {error.code}: {said}") from error
    except URLError as error:
        raise StatusError(f"{address}: {error.reason}; is `hotpeers run` running there?") from error
    except (OSError, ValueError) as error:
        raise StatusError(
            f"{address}: {error}; check that --url is the address of a sidecar"
        ) from error
    if not isinstance(data, dict) or "peers" not in data or "acks" not in data:
        raise StatusError(f"{address}: the server there is not a sidecar")
    return data


def show_status(status: dict[str, Any], console: Console) -> None:
    """Print a status document as tables."""
    acked = status["ackedGeneration"]
    live = "no agent process yet" if acked is None else f"live in the agent: {acked}"
    orchestrator = status["orchestrator"] or "unnamed orchestrator"
    _line(console, f"{orchestrator}: generation {status['generation']}, {live}")
    if not status["source"]["complete"]:
        _line(console, f"The source has not been read completely yet: {status['source']['name']}")
    _table(
        console,
        f"Peers ({len(status['peers'])})",
        ("Tool", "Ready", "Calls", "URL", "Source"),
        (
            (
                peer["tool"],
                "yes" if peer["ready"] else "no",
                in_words(peer.get("failing")),
                peer["url"],
                peer["source"],
            )
            for peer in status["peers"]
        ),
    )
    _table(
        console,
        "Refused",
        ("Name", "Reason", "Why", "Source"),
        ((r["name"], r["reason"], r["message"], r["source"]) for r in status["refused"]),
    )
    _table(
        console,
        "Problems",
        ("Where", "Field", "Reason", "What"),
        ((p["where"], p["field"], p["reason"], p["message"]) for p in status["problems"]),
    )
    _table(
        console,
        "Agent processes",
        ("Process", "State", "Generation", "Reason", "What"),
        (
            (ack["pid"], ack["state"], ack["generation"], ack["reason"], ack["message"])
            for ack in status["acks"]
        ),
    )
    _table(
        console,
        "Configuration of the agent",
        CONFIG_HEADS,
        (row for ack in status["acks"] if (row := config_row(ack)) is not None),
    )
    _table(
        console,
        "Left out by an agent process",
        ("Process", "What", "Reason", "Why"),
        (
            (ack["pid"], item["subject"], item["reason"], item["message"])
            for ack in status["acks"]
            for item in ack["refusals"]
        ),
    )
    _table(
        console,
        "Calls that fail",
        ("Process", "Tool", "Reason", "Calls", "Last", "What"),
        (
            (ack["pid"], f["subject"], f["reason"], f["count"], time_of(f["time"]), f["message"])
            for ack in status["acks"]
            for f in ack.get("failures", ())
        ),
    )
    if _has_reason(status):
        _line(console, "\nWhat to do about a reason: hotpeers explain REASON")


def _has_reason(status: dict[str, Any]) -> bool:
    found = [*status["refused"], *status["problems"], *status["acks"]]
    for ack in status["acks"]:
        found += [*ack["refusals"], *ack.get("failures", ())]
    return any(one["reason"] for one in found)


def _line(console: Console, text: str) -> None:
    console.print(Text(text))


def _table(
    console: Console, title: str, heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    table = Table(title=title, title_justify="left", show_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        # Use Text, so that text from a peer is not read as markup.
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    if table.row_count:
        console.print()
        console.print(table)
