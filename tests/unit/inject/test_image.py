"""When the PYTHONPATH of an agent's image is looked for."""

from typing import Any

import pytest

from hotpeers.inject.image import must_be_read
from hotpeers.inject.outcome import Injection

INJECTION = Injection("hotpeers:1")


@pytest.mark.parametrize(
    ("image", "read"),
    [
        ("ghcr.io/kagent-dev/kagent/app:0.10.4", False),
        ("localhost:5000/mirror/kagent-dev/kagent/app@sha256:0", False),
        ("kagent-dev/kagent/app", False),
        ("ghcr.io/kagent-dev/kagent/app-langgraph:1", True),
        ("ghcr.io/kagent-dev/kagent/samples/app:1", True),
        ("evil-kagent-dev/kagent/app:1", True),
        ("mirror/app:0.10.4", True),
        ("", True),
    ],
)
def test_image_is_read_unless_it_is_kagents_own(image: str, read: bool) -> None:
    assert must_be_read({"name": "agent", "image": image}, INJECTION) is read


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([], True),
        ([{"value": "/app"}], False),
        ([{"value": ""}], False),
        ([{}], False),
        ([{"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}], False),
        ([{"value": "$(PYTHONPATH):/app"}], True),
        ([{"value": "/x/$(PYTHONPATH)"}], False),
        ([{"value": "/a"}, {"value": "$(PYTHONPATH):/b"}], False),
    ],
)
def test_image_is_read_unless_the_pod_replaces_its_path(
    values: list[dict[str, Any]], read: bool
) -> None:
    env = [{"name": "PYTHONPATH", **one} for one in values]
    assert must_be_read({"name": "agent", "image": "a", "env": env}, INJECTION) is read


def test_image_is_not_read_where_there_is_no_program_for_the_machine() -> None:
    without = Injection("hotpeers:1", reads_image=False)
    assert not must_be_read({"name": "agent", "image": "a"}, without)
