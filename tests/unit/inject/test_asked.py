"""Which annotations apply to a pod: its own, those of its Agent, or those of its Namespace."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import jsonpatch
import pytest

from hotpeers.controller.reasons import ControllerReason
from hotpeers.inject import owner as agents
from hotpeers.inject.effective import Sources
from hotpeers.inject.outcome import Skip
from hotpeers.inject.owner import Agent, agent_name, read_agent
from hotpeers.inject.reasons import InjectReason
from hotpeers.inject.review import Result, Review, review
from hotpeers.spawnpolicy import stamps
from kit.pods.pod_cases import INJECTION

Object = dict[str, Any]
INJECT = "hotpeers.dev/inject"
SELECTOR = "hotpeers.dev/selector"
SPAWN = "hotpeers.dev/spawn"


def pod_of(agent: str = "concierge", **annotations: str) -> Object:
    """A pod as the ReplicaSet of an Agent's Deployment makes it."""
    owner = {"kind": "ReplicaSet", "name": f"{agent}-5d8f", "controller": True, "uid": "1"}
    return {
        "metadata": {
            "generateName": f"{agent}-5d8f-",
            "labels": {"app": "kagent", "kagent": agent, "pod-template-hash": "5d8f"},
            "annotations": {"kagent.dev/config-hash": "1", **annotations},
            "ownerReferences": [owner],
        },
        "spec": {
            "serviceAccountName": agent,
            "containers": [{"name": "kagent", "image": "kagent/app:1"}],
        },
    }


def ask(pod: Object, sources: Sources) -> tuple[Review, Object]:
    """The answer, and the pod as it becomes; asked again, nothing changes any more."""
    before = copy.deepcopy(pod)
    done = _ask(pod, sources)
    after = _patched(pod, done)
    assert pod == before
    again = _ask(after, sources)
    assert _patched(after, again) == after
    return done, after


def _ask(pod: Object, sources: Sources) -> Review:
    request = {"uid": "1", "kind": {"kind": "Pod"}, "namespace": "team", "object": pod}
    return review(json.dumps({"request": request}).encode(), INJECTION, sources)


def _patched(pod: Object, done: Review) -> Object:
    patch = done.answer["response"].get("patch")
    operations = json.loads(base64.b64decode(patch)) if patch else []
    found: Object = jsonpatch.apply_patch(pod, operations)
    return found


def said(pod: Object) -> dict[str, str]:
    """The hotpeers annotations that users set, without those that the injector writes."""
    written = ("hotpeers.dev/status", "hotpeers.dev/skipped", "kagent.dev/config-hash")
    found = pod["metadata"]["annotations"]
    return {name: value for name, value in found.items() if name not in written}


def containers(pod: Object) -> set[str]:
    return {
        one["name"] for key in ("initContainers", "containers") for one in pod["spec"].get(key, ())
    }


# -- the Agent decides


def test_annotations_that_the_agent_no_longer_has_leave_the_pod_as_before() -> None:
    pod = pod_of(**{INJECT: "true", SPAWN: "true", "hotpeers.dev/credentials": "keys"})
    done, after = ask(pod, Sources(Agent("concierge")))
    assert done.result is Result.UNCHANGED
    assert after == pod_of()


def test_annotation_missing_from_the_agent_is_removed_from_the_pod() -> None:
    pod = pod_of(**{INJECT: "true", SPAWN: "true", "hotpeers.dev/namespaces": "secret-lab"})
    _, after = ask(pod, Sources(Agent("concierge", annotations={INJECT: "true"})))
    assert said(after) == {INJECT: "true"}
    assert containers(after) == {"hotpeers", "hotpeers-pythonpath", "kagent"}


def test_annotation_values_come_from_the_agent() -> None:
    pod = pod_of(**{INJECT: "true", SELECTOR: "team=old"})
    sources = Sources(Agent("concierge", annotations={INJECT: "true", SELECTOR: "team=new"}))
    _, after = ask(pod, sources)
    assert said(after) == {INJECT: "true", SELECTOR: "team=new"}
    assert "team=new" in json.dumps(after["spec"])


def test_pod_whose_agent_is_unknown_keeps_its_annotations() -> None:
    pod = pod_of(**{INJECT: "true", SELECTOR: "team=old"})
    done, after = ask(pod, Sources())
    assert done.result is Result.INJECTED
    assert said(after) == said(pod)


