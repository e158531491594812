"""For any pod: the injection is complete or absent, and it is idempotent."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.inject.injector import make_patch
from hotpeers.inject.outcome import Injection, Patch
from kit.pods.generated import pods
from kit.pods.pod_cases import INJECTION, NAMESPACE

VOLUMES = {"hotpeers-shim", "hotpeers-peers", "hotpeers-acks"}
REGISTRY = "http://registry:12121"
INJECTIONS = [
    INJECTION,
    Injection("other:2", native_sidecars=False, registry_url=REGISTRY, token_secret="a/b"),
]
Pod = dict[str, Any]


def apply(pod: Pod, patch: Patch) -> Pod:
    return dict(jsonpatch.apply_patch(pod, list(patch.operations)))


def named(items: list[Any] | None, name: str) -> Any:
    return next((item for item in items or [] if item["name"] == name), None)


def assert_whole(pod: Pod) -> None:
    """All of an injection is in the pod, and fits together."""
    spec = pod["spec"]
    every = [*spec.get("initContainers", []), *spec["containers"]]
    assert len({one["name"] for one in every}) == len(every)
    names = [volume["name"] for volume in spec["volumes"]]
    assert len(set(names)) == len(names)
    if is_bridged(pod):
        assert_bridged(pod, every)
        return
    assert set(names) >= VOLUMES
    sidecar, shim = named(every, "hotpeers"), named(every, "hotpeers-shim")
    hook = sidecar.get("lifecycle", {}).get("postStart")
    # One of them copies the shim, and it is there before any other container starts.
    assert bool(hook) != bool(shim)
    installer = shim or sidecar
    assert "hotpeers-shim" in {mount["name"] for mount in installer["volumeMounts"]}
    assert spec["initContainers"].index(installer) == 0
    status = json.loads(pod["metadata"]["annotations"]["hotpeers.dev/status"])
    agent = named(spec["containers"], status["container"])
    assert {mount["name"] for mount in agent["volumeMounts"]} >= VOLUMES
    for container in (sidecar, installer, agent):
        mounts = container["volumeMounts"]
        assert {mount["name"] for mount in mounts} <= set(names)
        paths = [mount["mountPath"] for mount in mounts]
        assert len(set(paths)) == len(paths)
    spawner = named(every, "hotpeers-spawn")
    if spawner is not None and spawner.get("args") == ["mcp"]:
        listen = named(spawner["env"], "HOTPEERS_LISTEN")["value"]
        assert named(agent["env"], "HOTPEERS_SPAWN_URL")["value"] == f"http://{listen}/mcp"
        ports = {listen, *(f"127.0.0.1:{one['containerPort']}" for one in spawner["ports"])}
        ports |= {f"127.0.0.1:{one['containerPort']}" for one in sidecar.get("ports", [])}
        assert len(ports) == 3
    path = [entry for entry in agent["env"] if entry["name"] == "PYTHONPATH"][-1]["value"]
    assert "/opt/hotpeers/hotpeers_shim/bootstrap" in path.split(":")
    reader = named(spec["initContainers"], "hotpeers-pythonpath")
    if reader is not None:
        assert "$(PYTHONPATH)" in path.split(":")
        assert spec["initContainers"].index(reader) > 0
        assert reader["image"] == agent["image"]
    assert pod["metadata"]["labels"]["hotpeers.dev/injected"] == "true"
    assert "hotpeers.dev/skipped" not in pod["metadata"]["annotations"]


def is_bridged(pod: Pod) -> bool:
    return "runtime" in json.loads(pod["metadata"]["annotations"]["hotpeers.dev/status"])


def assert_bridged(pod: Pod, every: list[Any]) -> None:
    """The agent reads what the sidecar writes, and starts after the bridge."""
    spec = pod["spec"]
    sidecar = named(every, "hotpeers")
    agent = named(
        spec["containers"],
        json.loads(pod["metadata"]["annotations"]["hotpeers.dev/status"])["container"],
    )
    assert sidecar["lifecycle"]["postStart"]
    assert every.index(sidecar) < every.index(agent)
    listen = named(sidecar["env"], "HOTPEERS_BRIDGE_LISTEN")["value"]
    assert named(agent["env"], "HOTPEERS_MCP_URL")["value"] == f"http://{listen}/mcp"
    assert "/opt/hotpeers" not in {mount["mountPath"] for mount in sidecar["volumeMounts"]}
    folder = named(sidecar["env"], "HOTPEERS_CONFIG_TO")
    if folder is not None:
        assert folder["value"] in " ".join(agent["args"])
        for container in (agent, sidecar):
            mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
            assert mounts[folder["value"]] == "hotpeers-config"
    for container in (sidecar, agent):
        mounts = container.get("volumeMounts", [])
        assert {mount["name"] for mount in mounts} <= {one["name"] for one in spec["volumes"]}
    spawner = named(every, "hotpeers-spawn")
    if spawner is not None and spawner.get("args") == ["mcp"]:
        spawn = named(spawner["env"], "HOTPEERS_LISTEN")["value"]
        assert named(sidecar["env"], "HOTPEERS_SPAWN_URL")["value"] == f"http://{spawn}/mcp"
        assert spawn != listen
    assert pod["metadata"]["labels"]["hotpeers.dev/injected"] == "true"


def assert_kept(before: Any, after: Any) -> None:
    """All that was there is there still, lists in their order; PYTHONPATH ends as it did.

    The grace period grows by the drain.
    """
    if isinstance(before, dict):
        if before.get("name") == "PYTHONPATH":
            assert after["name"] == "PYTHONPATH"
            assert after.get("value", "").endswith(before.get("value", ""))
            return
        for key in before:
            if key == "terminationGracePeriodSeconds":
                assert after[key] >= before[key], "a drain takes time"
            elif key == "args" and "/var/run/hotpeers/config" in " ".join(after[key]):
                # The agent reads its configuration elsewhere; all other words are the same.
                assert set(before[key]) - {"--filepath", "--filepath=/config", "/config"} <= set(
                    after[key]
                )
            elif key not in {"hotpeers.dev/skipped", "hotpeers.dev/status"}:
                assert_kept(before[key], after[key])
    elif isinstance(before, list) and all(isinstance(item, dict) for item in before):
        rest = iter(after)
        for item in before:
            assert_kept(item, next(one for one in rest if one.get("name") == item.get("name")))
    else:
        assert after == before


@given(pods(), st.sampled_from(INJECTIONS))
def test_injection_is_complete_or_absent_and_idempotent(pod: Pod, injection: Injection) -> None:
    before = copy.deepcopy(pod)
    patch = make_patch(pod, NAMESPACE, injection)
    assert pod == before
    patched = apply(pod, patch)
    if patch.skip is not None:
        mark = patched["metadata"]["annotations"].pop("hotpeers.dev/skipped")
        assert mark == str(patch.skip)
        before["metadata"]["annotations"].pop("hotpeers.dev/skipped", None)
        assert patched == before
    elif patch.operations:
        assert_whole(patched)
        assert_kept(before, patched)
    again = make_patch(apply(pod, patch), NAMESPACE, injection)
    assert again.operations == ()


def _remove_volume(pod: Pod) -> None:
    pod["spec"]["volumes"].remove(named(pod["spec"]["volumes"], "hotpeers-acks"))


def _remove_installer(pod: Pod) -> None:
    del pod["spec"]["initContainers"][0]


def _remove_hook(pod: Pod) -> None:
    for container in pod["spec"]["initContainers"]:
        container.pop("lifecycle", None)


def _be_older(pod: Pod) -> None:
    """Changes the pod to the injection of native sidecars before the hook existed."""
    found = pod["spec"]["initContainers"]
    if found[0]["name"] == "hotpeers":
        del found[0]["lifecycle"]
        mounts = found[0]["volumeMounts"]
        mounts.remove(named(mounts, "hotpeers-shim"))
        shim = {"name": "hotpeers-shim", "image": "hotpeers:0", "args": ["shim", "install"]}
        mount = {"name": "hotpeers-shim", "mountPath": "/opt/hotpeers"}
        found.insert(0, {**shim, "volumeMounts": [mount]})


def _remove_mounts(pod: Pod) -> None:
    for container in pod["spec"]["containers"]:
        if container["name"] not in ("hotpeers", "hotpeers-spawn"):
            container["volumeMounts"] = []


def _remove_environment(pod: Pod) -> None:
    for container in pod["spec"]["containers"]:
        if container["name"] not in ("hotpeers", "hotpeers-spawn"):
            container["env"] = None


def _remove_label(pod: Pod) -> None:
    del pod["metadata"]["labels"]["hotpeers.dev/injected"]


def same_installation(second: Injection, first: Injection, pod: Pod) -> Injection:
    """The other one of the same installation: where a registry became known, tools are added.

    A pod that ends cannot be injected by one of an older cluster.
    """
    second = replace(second, registry_url=first.registry_url)
    if "restartPolicy" in pod["spec"]:
        second = replace(second, native_sidecars=first.native_sidecars)
    return second


REMOVALS = [
    *(_remove_volume, _remove_installer, _remove_hook, _remove_mounts),
    *(_remove_environment, _remove_label),
]


@given(pods(), st.sampled_from(INJECTIONS), st.sampled_from(REMOVALS), st.sampled_from(INJECTIONS))
def test_removed_parts_are_injected_again(
    pod: Pod, first: Injection, remove: Callable[[Pod], None], second: Injection
) -> None:
    patch = make_patch(pod, NAMESPACE, first)
    if patch.injected:
        patched = apply(pod, patch)
        if is_bridged(patched) and remove in (_remove_hook, _remove_installer):
            return  # the sidecar itself is put back only whole
        remove(patched)
        assert_whole(
            apply(patched, make_patch(patched, NAMESPACE, same_installation(second, first, pod)))
        )


@given(pods(), st.sampled_from(INJECTIONS), st.sampled_from(INJECTIONS))
def test_injection_of_an_older_version_is_left_unchanged(
    pod: Pod, first: Injection, second: Injection
) -> None:
    patch = make_patch(pod, NAMESPACE, first)
    if patch.injected and "hotpeers.dev/bridge" not in pod["metadata"]["annotations"]:
        patched = apply(pod, patch)
        if is_bridged(patched):
            return  # no older version has bridges
        _be_older(patched)
        assert (
            make_patch(patched, NAMESPACE, same_installation(second, first, pod)).operations == ()
        )


def test_an_agent_with_the_name_of_the_tools_is_not_the_tools() -> None:
    annotations = {"hotpeers.dev/inject": "true", "hotpeers.dev/spawn": "true"}
    containers = [{"name": "hotpeers-spawn", "image": "agent:1"}]
    spec = {"serviceAccountName": "default", "containers": containers}
    pod = {"metadata": {"name": "a", "annotations": annotations}, "spec": spec}
    patch = make_patch(pod, NAMESPACE, INJECTION)
    assert patch.injected
    assert patch.without is not None
    assert make_patch(apply(pod, patch), NAMESPACE, INJECTION).operations == ()
