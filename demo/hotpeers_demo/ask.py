"""Says one thing to an orchestrator, and prints what it answers.

    python -m hotpeers_demo.ask --url http://orchestrator:8080 Ask weather: will it rain?

What is said under the same `--conversation` belongs to one thread. Exit code 1: no good answer.
"""

import argparse
import asyncio
import sys

from hotpeers_demo.conversation import Caller, Turn
from hotpeers_demo.outcome import StepError
from hotpeers_demo.processes import WaitedTooLongError, until


async def ask(url: str, text: str, conversation: str, seconds: float) -> Turn:
    """Send one message, once there is somebody, and wait for the end of the turn.

    Raises `StepError` where there is none, `WaitedTooLongError` where nobody is there in time.
    """
    caller = Caller(url)
    try:
        await until(f"the orchestrator at {url} to answer", caller.connect, seconds)
        return await caller.conversation(conversation).say(text, seconds)
    finally:
        await caller.close()


def main() -> int:
    """Ask once; returns the exit code."""
    parser = argparse.ArgumentParser(description="Says one thing to an orchestrator.")
    parser.add_argument("text", nargs="+", help="what to say")
    parser.add_argument("--url", required=True, help="of the orchestrator")
    parser.add_argument("--conversation", default="demo", help="which thread it belongs to")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to wait")
    options = parser.parse_args()
    asked = ask(options.url, " ".join(options.text), options.conversation, options.seconds)
    try:
        turn = asyncio.run(asked)
    except (StepError, WaitedTooLongError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{turn.text}\n")
    return 0 if turn.completed else 1


if __name__ == "__main__":
    sys.exit(main())
