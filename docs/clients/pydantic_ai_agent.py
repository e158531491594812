"""Pydantic AI: an orchestrator that asks the peers of hotpeers.

    OPENAI_API_KEY=… python pydantic_ai_agent.py http://127.0.0.1:8092/mcp

Each line of standard input is a turn of one conversation.
"""

import asyncio
import os
import sys

from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset


async def main(url: str) -> None:
    # Without its cache, the tools are listed at each step, so a new peer is offered within the turn.
    # "failed" gives the model the reason of a failed call; the default ends the run after some.
    peers = MCPToolset(url, read_timeout=60, cache_tools=False, tool_error_behavior="failed")
    agent = Agent(f"openai-chat:{os.environ.get('MODEL', 'gpt-5')}", toolsets=[peers])
    history = []
    async with agent:
        for line in sys.stdin:
            result = await agent.run(line.strip(), message_history=history)
            history = result.all_messages()
            print(result.output.replace("\n", " "), flush=True)


asyncio.run(main(sys.argv[1]))
