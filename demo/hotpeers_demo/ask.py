"""Sends one message to an orchestrator, and prints its answer.

    python -m hotpeers_demo.ask --url http://orchestrator:8080 Ask weather: will it rain?

Messages with the same `--conversation` belong to one thread. The exit code is 1 if the turn fails.
"""

import argparse
import asyncio
import sys

from hotpeers_demo.conversation import Caller, Turn
from hotpeers_demo.outcome import StepError
from hotpeers_demo.processes import WaitedTooLongError, until


async def ask(url: str, text: str, conversation: str, seconds: float) -> Turn:
    """Send one message once the orchestrator answers, and wait for the end of the turn.

    Raises `StepError` if the turn does not end in time or the call fails, and `WaitedTooLongError` if
    the orchestrator does not answer in time. `seconds` limits each of both waits.
    """
    caller = Caller(url)
    try:
        await until(f"the orchestrator at {url} to answer", caller.connect, seconds)
        return await caller.conversation(conversation).say(text, seconds)
    finally:
        await caller.close()


def main() -> int:
    """Ask once; returns the exit code."""
    parser = argparse.ArgumentParser(description="Sends one message to an orchestrator.")
    parser.add_argument("text", nargs="+", help="the message")
    parser.add_argument("--url", required=True, help="URL of the orchestrator")
    parser.add_argument(
        "--conversation", default="demo", help="id of the thread that the message belongs to"
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="longest wait, in seconds")
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
