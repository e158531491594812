"""Following of a configuration: what is live, what is refused, what needs a restart."""

import json
import threading

import pytest

from hotpeers_shim.contract import ConfigState
from hotpeers_shim.hot import follower
from hotpeers_shim.hot.content import Content
from hotpeers_shim.hot.folder import Folder
from hotpeers_shim.hot.follower import HotConfig
from hotpeers_shim.hot.hashing import config_hash
from kit.hot_files import CARD, PlainRuntime, Volume

START = {"instruction": "first", "stream": None}
SECRETS = b"\x07" * 32


class Process:
    """A process that made its configuration object of the files, and makes agents of it."""

    def __init__(self, folder):
        self.runtime = PlainRuntime()
        self.hot = HotConfig(folder)
        data = json.loads((folder.path / "config.json").read_bytes())
        content = self.hot.read_at_start(data)
        self.config = self.runtime.validate(data)
        self.hot.adopt(self.runtime, self.config, content)

    def request(self, fails=()):
        """The instruction that a request's agent is made with, as `adapters.hotconfig` does it."""
        self.hot.before_build(self.config)
        if self.config.instruction in fails:
            assert self.hot.roll_back(self.config, RuntimeError("of a request"))
        self.hot.after_build(self.config)
        return self.config.instruction

    @property
    def said(self):
        ack = self.hot.ack()
        return ack.state.value, ack.reason, ack.restart


@pytest.fixture
def volume(tmp_path):
    volume = Volume(tmp_path / "config")
    volume.configure(START)
    return volume


@pytest.fixture
def process(volume):
    return Process(Folder(volume.path))


LIVE = ("live", "", ())


def test_the_next_request_has_the_new_configuration(volume, process):
    assert (process.request(), process.said) == ("first", LIVE)
    volume.configure({"instruction": "second", "stream": False})
    assert (process.request(), process.said) == ("second", LIVE)
    assert process.runtime.built == ["second"]


def test_configuration_is_acked_without_requests(volume, process):
    before = process.hot.ack()
    volume.configure({"instruction": "second"})
    process.hot.look()
    after = process.hot.ack()
    assert after.state is ConfigState.LIVE
    assert after.digest != before.digest
    assert process.config.instruction == "first"
    assert process.request() == "second"
    assert process.hot.ack() is after


def test_only_the_object_of_the_process_is_changed(volume, process):
    other = process.runtime.validate(START)
    volume.configure({"instruction": "second"})
    process.hot.before_build(other)
    process.hot.after_build(other)
    assert other.instruction == "first"
    assert not process.hot.roll_back(other, RuntimeError())


BAD = {
    "empty": (b"", "FileEmpty"),
    "cut": (b'{"instruction": "sec', "NotJson"),
    "no text": (b"\xff\xfe", "NotUtf8"),
    "a list": ([], "WrongShape"),
    "large": (b" " * (5 * 1024 * 1024), "FileTooLarge"),
    "a wrong type": ({"instruction": 5}, "ConfigRefused"),
    "no agent": ({"instruction": "explode"}, "ConfigRefused"),
}


@pytest.mark.parametrize(("content", "reason"), BAD.values(), ids=BAD)
def test_bad_configuration_keeps_the_last_good_one_live(volume, process, content, reason):
    volume.configure({"instruction": "good"})
    process.hot.look()
    digest = process.hot.ack().digest
    volume.configure(content)
    process.hot.look()
    assert process.said == ("refused", reason, ())
    assert process.hot.ack().digest == digest
    assert process.hot.ack().message
    assert process.request() == "good"
    volume.configure({"instruction": "better"})
    assert (process.request(), process.said) == ("better", LIVE)


def test_reverted_bad_configuration_is_live_again(volume, process):
    volume.configure(b"")
    process.hot.look()
    volume.configure(START)
    process.hot.look()
    assert (process.said, process.request()) == (LIVE, "first")


def test_change_that_needs_a_restart_is_named_and_not_applied(volume, process):
    volume.configure({"instruction": "second", "stream": True})
    assert process.request() == "first"
    assert process.said == ("restart", "RestartNeeded", ("stream",))
    assert "stream" in process.hot.ack().message


def test_changed_agent_card_needs_a_restart(volume, process):
    volume.configure(START, card={"name": "another"})
    process.hot.look()
    assert process.said == ("restart", "RestartNeeded", ("agent-card.json",))
    volume.configure(START, card=CARD)
    process.hot.look()
    assert process.said == LIVE


def test_briefly_missing_file_is_not_reported(volume, process, monkeypatch):
    (volume.path / "..data").rename(volume.path / "away")
    process.hot.look()
    assert process.said == LIVE
    (volume.path / "away").rename(volume.path / "..data")
    process.hot.look()
    assert process.said == LIVE
    monkeypatch.setattr(follower, "MISSING_SECONDS", 0.0)
    (volume.path / "..data").rename(volume.path / "away")
    process.hot.look()
    assert process.said == ("refused", "FileMissing", ())
    assert process.request() == "first"


