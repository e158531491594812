"""The files of the recipe for kagent 1.x: each name in them exists, and nothing needs a shell."""

import re
from pathlib import Path

import yaml

from hotpeers.model.orchestrator import read_orchestrator
from hotpeers_shim.contract.feed import FEED_PATH
from hotpeers_shim.settings import Settings

ROOT = Path(__file__).parents[4]
RECIPE = ROOT / "k8s" / "byo"
PAGE = (ROOT / "docs" / "kagent-1x-byo.md").read_text("utf-8")
ORCHESTRATOR, HARNESS = yaml.safe_load_all((RECIPE / "orchestrator.yaml").read_text("utf-8"))


def test_dockerfile_runs_no_command_in_the_agents_image():
    stages = (RECIPE / "Dockerfile").read_text("utf-8").split("\nFROM ")
    assert [stage.split()[0] for stage in stages[1:]] == ["${HOTPEERS}", "${BASE}"]
    words = re.findall(r"^([A-Z]+) ", stages[-1].partition("\n")[2], re.MULTILINE)
    assert words == ["COPY", "ENV"]
    # With a shell form, the image of hotpeers would need a shell too.
    assert re.findall(r"^RUN (.)", stages[1], re.MULTILINE) == ["["]


def test_variables_of_the_harness_are_read_by_the_shim():
    values = {entry["name"]: entry["value"] for entry in HARNESS["spec"]["env"]}
    settings = Settings.read(values)
    assert settings.peers_url.endswith(FEED_PATH)
    assert settings.peers_token == "TOKEN"
    assert values.keys() == {"HOTPEERS_PEERS_URL", "HOTPEERS_PEERS_TOKEN"}
    for name in values:
        assert name in (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")


def test_harness_has_the_fields_of_kagent_1x():
    spec = HARNESS["spec"]
    assert HARNESS["apiVersion"] == "api.kagent.dev/v1alpha3"
    assert [kind for kind in ("kagent", "codex", "claude", "byo") if kind in spec] == ["byo"]
    assert "@sha256:" in spec["workload"]["image"]
    assert spec["workload"]["command"]
    assert spec["substrate"].keys() <= {"workerPoolRef", "snapshotPolicy", "egress"}


def test_harness_and_orchestrator_belong_together():
    host = re.search("//([^:/]+)", HARNESS["spec"]["env"][0]["value"])[1]
    assert host in HARNESS["spec"]["substrate"]["egress"]
    assert ORCHESTRATOR["metadata"] == HARNESS["metadata"]


def test_page_shows_the_same_objects_as_the_file():
    (shown,) = re.findall(r"<<'EOF'\n(.*?)\nEOF", PAGE, re.DOTALL)
    assert yaml.safe_load(shown) == ORCHESTRATOR
    read = read_orchestrator({**ORCHESTRATOR, "metadata": {**ORCHESTRATOR["metadata"], "uid": "u"}})
    assert f"secret {read.token_secret} -n team" in PAGE


def test_credential_of_the_page_is_for_the_same_variable_and_secret():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (entry,) = yaml.safe_load(block)
    assert entry["name"] == "HOTPEERS_PEERS_TOKEN"
    credential = entry["credentialRef"]
    assert credential.keys() == {"name", "key", "url", "header", "prefix"}
    assert credential["url"].startswith("https:")
    assert f"secret {credential['name']} -n team" in PAGE
