"""OpenAI Agents SDK: an orchestrator that asks the peers of hotpeers.

    OPENAI_API_KEY=… python openai_agents.py http://127.0.0.1:8092/mcp

Each line of standard input is a turn of one conversation.
"""

import asyncio
import sys

from agents.mcp import MCPServerStreamableHttp

from agents import Agent, Runner, SQLiteSession, set_default_openai_api, set_tracing_disabled


async def main(url: str) -> None:
    set_tracing_disabled(True)
    set_default_openai_api("chat_completions")
    async with MCPServerStreamableHttp(
        params={"url": url, "timeout": 60}, client_session_timeout_seconds=60
    ) as peers:
        # The SDK lists the tools at each step, so a new peer is offered within the turn.
        agent = Agent(name="lead", instructions="Ask other agents.", mcp_servers=[peers])
        session = SQLiteSession("one")
        for line in sys.stdin:
            result = await Runner.run(agent, line.strip(), session=session)
            print(str(result.final_output).replace("\n", " "), flush=True)


asyncio.run(main(sys.argv[1]))