def test_a_configuration_that_makes_no_agent_in_a_request_is_taken_back(volume, process):
    volume.configure({"instruction": "good"})
    assert process.request() == "good"
    volume.configure({"instruction": "bad here"})
    assert process.request(fails={"bad here"}) == "good"
    assert process.said == ("refused", "ConfigRefused", ())
    assert process.request() == "good"
    assert not process.hot.roll_back(process.config, RuntimeError("of another"))


def test_a_request_does_not_wait_for_long_while_files_are_judged(volume, process):
    process.hot.look()
    volume.configure({"instruction": "slow"})
    begun, end = threading.Event(), threading.Event()
    build = process.runtime.build

    def slow_build(config):
        begun.set()
        assert end.wait(30)
        build(config)

    process.runtime.build = slow_build
    thread = threading.Thread(target=process.hot.look)
    thread.start()
    assert begun.wait(30)
    assert process.request() == "first"
    assert process.said == LIVE
    end.set()
    thread.join(30)
    assert process.request() == "slow"


def test_a_file_of_another_process_is_not_followed(volume):
    hot = HotConfig(Folder(volume.path), patience=0.0)
    assert hot.read_at_start({"instruction": "of elsewhere"}) is None
    assert hot.ack() is None
    hot.look()
    ack = hot.ack()
    assert (ack.state, ack.reason) == (ConfigState.REFUSED, "FeatureMissing")
    assert ack.digest == ""


def test_no_ack_before_the_configuration_is_known(volume):
    hot = HotConfig(Folder(volume.path))
    hot.look()
    assert hot.ack() is None


def test_a_slow_start_is_followed_after_all(volume):
    hot = HotConfig(Folder(volume.path), patience=0.0)
    hot.look()
    runtime, content = PlainRuntime(), hot.read_at_start(START)
    hot.adopt(runtime, runtime.validate(START), content)
    assert hot.ack().state is ConfigState.LIVE


def test_process_that_ignores_the_configuration_is_refused(process):
    process.hot.runner_made()
    assert process.said == ("refused", "FeatureMissing", ())


def test_process_that_uses_the_configuration_stays_live(process):
    process.request()
    process.hot.runner_made()
    assert process.said == LIVE


class Held:
    """A process in a pod whose annotation names a wanted configuration."""

    def __init__(self, volume, tmp_path):
        self.volume, self.info = volume, tmp_path / "pod"
        self.info.mkdir()
        (self.info / "config-hash").write_text(self.hash_of(START))
        self.process = Process(Folder(volume.path, pod_info=self.info))

    def hash_of(self, config, secrets=SECRETS):
        content = Content(json.dumps(config).encode(), json.dumps(CARD).encode())
        return config_hash(content, secrets)

    def want(self, config, secrets=SECRETS):
        said = {"hash": self.hash_of(config, secrets), "secrets": secrets.hex(), "try": 1}
        (self.info / "held-config").write_text(json.dumps(said))
        self.process.hot.look()
        return self.process.hot.ack()


@pytest.fixture
def held(volume, tmp_path):
    return Held(volume, tmp_path)


def test_the_wanted_hash_is_acked_once_its_content_is_live(held):
    new = {"instruction": "new"}
    early = held.want(new)
    assert (early.state, early.hash) == (ConfigState.LIVE, "")
    held.volume.configure(new)
    ack = held.want(new)
    assert (ack.state, ack.hash) == (ConfigState.LIVE, held.hash_of(new))


def test_a_rotated_secret_needs_a_restart_and_the_new_content_is_applied(held):
    new = {"instruction": "new"}
    held.volume.configure(new)
    ack = held.want(new, b"\x08" * 32)
    assert (ack.state, ack.restart, ack.hash) == (ConfigState.RESTART, ("secrets",), "")
    assert ack.seen == held.hash_of(new, b"\x08" * 32)
    assert held.process.request() == "new"


def test_bad_configuration_is_acked_without_its_hash(held):
    bad = {"instruction": 5}
    held.volume.configure(bad)
    ack = held.want(bad)
    assert (ack.state, ack.hash, ack.seen) == (ConfigState.REFUSED, "", held.hash_of(bad))


def test_refusal_of_an_older_file_does_not_carry_the_wanted_hash(held):
    """Two changes in quick succession, the first of them bad."""
    bad, good = {"instruction": 5}, {"instruction": "good"}
    held.volume.configure(bad)
    early = held.want(good)
    assert early.state is ConfigState.REFUSED
    assert early.seen != held.hash_of(good)
    held.volume.configure(good)
    ack = held.want(good)
    assert (ack.state, ack.hash, ack.seen) == (ConfigState.LIVE, *[held.hash_of(good)] * 2)


def test_change_that_needs_a_restart_is_acked_without_its_hash(held):
    new = {"instruction": "new", "stream": True}
    held.volume.configure(new)
    ack = held.want(new)
    assert (ack.state, ack.hash) == (ConfigState.RESTART, "")
