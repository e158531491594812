"""How well the ranking finds one text among many: `.venv/bin/python bench/ranking.py FOLDER`.

FOLDER is `bfcl_eval/data` of the package bfcl-eval from PyPI, which is data here and not imported:
`pip download --no-deps bfcl-eval==2026.3.23`, then unpack the wheel. Its texts describe tools, not agents.

A text is a distinct pair of name and description. A query is what the user says in the categories with one
tool to call. It is found exactly if the text of this tool is in the list, and by name if a text with the same
name is. Each second query is half A, which the ranking was tuned on; the others are half B.
"""

import argparse
import json
import multiprocessing
import re
import sqlite3
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hotpeers_shim.fleet.ranking import Document, Ranking

CATEGORIES = ("simple_python", "multiple", "live_simple", "live_multiple")
# One JSON text instead of one in each line; it has no tools.
OTHER = "BFCL_v4_format_sensitivity.json"
ENTRIES = 10_000

Search = Callable[[str, int], list[int]]


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    parameters: str


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]


def words_of(schema: dict) -> list[str]:
    """The names, descriptions and allowed values of all parameters."""
    found = []
    for name, value in (schema.get("properties") or {}).items():
        found.append(name)
        if isinstance(value, dict):
            items = value["items"] if isinstance(value.get("items"), dict) else {}
            allowed = [*(value.get("enum") or []), *(items.get("enum") or [])]
            found += [str(value.get("description") or ""), *map(str, allowed)]
            found += [*words_of(value), *words_of(items)]
    return found


def load(folder: Path) -> tuple[list[Tool], list[tuple[str, int]]]:
    """The tools, and each query with the number of its tool."""
    numbers: dict[tuple[str, str], int] = {}
    tools = []
    for path in sorted(folder.glob("BFCL_v4_*.json")):
        for row in rows(path) if path.name != OTHER else []:
            for one in row.get("function") or []:
                key = (one["name"], one.get("description") or "")
                if key not in numbers:
                    numbers[key] = len(tools)
                    tools.append(Tool(*key, " ".join(words_of(one.get("parameters") or {}))))
    queries = []
    for category in CATEGORIES:
        file = f"BFCL_v4_{category}.json"
        answers = rows(folder / "possible_answer" / file)
        called = {row["id"]: next(iter(row["ground_truth"][0])) for row in answers}
        for row in rows(folder / file):
            said = [one for turn in row["question"] for one in turn if one["role"] == "user"]
            offered = (one for one in row["function"] if one["name"] == called[row["id"]])
            tool = next(offered)
            number = numbers[tool["name"], tool.get("description") or ""]
            queries.append((" ".join(one["content"] for one in said), number))
    return tools, queries


def ours(tools: list[Tool], *, parameters: bool) -> Search:
    documents = [
        Document(one.name, "", one.description, one.parameters if parameters else "")
        for one in tools
    ]
    ranking = Ranking(documents)
    return lambda query, limit: [number for number, _ in ranking.search(query, limit)]


def plain(tools: list[Tool], *, parameters: bool) -> Search:
    """FTS5 as it comes: one column, all words of the query, no stemming."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE entry USING fts5(text)")
    texts = (
        f"{one.name} {one.description} {one.parameters if parameters else ''}" for one in tools
    )
    database.executemany("INSERT INTO entry(rowid, text) VALUES (?, ?)", enumerate(texts))

    def search(query: str, limit: int) -> list[int]:
        words = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", query)))
        if not words:
            return []
        found = database.execute(
            "SELECT rowid FROM entry WHERE entry MATCH ? ORDER BY rank, rowid LIMIT ?",
            (words, limit),
        )
        return [number for (number,) in found]

    return search


def recall(search: Search, tools: list[Tool], queries: list[tuple[str, int]]) -> str:
    """The part of the queries whose tool is among the first 5, and 20: exactly, and by name."""
    counts = [0, 0, 0, 0]
    for query, right in queries:
        found = search(query, 20)
        named = [tools[number].name for number in found]
        for at, size in enumerate((5, 20)):
            counts[at] += right in found[:size]
            counts[at + 2] += tools[right].name in named[:size]
    return " | ".join(f"{count / len(queries):.3f}" for count in counts)


def resident() -> float:
    """Resident memory of this process in MiB."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cost(tools: list[Tool], queries: list[tuple[str, int]]) -> str:
    """Memory, time to build and time of a query with ten thousand entries, in a process of its own.

    Beside the time that passes, CPU time shows what other work on the machine adds.
    """
    many = [
        Document(f"{tool.name}_{turn}", "", tool.description, tool.parameters)
        for turn in range(ENTRIES // len(tools) + 1)
        for tool in tools
    ][:ENTRIES]
    before, begun = resident(), time.perf_counter()
    ranking = Ranking(many)
    built, memory = time.perf_counter() - begun, resident() - before
    times, cpu = [], []
    for query, _ in queries:
        begun, used = time.perf_counter(), time.process_time()
        ranking.search(query, 20)
        times.append((time.perf_counter() - begun) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    ranking.close()
    return (
        f"{ENTRIES} entries: {percentiles(times)}; CPU time {percentiles(cpu)}; "
        f"the index takes {memory:.1f} MiB and {built:.2f} s"
    )


def percentiles(times: list[float]) -> str:
    p99 = statistics.quantiles(times, n=100)[98]
    return f"p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, max {max(times):.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    tools, queries = load(parser.parse_args().folder)
    print(f"{len(queries)} queries, {len(tools)} texts\n")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as another:
        print(another.submit(cost, tools, queries).result(), end="\n\n")
    print("| text | ranking | queries | @5 exactly | @20 exactly | @5 by name | @20 by name |")
    print("|---|---|---|---|---|---|---|")
    for text, parameters in (("name, description", False), ("and parameters", True)):
        for label, make in (("plain FTS5", plain), ("hotpeers", ours)):
            search = make(tools, parameters=parameters)
            for part, some in (("A", queries[::2]), ("B", queries[1::2]), ("all", queries)):
                print(f"| {text} | {label} | {part} | {recall(search, tools, some)} |")


if __name__ == "__main__":
    main()
