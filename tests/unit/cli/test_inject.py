"""`hotpeers inject`: its input, its output and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from hotpeers.cli.main import cli

MAP = """\
# Source: chart/templates/map.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: c}   # a comment
data:
  text: |
    one
    two
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: team, annotations: {hotpeers.dev/inject: "true"}}
spec:
  containers:
    - name: agent
      image: agent:1
      command: [python, app.py]
      env: [{name: NOTE, value: "on"}, {name: LINES, value: "a\\nb\\n"}]
  volumes: [{name: v, configMap: {name: c, defaultMode: 0644}}]
"""


def inject(text: str, *arguments: str) -> Result:
    command = ("inject", "-f", "-", "--image", "hotpeers:1", *arguments)
    return CliRunner().invoke(cli, command, input=text.encode())


def documents(done: Result) -> list[Any]:
    return list(yaml.safe_load_all(done.stdout))


def test_pod_is_injected_and_the_rest_stays_word_for_word() -> None:
    done = inject(f"{MAP}--- # Source: x\n{MAP}---\n{POD}")
    assert done.exit_code == 0
    assert done.stdout.startswith(
        f"---\n{MAP}--- # Source: x\n{MAP}---\napiVersion: v1\nkind: Pod\n"
    )
    pod = documents(done)[2]
    assert pod["spec"]["initContainers"][0]["name"] == "hotpeers"
    assert (
        pod["spec"]["containers"][0]["env"][:2]
        == yaml.safe_load(POD)["spec"]["containers"][0]["env"]
    )
    assert pod["spec"]["volumes"][0]["configMap"]["defaultMode"] == 0o644
    assert done.stderr == "Pod team/agent: injected\n"


def test_nothing_to_inject_is_printed_as_it_came() -> None:
    done = inject(MAP)
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"---\n{MAP}", "")


def test_output_of_a_pipe_can_be_injected_again() -> None:
    once = inject(POD)
    again = inject(once.stdout)
    assert documents(again) == documents(once)


@pytest.mark.parametrize(("count", "kind"), [(1, "Pod"), (2, "List")])
def test_json_is_one_object(count: int, kind: str) -> None:
    done = inject("---\n".join([POD] * count), "-o", "json")
    found = json.loads(done.stdout)
    assert found["kind"] == kind
    pods = found["items"] if count == 2 else [found]
    assert all("initContainers" in pod["spec"] for pod in pods)


def test_patch_names_its_object() -> None:
    done = inject(f"{MAP}---\n{POD}", "-o", "patch")
    (entry,) = json.loads(done.stdout)
    assert (entry["kind"], entry["metadata"]) == ("Pod", {"namespace": "team", "name": "agent"})
    assert {one["op"] for one in entry["patch"]} == {"add"}


def test_list_is_split_into_its_injected_items() -> None:
    items = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [yaml.safe_load(POD), yaml.safe_load(MAP)],
    }
    done = inject(yaml.safe_dump(items))
    assert [one["kind"] for one in documents(done)] == ["Pod", "ConfigMap"]


def test_skipped_pod_is_unchanged_and_says_why_and_what_to_do() -> None:
    text = POD.replace("[python, app.py]", "[node]")
    done = inject(text)
    assert (done.exit_code, done.stdout) == (0, f"---\n{text}")
    assert done.stderr.startswith("Pod team/agent: skipped: NotPython: ")
    assert "hotpeers.dev/bridge" in done.stderr


def test_namespace_that_nothing_names_is_warned_of() -> None:
    text = POD.replace(", namespace: team", "")
    assert "--namespace" in inject(text).stderr
    done = inject(text, "--namespace", "team")
    assert done.stderr == "Pod team/agent: injected\n"
    assert "team/agent" not in inject(text).stdout


@pytest.mark.parametrize(
    "value", ["1e3", "y", "N", "on", "0x1f", "1:30", "2001-01-01", "", "~", ".5"]
)
def test_text_stays_text_for_kubectl(value: str) -> None:
    done = inject(POD.replace('value: "on"', f'value: "{value}"'))
    assert f"value: '{value}'" in done.stdout


def test_settings_are_those_of_the_controller() -> None:
    done = inject(
        POD,
        *("--image-pull-policy", "Always", "--native-sidecars", "false"),
        *("--sidecar-resources", '{"requests": {"cpu": "7m"}}'),
    )
    (pod,) = documents(done)
    sidecar = next(one for one in pod["spec"]["containers"] if one["name"] == "hotpeers")
    assert sidecar["imagePullPolicy"] == "Always"
    assert sidecar["resources"]["requests"]["cpu"] == "7m"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--native-sidecars", "perhaps"), "--native-sidecars"),
        (("--sidecar-resources", "7"), "--sidecar-resources"),
        (("--image", ""), "--image"),
    ],
)
def test_bad_setting_is_named(arguments: tuple[str, ...], named: str) -> None:
    done = inject(POD, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("text", ["", "a: [", "a: 1\na: 2\n", POD.replace("containers:", "other:")])
def test_invalid_input_prints_no_manifest(text: str) -> None:
    done = inject(f"{POD}---\n{text}" if text.startswith("api") else text)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1


def test_files_are_read_in_order(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.json"
    first.write_text(MAP)
    second.write_text(json.dumps(yaml.safe_load(POD)))
    arguments = ("inject", "-f", str(first), "-f", str(second), "--image", "hotpeers:1")
    done = CliRunner().invoke(cli, arguments)
    assert [one["kind"] for one in documents(done)] == ["ConfigMap", "Pod"]


def test_name_with_control_characters_reaches_no_terminal() -> None:
    done = inject(POD.replace("name: agent,", 'name: "a\\e[31m\\nerror: x",'))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("error: ") == 3  # two of them in the name
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_number_that_json_does_not_have_is_an_error() -> None:
    done = inject("apiVersion: v1\nkind: ConfigMap\nx: [.nan]\n", "-o", "json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: stdin document 1: a number such as .nan")


def test_items_of_a_list_of_one_kind_need_no_kind() -> None:
    pod = yaml.safe_load(POD)
    del pod["apiVersion"], pod["kind"]
    inner = {"apiVersion": "v1", "kind": "PodList", "items": [pod]}
    done = inject(json.dumps({"apiVersion": "v1", "kind": "List", "items": [inner]}))
    assert done.stderr == "Pod team/agent: injected\n"


def test_object_whose_kind_ends_with_list_is_printed_unchanged() -> None:
    text = "apiVersion: a.dev/v1\nkind: AllowList\nmetadata: {name: a}\n"
    assert inject(text).stdout == f"---\n{text}"


def test_octal_number_of_yaml_1_2_stays_a_number() -> None:
    done = inject(POD.replace("0644", "0o644"))
    (pod,) = documents(done)
    assert pod["spec"]["volumes"][0]["configMap"]["defaultMode"] == 0o644
