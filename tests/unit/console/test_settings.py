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
    "kubeconfig": "",
    "context": "",
}


def test_public_url_makes_cookies_secure_and_its_host_allowed() -> None:
    found = ConsoleSettings.parse(**GOOD | {"public_url": "https://Console.example:8443/"})
    assert found.is_secure
    assert found.hosts == {"console.example"}
    assert not ConsoleSettings.parse(**GOOD).is_secure


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
    ],
)
def test_wrong_setting_is_named(wrong: dict[str, str], flag: str) -> None:
    with pytest.raises(SettingsError, match=flag):
        ConsoleSettings.parse(**GOOD | wrong)
