"""Settings are checked at the start."""

import pytest

from hotpeers.base.errors import SettingsError
from hotpeers.console.settings import ConsoleSettings

GOOD = {
    "listen": ":8094",
    "health_listen": "none",
    "audience": "hotpeers-console",
    "public_url": "",
    "allowed_hosts": "",
    "trusted_proxies": "",
    "kubeconfig": "",
    "context": "",
}


def test_host_of_the_public_url_is_allowed() -> None:
    found = ConsoleSettings.parse(**GOOD | {"public_url": "https://Console.example:8443/"})
    assert found.public_url == "https://Console.example:8443"
    assert found.hosts == {"console.example"}
    # A browser sends the dot, and the check of the Host leaves it out.
    found = ConsoleSettings.parse(**GOOD | {"public_url": "https://console.example."})
    assert found.hosts == {"console.example"}


def test_no_proxy_is_trusted_by_default() -> None:
    assert ConsoleSettings.parse(**GOOD).proxies == ()
    found = ConsoleSettings.parse(**GOOD | {"trusted_proxies": "10.0.0.0/8, fd00::/8,192.0.2.1"})
    assert [str(one) for one in found.proxies] == ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]


def test_none_accepts_tokens_of_the_api_server() -> None:
    assert ConsoleSettings.parse(**GOOD | {"audience": "none"}).audience == ""


@pytest.mark.parametrize(
    ("wrong", "flag"),
    [
        ({"listen": "none"}, "--listen"),
        ({"listen": "8094"}, "--listen"),
        ({"audience": ""}, "--audience"),
        ({"audience": "a b"}, "--audience"),
        ({"public_url": "console.example"}, "--public-url"),
        ({"public_url": "https://a/b"}, "--public-url"),
        ({"public_url": "https://u:p@a"}, "--public-url"),
        ({"allowed_hosts": "https://a"}, "--allowed-hosts"),
        ({"health_listen": "x"}, "--health-listen"),
        ({"trusted_proxies": "ingress"}, "--trusted-proxies"),
        ({"trusted_proxies": "10.0.0.1/8"}, "--trusted-proxies"),
    ],
)
def test_wrong_setting_is_named(wrong: dict[str, str], flag: str) -> None:
    with pytest.raises(SettingsError, match=flag):
        ConsoleSettings.parse(**GOOD | wrong)
