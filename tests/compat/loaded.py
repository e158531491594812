"""The shim in this process, loaded the way its bootstrap loads it, with a peer file of its own.

To be imported before google.adk is, as sitecustomize would be; the suite and the benchmarks do.
"""

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = Path(os.environ.get("HOTPEERS_PRODUCT_PYTHON", ROOT / ".venv/bin/python"))
"""The interpreter that has the sidecar, which an agent's environment need not have."""
FOLDER = Path(tempfile.mkdtemp(prefix="hotpeers-agent-"))
PEER_FILE = FOLDER / "peers.json"

os.environ["HOTPEERS_PEER_FILE"] = str(PEER_FILE)
os.environ["OTEL_SDK_DISABLED"] = "true"

from hotpeers_shim import start  # noqa: E402

start.begin()


def replace_peer_file(content: bytes) -> None:
    """Put another peer file into the place of the one before, at one moment."""
    temporary = PEER_FILE.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(PEER_FILE)
