"""Which proxy a URL goes through: schemes, spellings, exceptions by name, port, address and CIDR."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers_shim.proxies import proxy_for, shown_proxy

PROXY = "http://proxy.corp:3128"
CLUSTER = "127.0.0.0/8,10.0.0.0/8,.svc,.cluster.local"


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("http://a.example", {}, None),
        ("http://a.example", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://a.example", {"http_proxy": PROXY}, PROXY),
        ("http://a.example", {"HTTP_PROXY": "http://other", "http_proxy": PROXY}, PROXY),
        ("http://a.example", {"HTTP_PROXY": PROXY, "http_proxy": ""}, None),
        ("http://a.example", {"HTTPS_PROXY": PROXY}, None),
        ("https://a.example", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://a.example", {"ALL_PROXY": PROXY}, PROXY),
        ("https://a.example", {"ALL_PROXY": "http://other", "HTTPS_PROXY": PROXY}, PROXY),
        ("http://a.example", {"HTTP_PROXY": "proxy.corp:3128"}, PROXY),
        ("http://a.example", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
        ("http://localhost:1", {"HTTP_PROXY": PROXY}, None),
        ("http://127.0.0.1:1", {"HTTP_PROXY": PROXY}, None),
        ("http://[::1]:1", {"HTTP_PROXY": PROXY}, None),
        ("ftp://a.example", {"ALL_PROXY": PROXY}, None),
        ("http://a.example:x", {"HTTP_PROXY": PROXY}, None),
        ("http://[bad", {"HTTP_PROXY": PROXY}, None),
        ("", {"HTTP_PROXY": PROXY}, None),
    ],
)
def test_proxy_is_that_of_the_scheme(
    url: str, environ: dict[str, str], expected: str | None
) -> None:
    assert proxy_for(url, environ) == expected


@pytest.mark.parametrize(
    ("url", "exceptions", "excepted"),
    [
        ("http://a.example", "*", True),
        ("http://a.example", "a.example", True),
        ("http://A.Example.", "a.EXAMPLE", True),
        ("http://b.a.example", "a.example", True),
        ("http://b.a.example", ".a.example", True),
        ("http://b.a.example", "*.a.example", True),
        ("http://a.example", ".a.example", True),
        ("http://ba.example", "a.example", False),
        ("http://a.example", "other, a.example", True),
        ("http://a.example", "other a.example", True),
        ("http://a.example:80", "a.example:80", True),
        ("http://a.example", "a.example:80", True),
        ("https://a.example", "a.example:80", False),
        ("http://a.example:8080", "a.example:80", False),
        ("http://10.1.2.3", "10.0.0.0/8", True),
        ("http://10.1.2.3", "10.1.2.3", True),
        ("http://10.1.2.3:8080", "10.1.2.3:8080", True),
        ("http://10.1.2.3:8080", "10.1.2.3:80", False),
        ("http://11.1.2.3", "10.0.0.0/8", False),
        ("http://10.1.2.3", "10.1.0.0/8", True),
        ("http://10.1.2.3", "10.0.0.0/99", False),
        ("http://[fd00::5]:8080", "fd00::/8", True),
        ("http://[fd00::5]:8080", "[fd00::5]:8080", True),
        ("http://[fd00::5]:8080", "[fd00::5]", True),
        ("http://[fe00::5]", "fd00::/8", False),
        ("http://[fd00::5]", "10.0.0.0/8", False),
        ("http://a.example", "10.0.0.0/8", False),
        ("http://a.example", ",, .,", False),
        # A short Service name also has a longer name in the cluster's domain.
        ("http://weather.demo:8080", CLUSTER, True),
        ("http://weather:8080", CLUSTER, True),
        ("http://weather", CLUSTER, True),
        ("http://weather.demo.svc", CLUSTER, True),
        ("http://weather.demo.svc.cluster.local:8080", CLUSTER, True),
        ("http://weather.demo:8080", "weather.demo.svc", True),
        ("http://weather.demo:8080", "10.0.0.0/8", False),
        ("http://example.com", CLUSTER, False),
        ("https://example.com", CLUSTER, False),
        ("http://api.example.com:8080", CLUSTER, False),
        ("http://11.1.2.3:8080", CLUSTER, False),
    ],
)
def test_exceptions_go_straight(url: str, exceptions: str, excepted: bool) -> None:
    environ = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "NO_PROXY": exceptions}
    assert proxy_for(url, environ) == (None if excepted else PROXY)
    lower = {"http_proxy": PROXY, "https_proxy": PROXY, "no_proxy": exceptions}
    assert proxy_for(url, lower) == (None if excepted else PROXY)


@given(st.text(), st.text(), st.text())
def test_proxy_lookup_never_raises(url: str, proxy: str, exceptions: str) -> None:
    for scheme in ("", "http://", "https://"):
        proxy_for(scheme + url, {"HTTP_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": exceptions})
    shown_proxy(proxy)


def test_password_of_a_proxy_is_not_shown() -> None:
    assert shown_proxy("http://user:secret@proxy.corp:3128/x") == "http://proxy.corp:3128"
    assert shown_proxy("http://[::1]:3128") == "http://[::1]:3128"
    assert shown_proxy("http://proxy:port") == "a malformed proxy URL"