def test_annotations_of_other_tools_are_kept() -> None:
    pod = pod_of(**{INJECT: "true", "sidecar.istio.io/inject": "true"})
    _, after = ask(pod, Sources(Agent("concierge")))
    assert after == pod_of(**{"sidecar.istio.io/inject": "true"})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {
                "type": "Declarative",
                "declarative": {"deployment": {"annotations": {INJECT: "true"}}},
            },
            {INJECT: "true"},
        ),
        (
            {"type": "BYO", "byo": {"deployment": {"annotations": {INJECT: "true"}}}},
            {INJECT: "true"},
        ),
        (
            {"deployment": {"annotations": {INJECT: "true"}}, "systemMessage": "v1alpha1"},
            {INJECT: "true"},
        ),
        (
            {
                "type": "BYO",
                "declarative": {"deployment": {"annotations": {INJECT: "true"}}},
                "byo": {},
            },
            {},
        ),
        ({"type": "Declarative", "declarative": {"deployment": None}}, {}),
        ({"systemMessage": "v1alpha1"}, {}),
        ({}, {}),
    ],
)
def test_annotations_are_read_from_the_spec_of_the_agent(
    spec: Object, expected: dict[str, str]
) -> None:
    metadata = {"name": "a", "uid": "7", "annotations": {INJECT: "on the Agent: reaches no pod"}}
    found = read_agent({"apiVersion": "kagent.dev/v1alpha2", "metadata": metadata, "spec": spec})
    assert (found.annotations, found.uid, found.spawned) == (expected, "7", False)


def test_pod_of_an_agent_is_one_that_its_deployment_made() -> None:
    assert agent_name(pod_of()) == "concierge"


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("ownerReferences"),
        lambda m: m["ownerReferences"][0].update(name="other-5d8f"),
        lambda m: m["ownerReferences"][0].update(kind="StatefulSet"),
        lambda m: m["ownerReferences"][0].update(controller=False),
        lambda m: m["labels"].update(app="mine"),
        lambda m: m["labels"].update(kagent="../secrets/x"),
        lambda m: m["labels"].pop("pod-template-hash"),
        lambda m: m.pop("labels"),
    ],
)
def test_label_by_hand_makes_no_pod_of_an_agent(change: Any) -> None:
    pod = pod_of()
    change(pod["metadata"])
    assert agent_name(pod) == ""


# -- the Namespace


def test_namespace_injects_the_pods_of_agents() -> None:
    pod = pod_of()
    del pod["metadata"]["annotations"]
    namespace = {SELECTOR: "team=one", "hotpeers.dev/readers": "*", "owner": "me"}
    done, after = ask(pod, Sources(Agent("concierge"), namespace))
    assert done.result is Result.INJECTED
    assert said(after) == {INJECT: "true", SELECTOR: "team=one"}
    assert "team=one" in json.dumps(after["spec"])


def test_agent_opts_out_of_its_namespace() -> None:
    sources = Sources(Agent("concierge", annotations={INJECT: "false"}), {SELECTOR: "team=one"})
    done, after = ask(pod_of(**{INJECT: "false"}), sources)
    assert done.result is Result.UNCHANGED
    assert after == pod_of(**{INJECT: "false"})


def test_annotations_of_the_agent_override_those_of_its_namespace() -> None:
    own = {SELECTOR: "team=own", SPAWN: ""}
    namespace = {SELECTOR: "team=one", SPAWN: "true", "hotpeers.dev/log-level": "debug"}
    _, after = ask(pod_of(**own), Sources(Agent("concierge", annotations=own), namespace))
    assert said(after) == {INJECT: "true", **own, "hotpeers.dev/log-level": "debug"}
    assert "hotpeers-spawn" not in containers(after)


def test_annotated_pod_without_an_agent_takes_the_namespace_defaults() -> None:
    pod = pod_of(**{INJECT: "true"})
    pod["metadata"]["labels"] = {"app": "mine"}
    _, after = ask(pod, Sources(None, {"hotpeers.dev/require-signed": "keys"}))
    assert said(after) == {INJECT: "true", "hotpeers.dev/require-signed": "keys"}


def test_namespace_does_not_change_other_pods() -> None:
    done, after = ask(pod_of(), Sources(None, {SELECTOR: "team=one"}))
    assert done.result is Result.UNCHANGED
    assert after == pod_of()


def test_spawned_agent_takes_no_defaults_of_its_namespace() -> None:
    namespace = {SPAWN: "true", "hotpeers.dev/credentials": "keys"}
    _, after = ask(pod_of(), Sources(Agent("concierge", spawned=True), namespace))
    assert after == pod_of()
    own = Agent("concierge", annotations={INJECT: "true"}, spawned=True)
    _, after = ask(pod_of(**{INJECT: "true"}), Sources(own, namespace))
    assert said(after) == {INJECT: "true"}


@pytest.mark.parametrize(
    "metadata", [{"annotations": {stamps.SPAWNED_BY: "x"}}, {"labels": {stamps.SPAWNED: "true"}}]
)
def test_spawned_agent_is_known_by_its_stamps(metadata: Object) -> None:
    assert (agents.SPAWNED_BY, agents.SPAWNED_LABEL) == (stamps.SPAWNED_BY, stamps.SPAWNED)
    assert read_agent({"metadata": {"name": "a", **metadata}, "spec": {}}).spawned


