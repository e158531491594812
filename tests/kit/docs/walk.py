"""`make walk`: follows docs/tutorial.md on a node of its own, command by command, as a reader would.

The commands that make the cluster and its images (kind, docker) are left out, because the node takes their
place. Each other command must succeed, and print what the page says that it prints.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit.chart.binaries import ensure_helm
from kit.docs import DOCS, ROOT
from kit.node.binaries import ensure_node_binaries
from kit.node.image import Image
from kit.node.images import hotpeers_image, kagent_image, peer_image
from kit.node.node import Node
from kit.node.python import PYTHON

_LEFT_OUT = ("kind ", "docker ")
_SECONDS = 900


@dataclass(frozen=True)
class Command:
    """One command of the page, and the lines that the page shows below it."""

    text: str
    shown: str


def commands(page: str) -> Iterator[Command]:
    """The commands of a page, in order."""
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
            yield Command("\n".join(lines[:end]), "\n".join(lines[end:]).strip())


def images() -> list[Image]:
    """The images that the page builds, in the layers that the tests' node has already."""
    ours, kagent = hotpeers_image(print), kagent_image(print)
    demo = peer_image(ROOT / "tests" / "e2e" / "peer.py", print)
    started = {**demo.settings, "Entrypoint": [PYTHON, "-m"]}
    # In the pods' shell, `python` is that of the image.
    library = "docker.io/library"
    return [
        Image(f"{library}/hotpeers:0.1.0", ours.layers, ours.settings),
        Image(f"{library}/hotpeers-demo:0.1.0", demo.layers, started),
        Image(
            f"{library}/hotpeers-orchestrator:0.1.0",
            kagent.layers,
            {**kagent.settings, "Entrypoint": kagent.settings["Entrypoint"][:1], "Cmd": []},
        ),
    ]


def script(found: list[Command], folder: Path) -> str:
    """A script that runs them in one shell, each with its output in a file of the folder."""
    lines = []
    for number, one in enumerate(found):
        # No subshell, so that a function stays defined.
        lines.append(
            f"{{ {one.text}\n}} > {folder}/{number} 2>&1; echo $? > {folder}/{number}.code"
        )
    return "\n".join(lines)


def main() -> int:
    """Follow the page; the exit code is 1 if a command did not do what the page says."""
    page = (DOCS / "tutorial.md").read_text("utf-8")
    found = [one for one in commands(page) if not one.text.startswith(_LEFT_OUT)]
    path = f"{ensure_helm().parent}:{os.environ['PATH']}"
    node = Node(ensure_node_binaries(), images())
    try:
        node.start()
        began = time.monotonic()
        environ = {**os.environ, "KUBECONFIG": str(node.kubeconfig), "PATH": path}
        with tempfile.TemporaryDirectory() as folder:
            text = script(found, Path(folder))
            subprocess.run(
                ["bash", "-c", text], cwd=ROOT, env=environ, timeout=_SECONDS, check=False
            )
            bad = sum(not _told(one, Path(folder) / str(i)) for i, one in enumerate(found))
        print(
            f"{len(found)} commands in {time.monotonic() - began:.0f} s, {bad} not as the page says"
        )
    finally:
        node.close()
    return 1 if bad else 0


def _told(one: Command, file: Path) -> bool:
    code, said = file.with_name(f"{file.name}.code").read_text().strip(), file.read_text().strip()
    print(f"\n$ {one.text}\n{said}")
    # The page also shows the status of something that is wrong, which has this exit code.
    found = code == "1" and "hotpeers status" in one.text
    if code != "0" and not found:
        print(f"  ✗ it ended with {code}")
    elif one.shown and said != one.shown:
        print(f"  ✗ the page says: {one.shown}")
    else:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
