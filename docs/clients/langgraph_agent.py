"""LangGraph with langchain-mcp-adapters: an orchestrator that asks the peers of hotpeers.

    OPENAI_API_KEY=… python langgraph_agent.py http://127.0.0.1:8092/mcp

Each line of standard input is a turn of one conversation.
"""

import asyncio
import os
import sys

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver


async def main(url: str) -> None:
    client = MultiServerMCPClient({"peers": {"transport": "streamable_http", "url": url}})
    model = ChatOpenAI(model=os.environ.get("MODEL", "gpt-5"))
    memory = InMemorySaver()
    for line in sys.stdin:
        # The adapters list the tools when they are asked, so ask in each turn.
        agent = create_agent(model, await client.get_tools(), checkpointer=memory)
        turn = {"messages": [("user", line.strip())]}
        result = await agent.ainvoke(turn, {"configurable": {"thread_id": "one"}})
        print(result["messages"][-1].text.replace("\n", " "), flush=True)


asyncio.run(main(sys.argv[1]))
