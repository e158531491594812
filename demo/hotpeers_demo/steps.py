"""The steps of the conversation. Each step checks facts, and can fail."""

from collections.abc import Awaitable, Callable

from hotpeers_demo.place import Folder
from hotpeers_demo.scene import SOON, Scene, expect
from hotpeers_demo.stage import ANSWERS
from hotpeers_shim.contract import AckState, PeerFile

_GARBAGE = "apiVersion: hotpeers.dev/v1alpha1\nkind: Peer\nspec: {url: [\n"
_FIRST_NEWS = "what is new in Oslo?"


async def no_peer(scene: Scene) -> None:
    """Complete a turn without peers."""
    said = await scene.say("Ask weather: will it rain in Oslo?")
    expect(not any(said.offered), "no peer offered to the model", said.offered)
    scene.expect_said(said, "no agent called weather")


async def peer_added(scene: Scene) -> None:
    """Add a peer and use it in the next turn."""
    stage = scene.stage
    asked = len(await stage.heard("weather"))
    await stage.add_peer("weather")
    scene.tell(f"{stage.place.named('weather')} is created")
    await scene.projection("to list weather", lambda f: [p.name for p in f.peers] == ["weather"])
    said = await scene.say("Ask weather: will it rain in Oslo today?")
    tool = stage.tool("weather")
    expect(said.offered[0] == [tool], f"{tool} offered to the model", said.offered[0])
    await scene.expect_heard("weather", asked)
    scene.expect_said(said, ANSWERS["weather"])


async def peer_added_in_turn(scene: Scene) -> None:
    """Add a second peer while a turn waits for the first, and use it in that turn."""
    stage = scene.stage
    asked = len(await stage.heard("news"))
    text = f"Ask weather: how warm is it in Oslo? Then ask news: {_FIRST_NEWS}"
    async with scene.saying(text, "weather") as turn:
        await stage.add_peer("news")
        scene.tell(f"{stage.place.named('news')} is created during the turn")
        await scene.projection("to list news", lambda f: "news" in [p.name for p in f.peers])
    said = turn.result()
    tool = stage.tool("news")
    expect(tool not in said.offered[0], f"the turn to begin without {tool}", said.offered[0])
    expect(tool in said.offered[-1], f"{tool} offered in the same turn", said.offered[-1])
    scene.expect_said(said, ANSWERS["weather"])
    if scene.scripted:
        # A real model may have decided at the start of the turn that there is no such agent.
        await scene.expect_heard("news", asked)
        scene.expect_said(said, ANSWERS["news"])


async def peer_removed_in_call(scene: Scene) -> None:
    """Remove a peer while it works on a question."""
    stage = scene.stage
    async with scene.saying("Ask weather: will it snow tomorrow?", "weather") as turn:
        await stage.remove_peer("weather")
        scene.tell(f"{stage.place.named('weather')} is deleted while weather works on its answer")
        projected = await scene.projection(
            "to lack weather", lambda f: "weather" not in [p.name for p in f.peers]
        )
        await scene.acked(AckState.ACTIVE, projected.generation)
    said = turn.result()
    scene.expect_said(said, ANSWERS["weather"])
    answered = (await stage.heard("weather"))[-1]["answered"]
    expect(answered, "the call in flight to be answered", "it was cut")
    scene.facts["answered"] = answered


async def removed_peer_called(scene: Scene) -> None:
    """Let the model call a peer that exists only in the history."""
    stage = scene.stage
    asked = len(await stage.heard("weather"))
    said = await scene.say("Call the removed weather agent again.")
    tool = stage.tool("weather")
    expect(
        all(tool not in o for o in said.offered), f"{tool} to be no longer offered", said.offered
    )
    heard = len(await stage.heard("weather")) - asked
    expect(heard == 0, "the removed peer not to be asked", f"{heard} questions")
    scene.expect_said(said, "no longer available")


