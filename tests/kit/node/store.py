"""containerd's folder with all imported images, kept for the next node.

To put a gigabyte in takes a minute, to link its files two seconds. That is safe for what is linked:
blobs and unpacked layers are never written again, only removed. Everything else is copied.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

_HELD = "images.json"
_FIXED = (
    "io.containerd.content.v1.content/blobs/",
    "io.containerd.snapshotter.v1.overlayfs/snapshots/",
)


def cache_folder() -> Path:
    """Where everything of nodes is kept: layers, the store, and the folder of the one that runs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hotpeers" / "node"


class Store:
    """The one folder of this machine. Only who runs the node may use it."""

    def __init__(self) -> None:
        self._folder = cache_folder() / "store"

    def held(self) -> dict[str, str]:
        """The identities of the images in it, by reference."""
        file = self._folder / _HELD
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def restore(self, root: Path) -> None:
        """Make the folder that containerd is to run in."""
        if self.held():
            root.parent.mkdir(parents=True, exist_ok=True)
            _copy(self._folder / "root", root)

    def save(self, root: Path, images: dict[str, str]) -> None:
        """Save containerd's folder, which must not be in use."""
        fresh = self._folder.with_name("store.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        _copy(root, fresh / "root")
        (fresh / _HELD).write_text(json.dumps(images))
        shutil.rmtree(self._folder, ignore_errors=True)
        fresh.rename(self._folder)


def _copy(source: Path, target: Path) -> None:
    def copy(file: str, copied: str) -> None:
        if str(Path(file).relative_to(source)).startswith(_FIXED):
            os.link(file, copied, follow_symlinks=False)
        else:
            shutil.copy2(file, copied, follow_symlinks=False)

    shutil.copytree(source, target, symlinks=True, copy_function=copy, dirs_exist_ok=True)
