"""How a sidecar shows the configuration of the agent's processes."""

import json
import logging
import time
from dataclasses import replace

import pytest

from hotpeers.base.reasons import sentence_of
from hotpeers.cli.sidecar_text import sidecar_lines
from hotpeers.sidecar.acks.configuration import config_problems
from hotpeers.sidecar.acks.reader import AckReader, Acks
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.metrics import Metrics, log_configs
from hotpeers.sidecar.status.page import render_page
from hotpeers_shim.contract import (
    Ack,
    AckState,
    ConfigAck,
    ConfigProblem,
    ConfigState,
    Nack,
    PeerProblem,
    dump_ack,
    load_ack,
)
from kit.sidecars import Sidecar
from kit.waiting import until

LIVE = ConfigAck(ConfigState.LIVE, "ab" * 32, "123", "123", time=1.0)
REFUSED = ConfigAck(ConfigState.REFUSED, "ab" * 32, "", "9", "NotJson", "cut at line 1", time=2.0)
RESTART = ConfigAck(
    ConfigState.RESTART, "ab" * 32, "", "9", "RestartNeeded", "It changes: stream", ("stream",), 3.0
)


def ack(config, pid=7):
    return Ack(pid, AckState.ACTIVE, 1, config=config, time=time.time())


def acks(*configs):
    return Acks(tuple(ack(config, pid) for pid, config in enumerate(configs)))


@pytest.mark.parametrize("config", [None, LIVE, REFUSED, RESTART])
def test_ack_survives_a_round_trip(config):
    found = load_ack(dump_ack(ack(config)))
    assert isinstance(found, Ack)
    assert found.config == config
    assert ("config" in json.loads(dump_ack(ack(config)))) == (config is not None)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"config": []}, "config"),
        ({"config": {"state": "fine"}}, "config.state"),
        ({"config": {}}, "config.state"),
        ({"config": {"state": "live", "restart": "stream"}}, "config.restart"),
        ({"config": {"state": "live", "restart": [5]}}, "config.restart[0]"),
        ({"config": {"state": "live", "restart": ["x"] * 65}}, "config.restart"),
        ({"config": {"state": "live", "digest": "x" * 300}}, "config.digest"),
        ({"config": {"state": "live", "time": -1}}, "config.time"),
    ],
)
def test_a_configuration_of_the_wrong_shape_is_named(change, path):
    data = {**json.loads(dump_ack(ack(None))), **change}
    found = load_ack(json.dumps(data).encode())
    assert (found.reason, found.path) == (Nack.WRONG_SHAPE, path)


def test_fields_of_a_later_version_are_ignored():
    data = json.loads(dump_ack(ack(LIVE)))
    data["config"]["later"] = {"x": 1}
    assert load_ack(json.dumps(data).encode()).config == LIVE


def test_problems_have_a_word_of_the_vocabulary():
    odd = replace(REFUSED, reason="whatever an agent cares to write", message="")
    missing = replace(REFUSED, reason="FeatureMissing")
    problems = config_problems(acks(None, LIVE, REFUSED, RESTART, odd, missing))
    assert [problem.reason for problem in problems] == [
        Nack.NOT_JSON,
        ConfigProblem.RESTART_NEEDED,
        ConfigProblem.REFUSED,
        PeerProblem.FEATURE_MISSING,
    ]
    assert problems[1].field == "stream"
    assert problems[2].message == sentence_of(ConfigProblem.REFUSED)


def test_each_change_is_logged_and_counted_once(caplog):
    metrics = Metrics()
    with caplog.at_level(logging.INFO):
        for before, after in [(None, LIVE), (LIVE, LIVE), (LIVE, REFUSED), (REFUSED, LIVE)]:
            log_configs(acks(before), acks(after), metrics)
        log_configs(acks(RESTART), Acks(), metrics)
    assert [message.partition(" (")[0] for message in caplog.messages] == [
        "agent process 0: configuration abababababab is live",
        "process 0: config.json: cut at line 1",
        "agent process 0: configuration abababababab is live",
        "solved: process 0: config.json: cut at line 1",
        "gone: process 0: config.json: stream: It changes: stream",
    ]
    text = metrics.text()
    assert b'hotpeers_config_changes_total{state="live"} 2.0' in text
    assert b'hotpeers_config_changes_total{state="refused"} 1.0' in text


def test_status_metrics_and_page_show_it():
    status = Status("directory /peers", "/run/peers.json", acks=acks(None, LIVE, RESTART))
    document = status.document()
    assert [one["config"] and one["config"]["state"] for one in document["acks"]] == [
        None,
        "live",
        "restart",
    ]
    assert document["acks"][1]["config"]["hash"] == "123"
    assert [one["reason"] for one in document["problems"]] == ["RestartNeeded"]
    metrics = Metrics()
    metrics.show(status)
    assert b'hotpeers_config_agents{state="live"} 1.0' in metrics.text()
    assert b'hotpeers_problems{reason="RestartNeeded"} 1.0' in metrics.text()
    page = render_page(document)
    assert "Configuration of the agent" in page
    assert "It changes: stream" in page
    text = "\n".join(line.plain for line in sidecar_lines(document, 200))
    assert "RestartNeeded" in text
    assert "hotpeers explain REASON" in text


def test_status_hides_the_configuration_without_hot_config():
    document = Status("directory /peers", "/run/peers.json", acks=acks(None)).document()
    assert document["problems"] == []
    assert "Configuration of the agent" not in render_page(document)
    # A sidecar of an older version.
    del document["acks"][0]["config"]
    text = "\n".join(line.plain for line in sidecar_lines(document, 200))
    assert "Configuration of the agent" not in text
    assert "hotpeers explain" not in text


def test_text_written_by_an_agent_is_cleaned(tmp_path):
    evil = replace(REFUSED, message="\x1b[31mred\u202e", digest="\x1b[31m", restart=("a\x00b",))
    (tmp_path / "ack-7.json").write_bytes(dump_ack(ack(evil)))
    (found,) = AckReader(tmp_path).read().acks
    assert (found.config.message, found.config.digest) == ("red", "")
    assert found.config.restart == ("ab",)


def test_a_running_sidecar_shows_it(tmp_path):
    sidecar = Sidecar(tmp_path)
    sidecar.peers.mkdir()
    sidecar.start()
    try:
        sidecar.acks.mkdir(exist_ok=True)
        (sidecar.acks / "ack-7.json").write_bytes(dump_ack(ack(RESTART)))
        (problem,) = until("a problem", lambda: sidecar.status()["problems"])
        assert (problem["where"], problem["field"]) == ("process 7: config.json", "stream")
    finally:
        sidecar.process.kill()
        sidecar.process.wait()
