"""Pods in files with their expected patches: see `pod_cases`."""

import copy

import jsonpatch
import pytest

from hotpeers.inject.injector import make_patch
from kit.pods.pod_cases import FOLDER, NAMESPACE, Case, all_cases, describe

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_pod_is_patched_as_its_file_expects(case: Case) -> None:
    before = copy.deepcopy(case.pod)
    patch = case.patch()
    assert describe(patch) == case.expected
    assert case.pod == before
    patched = jsonpatch.apply_patch(case.pod, list(patch.operations))
    again = make_patch(patched, NAMESPACE, case.injection)
    assert again.operations == ()


def test_every_file_of_the_folder_belongs_to_a_case() -> None:
    kinds = (".pod.yaml", ".patch.json")
    wanted = {f"{case.name}{kind}" for case in CASES for kind in kinds}
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert found == wanted
