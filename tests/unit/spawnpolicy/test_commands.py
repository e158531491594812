"""`hotpeers policy`: its output, its exit codes, and that the examples do what they claim."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hotpeers.base.errors import HotpeersError
from hotpeers.cli.main import cli
from hotpeers.spawnpolicy.check import subject_of
from hotpeers.spawnpolicy.explain import explain
from hotpeers.spawnpolicy.reading import read_policy
from kit.spawning import LEAD, SPEC, document

EXAMPLES = Path(__file__).parents[3] / "k8s" / "examples"
SUBJECTS = {
    "research": "research/lead",
    "infrastructure": "kagent/kagent-tools",
    "evaluation": "evaluation/judge",
}


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(cli, ["policy", *arguments], input=stdin)


def check(example: str, file: str, *more: str) -> Result:
    folder = EXAMPLES / example
    template = ["--template", f"agent:log-reader={folder}/templates.yaml"]
    return run(
        *("check", "-f", f"{folder}/policy.yaml", "-f", f"{folder}/{file}"),
        *("--as", SUBJECTS[example], *more),
        *(template if example == "infrastructure" else []),
    )


@pytest.mark.parametrize("example", SUBJECTS)
def test_examples_are_admitted(example: str) -> None:
    result = check(example, "spawned.yaml")
    assert result.exit_code == 0, result.output
    assert "admitted" in result.output
    assert "refused" not in result.output


@pytest.mark.parametrize("example", SUBJECTS)
def test_examples_are_refused_for_their_reasons(example: str) -> None:
    result = check(example, "refused.yaml", "--json")
    assert result.exit_code == 1
    told = re.findall(
        r"^# Refused: ([A-Za-z, ]+)",
        (EXAMPLES / example / "refused.yaml").read_text(),
        re.MULTILINE,
    )
    found = json.loads(result.output)["results"]
    assert len(told) == len(found)
    for reasons, one in zip(told, found, strict=True):
        assert not one["allowed"]
        assert {it["reason"] for it in one["denials"]} == set(reasons.strip().split(", "))


@pytest.mark.parametrize("example", SUBJECTS)
def test_examples_are_explained(example: str) -> None:
    result = run("explain", "-f", str(EXAMPLES / example / "policy.yaml"))
    assert result.exit_code == 0
    assert "It allows nothing" not in result.output
    assert SUBJECTS[example].partition("/")[2] in result.output


def test_template_that_was_not_given_is_asked_for_by_its_option() -> None:
    folder = EXAMPLES / "infrastructure"
    files = ("-f", f"{folder}/policy.yaml", "-f", f"{folder}/spawned.yaml")
    result = run("check", *files, "--as", SUBJECTS["infrastructure"])
    assert result.exit_code == 1
    assert "give it by --template agent:log-reader=FILE" in result.output


def test_check_lists_the_subjects_when_the_asker_has_no_policy() -> None:
    folder = EXAMPLES / "research"
    files = ("-f", f"{folder}/policy.yaml", "-f", f"{folder}/spawned.yaml")
    result = run("check", *files, "--as", "research/laed")
    assert result.exit_code == 1
    assert "PolicyMissing" in result.output
    assert "Agent research/lead" in result.output
    alone = run("check", "-f", f"{folder}/spawned.yaml", "--as", "research/lead")
    assert "name (none)" in alone.output


def test_empty_policy_is_explained() -> None:
    (_, nothing) = explain(read_policy(document({})))
    assert nothing.startswith("It allows nothing: it does not name subjects, target")


def test_explain_covers_every_field() -> None:
    text = "\n".join(explain(read_policy(document({**SPEC, "templates": {"agents": ["base"]}}))))
    for word in (
        "agent:base",
        "write",
        "court/judge",
        "s3://bucket/skills/",
        "SEED",
        "x-tenant",
        "sky|sea",
    ):
        assert word in text


def test_agents_of_one_run_are_counted_together(tmp_path: Path) -> None:
    spec = {**SPEC, "limits": {**SPEC["limits"], "maxAgents": 1}}
    agents = [
        {
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "Agent",
            "metadata": {"name": f"worker-{n}"},
            "spec": {
                "type": "Declarative",
                "declarative": {"runtime": "python", "modelConfig": "small"},
            },
        }
        for n in range(2)
    ]
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"kind": "List", "items": [document(spec), *agents]}))
    result = run("check", "-f", str(file), "--as", "team/lead")
    assert result.exit_code == 1
    assert "worker-0 admitted" in result.output
    assert "TooManyAgents" in result.output
    deep = run("check", "-f", str(file), "--as", "team/worker-x", "--depth", "2")
    assert "TooDeep" in deep.output


AGENT = "apiVersion: kagent.dev/v1alpha2\nkind: Agent\n"
YAML_TRICKS = {
    "a key twice": "kind: Agent\nkind: Pod\n",
    "a key twice within": "metadata: {name: a}\nspec:\n  declarative: {runtime: go, runtime: python}\n",
    "a key twice, once quoted": '{"kind": "Agent", kind: Agent}',
    "a key twice, that would be admitted": AGENT + "metadata: {name: worker-a}\n"
    "spec: {type: Declarative, declarative: {runtime: python, modelConfig: small, modelConfig: small}}\n",
    "not YAML": "a: [",
    "a bomb": "a: &a [x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{f'*{chr(97 + n)},' * 15}]\n" for n in range(20)),
    "a Python object": "!!python/object/apply:os.system ['true']",
    "empty": "",
    "too deep": "[" * 100,
    "a merge": "a: &a {serviceAccountName: x}\n" + AGENT + "metadata: {name: worker-a}\n"
    "spec: {type: Declarative, declarative: {runtime: python, modelConfig: small, deployment: {<<: *a}}}\n",
    "a date": AGENT + "metadata: {name: 2026-01-01}\nspec: {}\n",
    "binary": AGENT + "metadata: {name: !!binary d29ya2VyLWE=}\nspec: {}\n",
    "a set": AGENT + "metadata: !!set {name}\nspec: {}\n",
    "a list as key": "? [a]\n: b\n",
    "a loop": AGENT + "metadata: {name: worker-a}\nspec: &s {type: *s}\n",
    "a loop in a list": "- &a [*a]\n",
    "text": "hello",
    "a number": "42",
    "a Secret in a list": "kind: List\nitems: [{apiVersion: v1, kind: Secret, metadata: {name: a}}]\n",
    "a list of one kind": "kind: AgentList\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]\n",
    "Norway": AGENT + "metadata: {name: no}\nspec: {}\n",
}


@pytest.mark.parametrize("name", YAML_TRICKS)
def test_tricks_of_yaml_are_refused(name: str, tmp_path: Path) -> None:
    rules = tmp_path / "policy.json"
    rules.write_text(json.dumps(document(SPEC)))
    result = run("check", "-f", str(rules), "-f", "-", "--as", "team/lead", stdin=YAML_TRICKS[name])
    assert result.exit_code == 1, result.output
    assert not result.exception or isinstance(result.exception, SystemExit)
    assert "admitted" not in result.output


def test_invalid_policy_is_reported_by_both_commands(tmp_path: Path) -> None:
    bad = tmp_path / "policy.json"
    bad.write_text(json.dumps(document({"tagetNamespaces": []})))
    for arguments in (("check", "--as", "team/lead"), ("explain",)):
        result = run(*arguments, "-f", str(bad))
        assert result.exit_code == 1
        assert "spec.tagetNamespaces: no such field is known (PolicyInvalid)" in result.output


def test_missing_file_is_an_error() -> None:
    result = run("explain", "-f", "/nowhere")
    assert (result.exit_code, result.stderr) == (2, "error: /nowhere: No such file or directory\n")


@pytest.mark.parametrize("who", ["lead", "a/b/c", "/a", "a/", ""])
def test_subject_must_be_namespace_and_name(who: str) -> None:
    with pytest.raises(HotpeersError):
        subject_of(who, [])


def test_account_and_agent_are_distinguished() -> None:
    rules = read_policy(document({"subjects": [{"kind": "ServiceAccount", "name": "tools"}]}))
    assert subject_of("team/tools", [rules]).agent == ""
    assert subject_of("team/lead", [rules]).agent == LEAD.agent
