"""docs/architecture.md is a map: it lists every package and module, and no missing one."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def rooms(folder: Path) -> set[str]:
    """The modules in a folder, and its packages."""
    # Every program has its words in a module of this name.
    left_out = ("__", "reasons")
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith(left_out)}
    packages = {path.parent.name for path in folder.glob("*/*.py")}
    return modules | packages


def shown(begin: str, end: str) -> list[str]:
    """The first column of the tables in a part of the text: `a/b`, `c` stands for a/b and a/c."""
    found = []
    part = TEXT.partition(begin)[2].partition(end)[0]
    for cell in re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE):
        parent = ""
        for name in re.findall(r"`([^`]+)`", cell):
            if "/" in name.rstrip("/"):
                parent = name.partition("/")[0] + "/"
            found.append(name if "/" in name else parent + name)
    return found


@pytest.mark.parametrize(
    ("begin", "end", "folder", "opened"),
    [
        ("\n## The programs", "\nInside `sidecar/`", "sidecar/hotpeers", []),
        ("\nInside `sidecar/`", "\nInside `controller/`", "sidecar/hotpeers/sidecar", []),
        ("\nInside `controller/`", "\n## ", "sidecar/hotpeers/controller", []),
        ("\n## The shim", "\n## ", "runtime_patch/hotpeers_shim", ["adapters", "calls"]),
    ],
)
def test_map_lists_exactly_the_existing_modules(
    begin: str, end: str, folder: str, opened: list[str]
) -> None:
    place = ROOT / folder
    names = shown(begin, end)
    assert len(names) == len(set(names))
    for name in names:
        assert (place / name).is_dir() or (place / f"{name}.py").is_file(), name
    there = rooms(place) - set(opened)
    there |= {f"{one}/{name}" for one in opened for name in rooms(place / one)}
    assert there - {name.rstrip("/") for name in names} == set()
