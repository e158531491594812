"""Which command lines start a Python that would not load the shim."""

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.inject.reasons import InjectReason
from hotpeers.inject.runtime import check_runtime


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("python main.py", None),
        ("python3.12 -uB -m agent -I", None),
        ("python -c -I", None),
        ("python -X dev main.py -S", None),
        ("python -Xdev -W error - -S", None),
        ("python -sP main.py", None),
        ("python -- -I", None),
        ("python --check-hash-based-pycs never x.py -I", None),
        ("uvicorn app:app -I", None),
        ("/.kagent/.venv/bin/kagent-adk static -E", None),
        ("python -I main.py", InjectReason.PYTHON_ISOLATED),
        ("/usr/bin/python3 -uE main.py", InjectReason.PYTHON_ISOLATED),
        ("python -W error -S main.py", InjectReason.PYTHON_ISOLATED),
        ("python --check-hash-based-pycs never -I x.py", InjectReason.PYTHON_ISOLATED),
        ("tini -- pypy3 -Ic x", InjectReason.PYTHON_ISOLATED),
        ("/usr/bin/env python3 -I", InjectReason.PYTHON_ISOLATED),
        ("java -jar agent.jar", InjectReason.NOT_PYTHON),
        ("/usr/local/bin/npx agent", InjectReason.NOT_PYTHON),
        ("", None),
    ],
)
def test_command_line_decides_about_the_runtime(words: str, reason: Reason | None) -> None:
    container = {"name": "agent", "image": "agent", "command": words.split()}
    found = check_runtime({"spec": {"containers": [container]}}, container)
    assert (found.reason if found else None) is reason


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("localhost:5000/mirror/golang-adk", InjectReason.NOT_PYTHON),
        ("r/golang-adk@sha256:abc", InjectReason.NOT_PYTHON),
        ("r/golang-adk:1-full", InjectReason.NOT_PYTHON),
        ("golang-adk.example/kagent/app:1", None),
        ("r/my-golang-adk", None),
    ],
)
def test_image_name_decides_about_the_runtime(image: str, reason: Reason | None) -> None:
    container = {"name": "agent", "image": image}
    found = check_runtime({"spec": {"containers": [container]}}, container)
    assert (found.reason if found else None) is reason