def test_bad_default_skips_and_names_the_namespace() -> None:
    done, after = ask(pod_of(), Sources(Agent("concierge"), {SELECTOR: "=="}))
    assert (done.result, done.reason) == (Result.SKIPPED, InjectReason.ANNOTATION_INVALID)
    assert "Namespace" in after["metadata"]["annotations"]["hotpeers.dev/skipped"]
    assert containers(after) == {"kagent"}
    # An annotation that the Agent sets overrides the default.
    own = {SELECTOR: "team=own"}
    done, _ = ask(pod_of(**own), Sources(Agent("concierge", annotations=own), {SELECTOR: "=="}))
    assert done.result is Result.INJECTED


def test_namespace_that_cannot_be_read_skips() -> None:
    sources = Sources(unknown=Skip(ControllerReason.SOURCES_UNREADABLE, "Namespace team: 403"))
    done, after = ask(pod_of(), sources)
    assert done.reason is ControllerReason.SOURCES_UNREADABLE
    assert containers(after) == {"kagent"}
    _, injected = ask(pod_of(), Sources(Agent("concierge"), {}))
    assert ask(injected, sources)[1] == injected


# -- runtimes that cannot load the shim


@pytest.mark.parametrize("image", ["mirror/kagent-go-runtime:1", "kagent/app:1", "x"])
def test_agent_of_the_go_runtime_gets_a_bridge_with_any_image(image: str) -> None:
    pod = pod_of(**{INJECT: "true"})
    pod["spec"]["volumes"] = [{"name": "config", "secret": {"secretName": "concierge"}}]
    pod["spec"]["containers"][0] |= {
        "image": image,
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    agent = Agent("concierge", annotations={INJECT: "true"}, runtime="go")
    done, after = ask(pod, Sources(agent))
    assert done.result is Result.INJECTED
    assert containers(after) == {"kagent", "hotpeers"}
    assert "PYTHONPATH" not in {one["name"] for one in after["spec"]["containers"][0]["env"]}
    assert after["spec"]["containers"][0]["args"][-2:] == ["--filepath", "/var/run/hotpeers/config"]
    assert ask(after, Sources(agent))[1] == after


def test_agent_of_the_go_runtime_may_refuse_the_bridge() -> None:
    pod = pod_of(**{INJECT: "true"})
    asked = {INJECT: "true", "hotpeers.dev/bridge": "false"}
    done, after = ask(pod, Sources(Agent("concierge", annotations=asked, runtime="go")))
    assert (done.result, done.reason) == (Result.SKIPPED, InjectReason.NOT_PYTHON)
    assert containers(after) == {"kagent"}


def test_byo_agent_has_no_runtime() -> None:
    spec = {"type": "BYO", "byo": {}, "declarative": {"runtime": "go"}}
    assert read_agent({"metadata": {"name": "a"}, "spec": spec}).runtime == ""


def test_hot_configuration_and_drains_may_be_a_namespaces_defaults() -> None:
    defaults = {"hotpeers.dev/hot-config": "true", "hotpeers.dev/drain-seconds": "40"}
    pod = pod_of()
    pod["spec"]["volumes"] = [{"name": "config", "secret": {"secretName": "concierge"}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "config", "mountPath": "/config"}]
    own = Agent("concierge", annotations={"hotpeers.dev/drain-seconds": "20"})
    _, after = ask(pod, Sources(agent=own, namespace=defaults))
    assert after["spec"]["terminationGracePeriodSeconds"] == 50
    variables = {one["name"] for one in after["spec"]["containers"][0]["env"]}
    assert {"HOTPEERS_HOT_CONFIG", "HOTPEERS_POD_INFO"} <= variables
    spawned = Agent("concierge", annotations={INJECT: "true"}, spawned=True)
    _, after = ask(pod, Sources(agent=spawned, namespace=defaults))
    assert after["spec"]["terminationGracePeriodSeconds"] == 330
    assert "HOTPEERS_HOT_CONFIG" not in str(after)


def test_owner_is_warned_of_each_omitted_feature() -> None:
    asked = {INJECT: "true", SPAWN: "true", "hotpeers.dev/hot-config": "true"}
    pod = pod_of(**asked)
    pod["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 1}}}
    done, _ = ask(pod, Sources(agent=Agent("concierge", annotations=asked)))
    assert done.result is Result.INJECTED
    reasons = [
        InjectReason.REGISTRY_UNKNOWN,
        InjectReason.HOT_CONFIG_NOT_MOUNTED,
        InjectReason.PRE_STOP_TAKEN,
    ]
    assert [skip.reason for skip in done.told] == reasons
    assert len(done.answer["response"]["warnings"]) == len(reasons)
