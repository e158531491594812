"""`make compat`: runs the agent's suite in each supported environment, and writes a table of
results.

Writes build/compat.md. Ends with 1 where a test failed, or an environment did not show the four things
that each must: peers are offered, called, removed, and acked. Where the program of kagent can run without
its controller, `hotpeers demo` is one more.

Arguments: names of environments; `--core` takes the core of the suite.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from environments import ROOT, interpreter, supported

MUST = ("offers", "calls", "removes", "acks")
LACKS = "lacks: "
_BUILD = ROOT / "build"
_VERSIONS = (
    "import platform; from importlib.metadata import version; print(platform.python_version());"
    "[print(f'{p} {version(p)}') for p in ('google-adk', 'a2a-sdk')]"
)


@dataclass
class Row:
    """The results of one environment."""

    name: str
    versions: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)
    lacks: set[str] = field(default_factory=set)
    demo: str = ""
    passed: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing failed, and all is shown that must be."""
        return not self.failed and set(MUST) <= self.shown - self.missed and self.demo != "NO"


def try_in(name: str, *, part: str) -> Row:
    """Run the suite in one environment, as far as `part` marks it."""
    python = interpreter(name)
    said = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True, check=True)
    row = Row(name, [line.split()[-1] for line in said.stdout.splitlines()])
    row.demo = _demo(name, python)
    report = _BUILD / f"compat-{name}.xml"
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "tests/compat", "-q", "-m", part, "--tb=short"]
    command += [f"--junitxml={report}", "-o", f"cache_dir={_BUILD / 'compat-cache' / name}"]
    log = _BUILD / f"compat-{name}.log"
    with log.open("w") as output:
        # Failed tests are run once more alone, as CI does.
        for more in ([], ["--last-failed", "--last-failed-no-failures", "none"]):
            subprocess.run([*command, *more], cwd=ROOT, stdout=output, stderr=output, check=False)
            if not report.exists():
                row.failed.append(f"no report, see {log}")
                return row
            if not _failures(report):
                break
            if not more:
                _read(report, row, leaving_out=set(_failures(report)))
    _read(report, row, leaving_out=set())
    return row


def _demo(name: str, python: Path) -> str:
    """Whether every step of the demonstration holds with the real `kagent-adk static`; "" elsewhere."""
    if not name.startswith("kagent") or name.startswith("kagent-1."):
        return ""
    command = [sys.executable, "-m", "hotpeers", "demo", "--agent-python", str(python)]
    with (_BUILD / f"compat-{name}-demo.log").open("w") as output:
        done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False)
    return "yes" if done.returncode == 0 else "NO"


def _cases(report: Path) -> list[ET.Element]:
    return list(ET.parse(report).iter("testcase"))


def _is_failure(case: ET.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def _failures(report: Path) -> list[str]:
    return [f"{c.get('classname')}::{c.get('name')}" for c in _cases(report) if _is_failure(c)]


def _read(report: Path, row: Row, *, leaving_out: set[str]) -> None:
    for case in _cases(report):
        name = f"{case.get('classname')}::{case.get('name')}"
        if name in leaving_out:
            continue
        shows = {p.get("value", "") for p in case.iter("property") if p.get("name") == "shows"}
        skipped = case.find("skipped")
        if _is_failure(case):
            row.failed.append(name)
            row.missed |= shows
        elif skipped is not None:
            why = skipped.get("message", "")
            if why.startswith(LACKS):
                row.lacks.add(why.removeprefix(LACKS))
        else:
            row.passed += 1
            row.shown |= shows


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        f"| environment | Python | google-adk | a2a-sdk | {' | '.join(MUST)} | demo "
        "| passed | failed | lacks |",
        f"|{'---|' * (len(MUST) + 8)}",
    ]
    for row in rows:
        must = [("yes" if one in row.shown - row.missed else "NO") for one in MUST]
        cells = [
            row.name,
            *row.versions,
            *must,
            row.demo or "-",
            str(row.passed),
            str(len(row.failed)),
        ]
        lines.append(f"| {' | '.join(cells)} | {'; '.join(sorted(row.lacks)) or 'nothing'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the module's docstring."""
    _BUILD.mkdir(exist_ok=True)
    rows = []
    part = "core" if "--core" in sys.argv else "not soak"
    for name in [one for one in sys.argv[1:] if one != "--core"] or supported():
        row = try_in(name, part=part)
        rows.append(row)
        print(f"{name}: {row.passed} passed, {len(row.failed)} failed", flush=True)
        for failed in row.failed:
            print(f"  {failed}", flush=True)
    (_BUILD / "compat.md").write_text(table(rows), "utf-8")
    print(table(rows))
    return 0 if all(row.is_good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
