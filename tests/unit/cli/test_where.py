"""Which sidecar `hotpeers status` asks without --url."""

import pytest

from hotpeers.cli.where import SIDECAR, sidecar_url


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (":8090", "http://127.0.0.1:8090"),
        (":8091", "http://127.0.0.1:8091"),
        # The container of the tools for spawning, a pod with hostNetwork, and a setting of another command.
        ("127.0.0.1:8092", SIDECAR),
        ("none", SIDECAR),
        ("", SIDECAR),
        ("auto", SIDECAR),
        (":\uff18\uff10", SIDECAR),
    ],
)
def test_injected_sidecar_is_asked_at_its_port(listen: str, url: str) -> None:
    assert sidecar_url({"HOTPEERS_LISTEN": listen}) == url


def test_sidecar_of_a_machine_is_asked_at_its_default_port() -> None:
    assert sidecar_url({}) == SIDECAR