async def broken_files(scene: Scene) -> None:
    """Break the manifest and the peer file: the peers stay live."""
    stage = scene.stage
    projected = await scene.projection("to be there", lambda _: True)
    if isinstance(stage.place, Folder):  # the API server of a cluster rejects such an object
        await _broken_manifest(scene, stage.place, projected)
    # Stop the sidecar meanwhile: it would repair the file before the orchestrator reads it.
    with stage.sidecar.paused():
        whole = stage.peer_file.read_bytes()
        stage.peer_file.write_bytes(whole[: len(whole) // 2])
        scene.tell("peers.json is cut in half while the sidecar is stopped")
        ack = await scene.acked(AckState.REFUSED, projected.generation)
        scene.facts["refused"] = ack.reason
        asked = len(await stage.heard("news"))
        said = await scene.say("Ask news: does the paper still appear?")
        tool = stage.tool("news")
        expect(tool in said.offered[0], f"{tool} still offered", said.offered[0])
        await scene.expect_heard("news", asked)
        scene.expect_said(said, ANSWERS["news"])
    whole_again = await scene.projection(
        "to be repaired by the sidecar", lambda f: f.generation > projected.generation
    )
    await stage.add_peer("news", description="Answers questions about news, once more.")
    scene.tell(f"{stage.place.named('news')} is valid again")
    mended = await scene.projection(
        "to follow the valid manifest",
        lambda f: f.generation > whole_again.generation and bool(f.peers),
    )
    await scene.acked(AckState.ACTIVE, mended.generation)


async def _broken_manifest(scene: Scene, folder: Folder, projected: PeerFile) -> None:
    stage, manifest = scene.stage, folder.manifest("news")
    folder.spoil("news", _GARBAGE)
    scene.tell(f"{folder.named('news')} is overwritten with garbage")

    async def noticed() -> str | None:
        for problem in await stage.problems():
            if manifest.name in problem["where"]:
                return str(problem["reason"])
        return None

    reason = await stage.pace.until(f"the sidecar's status to name {manifest.name}", noticed, SOON)
    scene.tell(f"the sidecar's status reports {reason}, and the sidecar keeps the peer")
    expect(stage.projected() == projected, "the peer file as it was", stage.projected())


async def thread_kept(scene: Scene) -> None:
    """Ask a sub-agent for the earlier questions, in this thread and in another."""
    stage = scene.stage
    question = "Ask news: what did I ask you before?"
    said = await scene.say(question)
    contexts = {entry["context"] for entry in await stage.heard("news")}
    expect(len(contexts) == 1, "one A2A contextId for news in all turns", sorted(contexts))
    scene.expect_said(said, _FIRST_NEWS)
    scene.facts["contextId"] = next(iter(contexts))
    scene.tell("the same question in another conversation")
    asked = len(await stage.heard("news"))
    other = await scene.say(question, stage.caller.conversation())
    new = {entry["context"] for entry in (await scene.expect_heard("news", asked))[asked:]}
    expect(not new & contexts, "another contextId in another conversation", sorted(new))
    scene.expect_said(other, "nothing")


async def sidecar_killed(scene: Scene) -> None:
    """Kill the sidecar and start it again."""
    stage = scene.stage
    projected = await scene.projection("to be there", lambda _: True)
    pid = stage.sidecar.pid
    await stage.sidecar.kill()
    scene.tell(f"the sidecar (pid {pid}) is killed with SIGKILL")
    expect(not stage.sidecar.alive, "the sidecar to be dead", "it runs")
    asked = len(await stage.heard("news"))
    said = await scene.say("Ask news: who is missing?")
    tool = stage.tool("news")
    expect(tool in said.offered[0], f"{tool} offered without the sidecar", said.offered[0])
    await scene.expect_heard("news", asked)
    stage.start_sidecar()
    await stage.sidecar_ready()
    scene.tell(f"the sidecar runs again (pid {stage.sidecar.pid})")
    after = stage.projected()
    expect(
        after is not None
        and after.generation >= projected.generation
        and [p.toolName for p in after.peers] == [tool],
        f"generation {projected.generation} to continue with {tool}",
        after,
    )
    asked = len(await stage.heard("weather"))
    await stage.add_peer("weather")
    scene.tell(f"{stage.place.named('weather')} is created again")
    changed = await scene.projection(
        "to list weather", lambda f: "weather" in [p.name for p in f.peers]
    )
    expect(
        changed.generation > projected.generation,
        f"a generation after {projected.generation}",
        changed.generation,
    )
    said = await scene.say("Ask weather: are you back?")
    expect(stage.tool("weather") in said.offered[0], "weather offered again", said.offered[0])
    await scene.expect_heard("weather", asked)
    scene.expect_said(said, ANSWERS["weather"])


STEPS: tuple[tuple[str, str, Callable[[Scene], Awaitable[None]]], ...] = (
    ("no-peer", "No peer: the turn completes without one", no_peer),
    ("added", "A peer is added, and used in the next turn", peer_added),
    ("added-in-turn", "A second peer is added during a turn, and used in it", peer_added_in_turn),
    ("removed-in-call", "A peer is removed during a call, which completes", peer_removed_in_call),
    ("removed-called", "The model calls the removed peer", removed_peer_called),
    ("broken-files", "Broken files change nothing", broken_files),
    ("thread-kept", "A sub-agent remembers its thread", thread_kept),
    ("sidecar-killed", "The sidecar is killed, and started again", sidecar_killed),
)
