"""What rollouts do to turns in flight: an injected orchestrator beside one as kagent makes it.

    python bench/rollouts.py --rounds 10

A real one-node Kubernetes, kagent-adk in its pods, everything over the Service. Each round changes a
variable or the restart annotation of both Deployments while two turns of 20 s and two of 70 s are open in
each, by `message/send` and by `message/stream`; beside them, clients with open connections have short turns
all the time.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from e2e.crew import INJECT
from e2e.kagent import Agent
from e2e.pods import wait_until_gone
from e2e.slow_model import slow_model
from e2e.stage import make_stage
from e2e.traffic import traffic
from kit.waiting import until
from lab import say, start_node

METHODS = ("message/send", "message/stream")
SECONDS = 400.0


class Side:
    """One of the two orchestrators, and what became of its turns."""

    def __init__(self, stage, agent):
        self.stage, self.agent = stage, agent
        self.open, self.short, self.took = [], [], []

    def roll(self, number):
        """Change what only a new pod can have."""
        agent = replace(self.agent, env={"ROUND": str(number)}) if number % 2 else self.agent
        uid = self.stage.api.read(self.agent.manifest)["metadata"]["uid"]
        deployment = agent.objects(uid)[-1]
        if number % 2 == 0:
            annotations = deployment["spec"]["template"]["metadata"]["annotations"]
            annotations["kubectl.kubernetes.io/restartedAt"] = str(number)
        self.stage.api.apply(deployment)

    def replaced(self, old):
        return self.stage.pod(self.agent).uid != old.uid or None

    async def round(self, number, lengths):
        """One rollout with open turns, until the old pod has gone."""
        old = self.stage.pod(self.agent)
        url = self.stage.url(self.agent)
        async with traffic(url) as short, traffic(url) as opened:
            stop = asyncio.Event()
            crowd = [asyncio.create_task(short.keep_taking(stop)) for _ in range(2)]
            turns = [
                asyncio.create_task(opened.take(method, seconds))
                for method in METHODS
                for seconds in lengths
            ]
            await asyncio.sleep(3)  # in which the turns reach the model
            began = time.monotonic()
            await asyncio.to_thread(self.roll, number)
            await asyncio.to_thread(until, "another pod", lambda: self.replaced(old), SECONDS)
            await asyncio.gather(*turns)
            await asyncio.to_thread(wait_until_gone, self.stage.api, old, SECONDS)
            self.took.append(time.monotonic() - began)
            stop.set()
            await asyncio.gather(*crowd)
        self.open += opened.turns
        self.short += short.turns

    def show(self, title, lengths):
        print(f"\n{title}: {len(self.took)} rollouts")
        print(f"  until the old pod has gone: median {statistics.median(self.took):.1f} s")
        for method in METHODS:
            for seconds in lengths:
                found = [t for t in self.open if (t.method, t.seconds) == (method, seconds)]
                lost = sum(bool(turn.failure) for turn in found)
                print(f"  {method} of {seconds:g} s: {lost} of {len(found)} lost")
        failed = [turn for turn in self.short if turn.failure]
        print(f"  short turns: {len(failed)} of {len(self.short)} failed")
        for failure in sorted({turn.failure[:110] for turn in failed})[:4]:
            print(f"    {failure}")


async def measure(sides, rounds, lengths):
    for number in range(1, rounds + 1):
        await asyncio.gather(*(side.round(number, lengths) for side in sides.values()))
        say(f"round {number} is done")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--lengths", type=float, nargs="+", default=[20.0, 70.0])
    asked = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = make_stage(start_node(stack, folder).api, "rollouts")
        model = stack.enter_context(slow_model())
        sides = {}
        for title, annotations in (("with hotpeers", INJECT), ("as kagent makes it", {})):
            name = title.partition(" ")[0]
            agent = Agent(stage.namespace, name, annotations=annotations, model_url=model)
            stage.create(agent)
            sides[title] = Side(stage, agent)
        for side in sides.values():
            stage.start_created(side.agent)
            stage.wait_until_served(side.agent)
        asyncio.run(measure(sides, asked.rounds, asked.lengths))
        for title, side in sides.items():
            side.show(title, asked.lengths)


if __name__ == "__main__":
    main()
