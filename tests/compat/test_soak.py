"""A thousand changes of the peer file while twenty conversations run."""

import asyncio
import gc
import logging
import random

import psutil
import pytest
from harness import peer
from scripted import results

from hotpeers_shim import live
from kit.waiting import until_async

CHANGES = 1_000
CONVERSATIONS = 20
WARM = 100
"""Changes after which nothing may grow any more."""


class Traffic:
    """Conversations that call a random offered peer in every turn, until stopped."""

    def __init__(self, conversation):
        self.conversation = conversation
        self.stop = False
        self.turns = 0
        self.calls = 0
        self.faults = []

    async def run(self, seed):
        choose = random.Random(seed)
        while not self.stop:
            talk = self.conversation(fresh_runner=bool(seed % 2))
            for _ in range(10):
                await self._turn(talk, choose)
            # An ended conversation is deleted; otherwise the memory of this test would grow.
            await talk.sessions.delete_session(
                app_name="app", user_id="user", session_id=talk.session_id
            )

    async def _turn(self, talk, choose):
        def use_one(request):
            names = talk.model.offered[-1]
            if not names:
                return "nobody is there"
            return [(choose.choice(names), {"request": "echo work"})]

        try:
            events = await talk.turn("go", use_one, "done")
        except Exception as error:  # noqa: BLE001 - each one is a failed turn
            self.faults.append(f"turn failed: {error!r}")
            return
        self.turns += 1
        for answer in results(events):
            self.calls += 1
            if not answer.startswith("work [context "):
                self.faults.append(f"call lost: {answer}")


def random_peers(choose, servers):
    names = choose.sample([f"p{i}" for i in range(12)], choose.randint(0, 12))
    return [peer(name, choose.choice(servers), ready=choose.random() < 0.5) for name in names]


def usage():
    gc.collect()
    process = psutil.Process()
    return process.num_fds(), process.memory_info().rss / 1e6


@pytest.fixture
def quiet():
    """pytest keeps every logged line, so its memory would grow."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.soak
async def test_no_turn_fails_no_call_is_lost_and_no_resource_grows(
    peers, start_server, conversation, quiet, capsys
):
    servers = [start_server() for _ in range(3)]
    choose = random.Random(20)
    # The first call opens shared resources that stay open: a resolver, an SSL context.
    peers.write(peer("first", servers[0]))
    await conversation().turn("go", [("team__NS__first", {"request": "echo once"})])
    before, _ = usage()
    traffic = Traffic(conversation)
    tasks = [asyncio.create_task(traffic.run(seed)) for seed in range(CONVERSATIONS)]
    measured = []
    for number in range(CHANGES):
        peers.write(*random_peers(choose, servers))
        await asyncio.sleep(0.01)
        if number >= WARM and number % WARM == 0:
            measured.append(usage())
    peers.write()
    traffic.stop = True
    await asyncio.gather(*tasks)
    await until_async("the closing of all clients", lambda: usage()[0] <= before)
    measured.append(usage())
    assert not live.get().catalog().peers
    with capsys.disabled():
        fds, rss = zip(*measured, strict=True)
        print(
            f"\n{CHANGES} changes, {traffic.turns} turns, {traffic.calls} calls, "
            f"{len(traffic.faults)} faults; descriptors {before} before, {fds[:-1]} on the way, "
            f"{fds[-1]} after; "
            f"RSS {[round(mb) for mb in rss]} MB"
        )
    assert traffic.faults == []
    assert traffic.calls > CHANGES
    # On the way there is at most a connection a conversation, and one kept alive for each.
    assert max(fds) <= before + 2 * CONVERSATIONS
    # A leak continues; the allocator of a fresh process settles by the third sample
    # (2,000 changes on Python 3.13: 215, 226, 228, then 229 to 232 MB for the other 1,600).
    assert rss[-1] - rss[2] < 8
