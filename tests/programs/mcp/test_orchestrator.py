"""A real kagent orchestrator in a process of its own: it uses the tools, and it is asked like any agent."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from hotpeers.mcp.asking import ask
from hotpeers.mcp.server import serve
from hotpeers.registry.fault import Fault
from hotpeers_demo import orchestrator
from hotpeers_demo.processes import Processes, until
from hotpeers_demo.stage import base_env, shim_path

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("HOTPEERS_TEST_KAGENT", ROOT / ".venvs/kagent/bin/python"))
SEARCH = 'Call search_agents_agentregistry with {"query": "translate documents"}'


@pytest.mark.skipif(not PYTHON.exists(), reason="no .venvs/kagent: run make setup")
async def test_kagent_searches_the_registry_and_is_asked_over_a2a(
    tmp_path: Path, registry: Any, make_settings: Any, kubeconfig_of_nothing: str
) -> None:
    processes = Processes(tmp_path / "logs")
    demo = [sys.executable, "-m"]
    env = base_env()
    try:
        model = processes.start("model", [*demo, "hotpeers_demo.model_server"], env=env)
        controller = processes.start("controller", [*demo, "hotpeers_demo.controller"], env=env)
        model_url, controller_url = await model.ready_url(120), await controller.ready_url(120)
        wanted = make_settings(registry_url=registry.url, kubeconfig=kubeconfig_of_nothing)
        async with serve(wanted) as port:
            launch = orchestrator.launch_kagent(
                str(PYTHON), tmp_path / "agent", "scripted", f"{model_url}/v1", controller_url
            )
            told = {
                "OPENAI_API_KEY": "none-needed",
                "PYTHONPATH": str(shim_path()),
                "HOTPEERS_PEER_FILE": str(tmp_path / "peers.json"),
                "HOTPEERS_SPAWN_URL": f"http://127.0.0.1:{port}/mcp",
            }
            agent = processes.start("agent", launch.command, env={**env, **launch.env, **told})

            async def answers() -> str | None:
                agent.check()
                try:
                    said = await ask(launch.url, SEARCH)
                except Fault:
                    return None  # it is still starting
                # Its first turn also imports what it takes to list the tools.
                return said.text if said.state == "completed" and "hits" in said.text else None

            text = await until("the search", answers, 180.0)
    finally:
        await processes.close()
    assert "acme.translator" in text
