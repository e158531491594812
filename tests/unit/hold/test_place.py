import pytest

from hotpeers.controller.hold.sidecars import place_of
from hotpeers.hold.workload import Pod


@pytest.mark.parametrize("ip", ["10.244.0.7", "fd00::7", "192.0.2.1"])
def test_pod_is_asked_at_its_own_address(ip: str) -> None:
    assert place_of(Pod("lead", "u", ip=ip, port=8090)) == (ip, 8090)


@pytest.mark.parametrize(
    "ip",
    [
        "",
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "0.0.0.0",
        "::ffff:127.0.0.1",
        "localhost",
        "10.0.0.1@evil.example",
        "10.0.0.1/../x",
        "2130706433",
        "0x7f.1",
    ],
)
def test_unusable_address_is_never_called(ip: str) -> None:
    assert place_of(Pod("lead", "u", ip=ip, port=8090)) is None


def test_pod_without_port_is_not_asked() -> None:
    assert place_of(Pod("lead", "u", ip="10.244.0.7")) is None
