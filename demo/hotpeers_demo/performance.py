"""One whole run: start the processes, play the steps, measure the figures, end the processes."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from hotpeers_demo.measure import measure
from hotpeers_demo.orchestrator import RUNTIMES, find_python
from hotpeers_demo.outcome import CannotStartError, Report, Step, StepError
from hotpeers_demo.pace import Pace
from hotpeers_demo.place import Cluster, Folder
from hotpeers_demo.processes import WaitedTooLongError, start_time
from hotpeers_demo.scene import Scene
from hotpeers_demo.stage import Cast, Stage
from hotpeers_demo.steps import STEPS
from hotpeers_demo.timeline import Timeline

HELD, DID_NOT_HOLD, COULD_NOT_START, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class DemoOptions:
    """The options of the command line."""

    runtime: str = "kagent"
    source: str = "directory"
    agent_python: str | None = None
    model: str | None = None
    json_output: bool = False
    keep: bool = False
    picture: Path | None = None


async def perform(options: DemoOptions) -> int:
    """Play the whole demonstration and return its exit code."""
    # With --json, standard output has only the document.
    timeline = Timeline(Console(stderr=options.json_output), picture=options.picture is not None)
    report = Report()
    interrupted = _catch_signals()
    try:
        return await _perform(options, timeline, report)
    except CannotStartError as error:
        sys.stderr.write(f"error: {error}\n")
        if options.json_output:
            sys.stdout.write(json.dumps({"held": False, "error": str(error)}) + "\n")
        return COULD_NOT_START
    except asyncio.CancelledError:
        if not interrupted:
            raise
        if options.json_output and not report.seconds:
            sys.stdout.write(json.dumps({"held": False, "error": "interrupted"}) + "\n")
        return INTERRUPTED


async def _perform(options: DemoOptions, timeline: Timeline, report: Report) -> int:
    if options.runtime not in RUNTIMES:
        raise CannotStartError(
            f"unknown runtime {options.runtime}; choose one of {', '.join(RUNTIMES)}"
        )
    python, versions = find_python(RUNTIMES[options.runtime], options.agent_python)
    if options.model and not os.environ.get("OPENAI_API_KEY"):
        raise CannotStartError(
            f"the model {options.model} needs OPENAI_API_KEY (and OPENAI_BASE_URL, unless it is"
            " OpenAI's) in the environment; without --model a scripted model is used"
        )
    cast = Cast(options.runtime, python, options.model)
    began = time.monotonic()
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    timeline.event(f"starting an unmodified {options.runtime} orchestrator ({packages})")
    folder = Path(tempfile.mkdtemp(prefix="hotpeers-demo-"))
    place = Cluster() if options.source == "kubernetes" else Folder(folder / "peers.d")
    stage = Stage(cast, folder, place, Pace(timeline.waiting))
    try:
        with timeline.spinning():
            await stage.start()
        report.setting = {
            "runtime": options.runtime,
            "source": options.source,
            "packages": versions,
            "model": options.model or "scripted",
            "orchestrator": {"pid": stage.orchestrator.pid, "url": stage.urls["orchestrator"]},
        }
        timeline.event(f"orchestrator: {stage.urls['orchestrator']}, pid {stage.orchestrator.pid}")
        with timeline.spinning():
            await _play(stage, timeline, report)
        report.setting["slowness"] = round(stage.pace.factor, 1)
        report.seconds = round(time.monotonic() - began, 1)
        timeline.end_all(report)
        if options.picture is not None:
            timeline.draw(options.picture)
        if not report.held:
            timeline.logs(stage.processes.children)
        if options.json_output:
            sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
            sys.stdout.flush()
        if options.keep:
            await _keep(stage, timeline)
    except CannotStartError:
        timeline.logs(stage.processes.children)
        raise
    finally:
        await stage.close()
        if report.held:
            shutil.rmtree(stage.folder, ignore_errors=True)
        else:
            timeline.plain(f"The logs stay in {stage.folder / 'logs'}")
    return HELD if report.held else DID_NOT_HOLD


async def _play(stage: Stage, timeline: Timeline, report: Report) -> None:
    """Play the steps in order until one fails; after the last one, measure the figures."""
    report.steps = [Step(name, title) for name, title, _ in STEPS]
    report.steps.append(Step("figures", "A series of changes, to measure the figures"))
    scene = Scene(stage, stage.caller.conversation(), timeline.event)
    actions = [action for _, _, action in STEPS]
    for number, step in enumerate(report.steps, start=1):
        timeline.begin(number, step)
        scene.facts = step.facts
        began = time.monotonic()
        try:
            if number <= len(actions):
                await actions[number - 1](scene)
            else:
                report.figures = await measure(scene)
            step.facts["orchestrator"] = _same_process(stage)
            step.held = True
        except StepError as error:
            step.held, step.expected, step.seen = False, error.expected, error.seen
        except WaitedTooLongError as error:
            what, _, seen = str(error).partition(": ")
            step.held, step.expected, step.seen = False, what, seen
        except (CannotStartError, httpx.HTTPError) as error:
            step.held, step.expected = False, "every process to run and to answer"
            step.seen = str(error) or type(error).__name__
        step.seconds = round(time.monotonic() - began, 2)
        timeline.end(step)
        if not step.held:
            return


def _same_process(stage: Stage) -> str:
    """Check that the orchestrator is still the process that was started, and describe it."""
    agent = stage.orchestrator
    if not agent.alive:
        raise StepError(f"the orchestrator (pid {agent.pid}) to run", "it has ended")
    now = start_time(agent.pid)
    if now != agent.started:
        raise StepError(f"pid {agent.pid} to have started at tick {agent.started}", now)
    return f"pid {agent.pid}, started at tick {agent.started}"


async def _keep(stage: Stage, timeline: Timeline) -> None:
    """Keep everything running until a signal arrives."""
    message = {
        "kind": "message",
        "messageId": "1",
        "role": "user",
        "parts": [{"kind": "text", "text": "Ask weather: will it rain in Oslo?"}],
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}
    timeline.plain("\nEverything keeps running until Ctrl-C.")
    for name, url in stage.urls.items():
        timeline.plain(f"  {name:<13} {url}")
    if isinstance(stage.place, Folder):
        timeline.plain(f"  {'peers.d':<13} {stage.place.folder}")
    timeline.plain("Talk to the orchestrator:")
    timeline.plain(
        f"  curl -s {stage.urls['orchestrator']}/ -H 'content-type: application/json'"
        f" -d '{json.dumps(call)}'"
    )
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        timeline.plain("Ending all processes.")


def _catch_signals() -> list[int]:
    """Cancel this run on Ctrl-C and SIGTERM, so that it ends its processes.

    Returns a list that gets the numbers of the received signals.
    """
    caught: list[int] = []
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        caught.append(number)
        if task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return caught
