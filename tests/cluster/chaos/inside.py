"""A sidecar inside this process, for faults that cannot be injected into another process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hotpeers.sidecar.runner import run_sidecar
from hotpeers.sidecar.settings import Settings
from kit.apiserver.server import Cluster


def settings_of(cluster: Cluster, namespace: str, folder: Path) -> Settings:
    """Return the settings of a sidecar that follows a namespace, with its file in a folder."""
    return Settings.parse(
        source="kubernetes",
        peers_dir="",
        peer_file=str(folder / "peers.json"),
        ack_dir="",
        selector="",
        namespaces=namespace,
        orchestrator=f"{namespace}/orchestrator",
        kubeconfig=str(cluster.access.write_kubeconfig(folder / "kubeconfig")),
        context="",
        listen="none",
        log_format="text",
        log_level="info",
    )


async def run_inside(settings: Settings, scenario: Callable[[], None]) -> None:
    """Run a sidecar for as long as a scenario takes, which has a thread of its own."""
    running = asyncio.create_task(run_sidecar(settings))
    try:
        # Not in the threads that the sidecar shares with whatever hangs.
        with ThreadPoolExecutor(1) as own:
            await asyncio.get_running_loop().run_in_executor(own, scenario)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
