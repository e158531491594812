"""What changes of an Agent's definition do to conversations: with hotpeers, and as kagent does it.

    python bench/definitions.py --changes 30

A real one-node Kubernetes, kagent-adk in its pods, the stand-in of kagent's controller. Ten conversations
have turns of 0 to 8 seconds all the time, while the model, the tools, the sub-agents and the instruction of
the Agent change in turn. A change is live when the model gets a request with it.
"""

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from e2e.conversations import conversations
from e2e.hotagent import HOT, HotAgent
from e2e.reconciler import Reconciler
from e2e.site import Site
from e2e.stage import BASELINE, make_stage
from e2e.toolserver import tool_server
from e2e.watchful_model import watchful_model
from kit.waiting import until
from lab import say, start_node

SECONDS = 180.0


def is_settled(lead):
    """Whether one pod is there and ready, and no other is about to end."""
    pods = lead.pods()
    return (len(pods) == 1 and pods[0].is_ready) or None


def measure(title, lead, changes):
    revision, seen, took = int(lead.revision()), {pod.uid for pod in lead.pods()}, []
    with conversations(lead.stage.url(lead.agent)) as talk:
        for number in range(1, changes + 1):
            took.append(lead.wait_until_live(lead.change(number), SECONDS))
            until("one pod", lambda: is_settled(lead), SECONDS)
            seen |= {pod.uid for pod in lead.pods()}
            say(f"{title}: change {number} was live after {took[-1]:.1f} s")
    ordered = sorted(took)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    restarts = sum(pod.restarts(name) for pod in lead.pods() for name in pod.containers)
    print(f"\n{title}: {changes} changes")
    print(f"  live after: median {statistics.median(took):.2f} s, p99 {p99:.2f} s")
    print(f"  rollouts: {int(lead.revision()) - revision}; pods: {len(seen)}; restarts: {restarts}")
    print(f"  turns: {len(talk.failed)} of {talk.turns} failed")
    for failure in sorted({one[:110] for one in talk.failed})[:4]:
        print(f"    {failure}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--changes", type=int, default=30)
    asked = options.parse_args()
    with ExitStack() as stack:
        node = start_node(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        reconciler = Reconciler(node.access)
        stack.callback(reconciler.close)
        reconciler.start()
        for title, annotations in (("with hotpeers", HOT), ("as kagent does it", {})):
            stage = make_stage(node.api, title.split()[0], BASELINE)
            reconciler.follow(stage.namespace, Site())
            with watchful_model() as model, tool_server() as tools:
                lead = HotAgent(stage, model, tools, annotations=annotations)
                lead.create()
                measure(title, lead, asked.changes)
            reconciler.leave(stage.namespace)


if __name__ == "__main__":
    main()
