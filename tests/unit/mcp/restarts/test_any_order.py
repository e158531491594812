"""Events in any order: the report is never wrong, and no turn is in flight when a restart is asked for."""

import json
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hotpeers.inject.restartprobe.program import SIGN
from hotpeers.mcp.restarts.decision import START_SECONDS
from hotpeers.mcp.restarts.keeper import Place, Restarts
from hotpeers.mcp.restarts.watch import STEADY_SECONDS
from hotpeers_shim.contract import ConfigState
from hotpeers_shim.contract.turns import Turns

PORT = 8080
EVENTS = ["write", "write back", "turn", "end", "crash", "down", "up", "sidecar", "date"]
SECONDS = [0.0, 0.5, 3.0, 6.5, 7.0, 12.0]
QUIET_SECONDS, BACKOFF_SECONDS = 5.0, 600.0


class Pod:
    """A pod. `running` is the model with which its agent has started; None while it is down."""

    def __init__(self, folder: Path) -> None:
        self.now, self.ahead = 10_000.0, 1_000_000.0
        self.table = folder / "tcp"
        folders = [folder / name for name in ("from", "to", "restart", "memory")]
        for one in folders:
            one.mkdir()
        self.place = Place(*folders)
        self.socket = self.model = 0
        self.idle_since: float | None = self.now + self.ahead
        self.quiet_since = self.now
        self.kills: list[float] = []
        self.running: int | None = None
        self.started = self.steady_at = self.now
        self.unsteady = 0.0
        self.stop()
        self.write(0)
        self.restarts = self.sidecar()
        self.start()

    def sidecar(self) -> Restarts:
        clocks = (lambda: self.now, lambda: self.now + self.ahead)
        made = Restarts(self.place, [], [PORT], tables=[self.table], clocks=clocks)
        made.prepare()
        return made

    def write(self, model: int) -> None:
        self.model = model
        (self.place.source / "config.json").write_text(json.dumps({"model": model}))

    def start(self) -> None:
        self.started = self.now
        self.socket += 1
        self.running = json.loads((self.place.target / "config.json").read_text())["model"]
        self.table.write_text(f"head\n 0: 0:{PORT:04X} 0:0 0A 0:0 0:0 0 0 0 {self.socket} 1\n")

    def stop(self) -> None:
        self.running = None
        self.table.write_text("head\n")

    def happen(self, event: str) -> None:
        match event:
            case "write":
                self.write(self.model + 1)
            case "write back":
                self.write(max(self.model - 1, 0))
            case "turn":
                self.idle_since = None
            case "end" if self.idle_since is None:
                self.idle_since, self.quiet_since = self.now + self.ahead, self.now
            case "crash":
                self.start()
            case "down":
                self.stop()
            case "up" if self.running is None:
                self.start()
            case "sidecar":
                self.restarts = self.sidecar()
            case "date":
                self.ahead += 7200.0

    def look(self, pause: float) -> None:
        self.now += pause
        if self.running is not None and self.now - self.started >= STEADY_SECONDS:
            self.steady_at = self.now
        self.unsteady = max(self.unsteady, self.now - self.steady_at)
        self.restarts.look(Turns(7, int(self.idle_since is None), self.idle_since))
        if (self.place.restart / SIGN).exists():
            assert self.idle_since is not None
            assert self.now - self.quiet_since >= QUIET_SECONDS
        ack = self.restarts.ack()
        if ack is not None and ack.state is ConfigState.LIVE:
            assert self.running == self.model

    def probe(self) -> None:
        """kubelet: the probe fails if there is a request, and then the container is restarted."""
        sign = self.place.restart / SIGN
        if sign.exists():
            sign.unlink()
            assert self.idle_since is not None, "a turn is in flight"
            self.kills.append(self.now)
            self.start()

    def pass_time(self, seconds: float, pause: float = 0.5) -> None:
        end = self.now + seconds
        while self.now < end:
            self.look(pause)
            if self.now % 5.0 == 0:
                self.probe()


@settings(deadline=None, max_examples=20)
@given(
    events=st.lists(
        st.tuples(st.sampled_from(EVENTS), st.sampled_from(SECONDS)), min_size=3, max_size=12
    )
)
def test_events_in_any_order(events: list[tuple[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pod = Pod(Path(folder))
        pod.pass_time(15)
        for event, seconds in events:
            pod.happen(event)
            pod.pass_time(seconds)
        for event in ("end", "up"):
            pod.happen(event)
        pod.now += 5.0 - pod.now % 5.0
        pod.pass_time(2 * BACKOFF_SECONDS, 5.0)
        ack = pod.restarts.ack()
        assert ack is not None
        # Looks are 5 s apart at the end.
        was_away = pod.unsteady >= START_SECONDS - 5.0
        rolled_back = ack.state is ConfigState.REFUSED and was_away
        # Of what happens between two looks the sidecar sees only the end. Then a new pod has to do.
        gives_up = ack.state is ConfigState.RESTART and any(pause < 0.5 for _, pause in events)
        is_live = pod.running == pod.model and ack.state is ConfigState.LIVE
        assert is_live or rolled_back or gives_up
        gaps = [later - earlier for earlier, later in pairwise(pod.kills)]
        assert all(gap >= BACKOFF_SECONDS for gap in gaps)
