"""A prefix is matched against the URL that is sent: HTTP clients parse a URL as `place_of` does.

Otherwise a credential could be sent outside of its prefix.
"""

from ipaddress import IPv6Address
from urllib.parse import unquote

import httpx
import yarl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotpeers_shim.contract.prefixes import place_of

PARTS = [
    *("a.example", "A.example", "evil.example", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]", "0x7f.1"),
    *(":443", ":80", ":", ":0443", ":99999", "@", "user:pw@", "%40", "/", "//", "/team", "/team/x"),
    *(
        "/..",
        "/.",
        "/../other",
        "%2f",
        "%2F",
        "%2e%2e",
        "%252e",
        "\\",
        ";",
        ";x=/../",
        "?",
        "?/team",
        "#",
    ),
    *(
        "#/team",
        "%",
        "%0a",
        "\t",
        "\n",
        "\r",
        " ",
        "\x00",
        "\u00e9",
        "\u3002",
        "\uff0f",
        "xn--",
        "*",
        "&",
        "+",
    ),
]
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=8).map("".join)
SCHEMES = st.sampled_from(["https://", "http://", "HTTPS://", "https:/", "https:", "//", ""])


@settings(max_examples=2000)
@given(SCHEMES, TEXTS)
@example("https://", "a.example\\@evil.example/team")
@example("https://", "a.example#@evil.example/team")
@example("https://", "a.example/team/../other")
@example("https://", "a.example/team%2f..%2fother")
@example("https://", "a.example/team?/../other")
def test_httpx_sends_to_where_the_prefix_was_matched(scheme: str, text: str) -> None:
    try:
        url = httpx.URL(scheme + text)
    except httpx.InvalidURL:
        return
    # The shim matches the text of the URL that the client has parsed.
    place = place_of(str(url))
    # Without a host nothing is sent: httpx raises UnsupportedProtocol.
    if place is not None and url.raw_host:
        assert (place.scheme, host(place.host)) == (url.scheme, host(url.raw_host.decode()))
        assert place.port == (url.port or {"http": 80, "https": 443}[url.scheme])
        assert place.path == segments(url.raw_path.split(b"?")[0].decode())


@settings(max_examples=2000)
@given(SCHEMES, TEXTS)
@example("https://", "a.example/team/../other")
@example("https://", "a.example/te%61m")
@example("https://", "a.example[::1]/team")
def test_aiohttp_sends_to_where_the_prefix_was_matched(scheme: str, text: str) -> None:
    # As the sidecar matches it: the text that it then gives to its client.
    place = place_of(scheme + text)
    if place is None:
        return
    for encoded in (False, True):
        try:
            url = yarl.URL(scheme + text, encoded=encoded)
        except ValueError:
            return
        assert (place.scheme, host(place.host)) == (url.scheme, host(url.raw_host or ""))
        assert place.port == url.port
        assert place.path == segments(url.raw_path)


def host(text: str) -> object:
    """A host to compare: an address of IPv6 has many forms."""
    try:
        return IPv6Address(text.strip("[]"))
    except ValueError:
        return text.lower()


def segments(path: str) -> tuple[str, ...]:
    """The segments of a received path, as a server reads them."""
    inner = path.removeprefix("/").removesuffix("/")
    return tuple(unquote(one) for one in inner.split("/")) if inner else ()
