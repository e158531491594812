"""The Secret of `hotpeers.dev/credentials` is mounted into the sidecar, and into no other container."""

import copy

import jsonpatch
import pytest

from kit.pods.pod_cases import Case, all_cases

VOLUME = "hotpeers-credentials"
CASES = {case.name: case for case in all_cases()}


def patched(case: Case) -> dict:
    return jsonpatch.apply_patch(copy.deepcopy(case.pod), list(case.patch().operations))


@pytest.mark.parametrize(
    "name", ["credentials", "credentials-spawn", "credentials-ordinary-sidecar"]
)
def test_only_the_sidecar_mounts_the_secret(name: str) -> None:
    spec = patched(CASES[name])["spec"]
    volume = {"name": VOLUME, "secret": {"secretName": "peers-of-concierge", "optional": True}}
    assert volume in spec["volumes"]
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    mounting = [
        one["name"]
        for one in containers
        if VOLUME in {mount["name"] for mount in one["volumeMounts"]}
    ]
    assert mounting == ["hotpeers"]
    told = {
        entry["name"]
        for one in containers
        for entry in one.get("env", [])
        if one["name"] != "hotpeers"
    }
    assert not told & {"HOTPEERS_CREDENTIALS", "HOTPEERS_USER_HEADERS_TO"}


def test_pod_that_does_not_ask_has_no_such_volume() -> None:
    spec = patched(CASES["kagent"])["spec"]
    assert VOLUME not in {volume["name"] for volume in spec["volumes"]}
