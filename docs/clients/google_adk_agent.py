"""Google ADK without the shim: an orchestrator that asks the peers of hotpeers over MCP.

    OPENAI_API_KEY=… python google_adk_agent.py http://127.0.0.1:8092/mcp

Each line of standard input is a turn of one conversation.
"""

import asyncio
import os
import sys

from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool.mcp_session_manager import StreamableHTTPConnectionParams
from google.adk.tools.mcp_tool.mcp_toolset import McpToolset
from google.genai import types


async def main(url: str) -> None:
    # ADK lists the tools at each step, so a new peer is offered within the turn.
    peers = McpToolset(connection_params=StreamableHTTPConnectionParams(url=url, timeout=60))
    model = LiteLlm(model=f"openai/{os.environ.get('MODEL', 'gpt-5')}")
    agent = LlmAgent(name="lead", model=model, instruction="Ask other agents.", tools=[peers])
    runner = InMemoryRunner(agent, app_name="lead")
    session = await runner.session_service.create_session(app_name="lead", user_id="user")
    for line in sys.stdin:
        message = types.UserContent(parts=[types.Part(text=line.strip())])
        said = ""
        async for event in runner.run_async(
            user_id="user", session_id=session.id, new_message=message
        ):
            if event.is_final_response() and event.content:
                said = "".join(part.text or "" for part in event.content.parts)
        print(said.replace("\n", " "), flush=True)
    await runner.close()


asyncio.run(main(sys.argv[1]))
