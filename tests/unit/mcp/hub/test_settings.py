"""The settings of the hub: wrong ones name their flag."""

import pytest

from hotpeers.base.errors import SettingsError
from hotpeers.base.names import NamespacedName
from hotpeers.mcp.hub.settings import HubSettings

RAW = {
    "listen": ":8092",
    "health_listen": "none",
    "selector": "hotpeers.dev/peer=true",
    "key_secret": "hotpeers-system/hub-key",
    "wait_seconds": "25",
    "credentials": "",
    "state_dir": "",
    "user_headers_to": "",
    "kagent_gateway": "",
    "kubeconfig": "",
    "context": "",
}


def test_settings_are_read() -> None:
    made = HubSettings.parse(
        {"HOSTNAME": "hub-1"}, **{**RAW, "user_headers_to": "https://a.example"}
    )
    assert made.key_secret == NamespacedName("hotpeers-system", "hub-key")
    assert (made.replica, made.health_listen, made.wait_seconds) == ("hub-1", None, 25.0)
    assert str(made.peer_file) == "/var/run/hotpeers/peers.json"
    assert [str(one) for one in made.user_headers_to] == ["https://a.example"]
    assert made.kagent_gateway == "http://kagent-controller.kagent:8083"


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"listen": "none"}, "--listen"),
        ({"listen": "port"}, "--listen"),
        ({"health_listen": "x:y"}, "--health-listen"),
        ({"selector": "a b"}, "--selector"),
        ({"key_secret": ""}, "--key-secret"),
        ({"key_secret": "a/b/c"}, "--key-secret"),
        ({"key_secret": "A/b"}, "--key-secret"),
        ({"wait_seconds": "0"}, "--wait-seconds"),
        ({"user_headers_to": "a.example"}, "--user-headers-to"),
        ({"kagent_gateway": "kagent:8083"}, "--kagent-gateway"),
    ],
)
def test_wrong_settings_name_their_flag(changed: dict[str, str], flag: str) -> None:
    with pytest.raises(SettingsError, match=f"^{flag} "):
        HubSettings.parse({}, **{**RAW, **changed})
