"""An agent whose sessions are in a file, in a process that ends after one turn.

    restarted_agent.py plain|kagent PEERS DATABASE SESSION TEXT…

PEERS are the peers of the file, in JSON; the first is asked each TEXT. Prints what the model read of
each, as one JSON list.
"""

import asyncio
import json
import sys
from typing import Any

import loaded


async def ask(peers: list[dict[str, Any]], database: str, session: str, asked: list[str]) -> None:
    from google.adk.sessions.sqlite_session_service import SqliteSessionService
    from scripted import Conversation, call, results

    tool = f"{peers[0]['namespace']}__NS__{peers[0]['name']}"
    talk = Conversation(sessions=SqliteSessionService(database), session_id=session)
    events = await talk.turn("go", *(call(tool, text) for text in asked), "end")
    print(json.dumps(results(events)), flush=True)


def main() -> None:
    runtime, listed, database, session, *asked = sys.argv[1:]
    if runtime == "kagent":
        import kagent.adk.types  # noqa: F401 - its import is what tells the shim
    document = {"apiVersion": "hotpeers.dev/v1", "generation": 1, "peers": json.loads(listed)}
    loaded.replace_peer_file(json.dumps(document).encode())
    asyncio.run(ask(json.loads(listed), database, session, asked))


if __name__ == "__main__":
    main()
