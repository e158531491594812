"""Signing in over HTTP, and who may send forms."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.console.attempts import MOST_FAILURES
from hotpeers.kube.errors import ServerError
from kit.console.browser import PAGES, Browser, sign_in, text_of


async def test_sign_in_leads_to_the_wanted_page(browser: Browser) -> None:
    answer = await browser.get("/peers?q=a&page=2", allow_redirects=False)
    assert answer.status == 303
    assert answer.headers["Location"] == "/sign-in?next=/peers%3Fq%3Da%26page%3D2"
    form = await text_of(browser, answer.headers["Location"])
    assert 'name="next" value="/peers?q=a&amp;page=2"' in form
    answer = await sign_in(browser, next="/peers?q=a&page=2")
    assert (answer.status, answer.headers["Location"]) == (303, "/peers?q=a&page=2")
    assert "admin" in await text_of(browser, "/peers")


async def test_cookie_is_closed_to_scripts_and_other_sites_and_is_no_token(
    browser: Browser,
) -> None:
    answer = await sign_in(browser)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert "of-admin" not in cookie
    assert "Secure" not in cookie


async def test_cookie_is_secure_behind_tls(scene: Any) -> None:
    app = scene.site(public_url="https://127.0.0.1").app()
    async with TestClient(TestServer(app)) as browser:
        answer = await sign_in(browser)
        assert answer.headers["Set-Cookie"].startswith("__Host-hotpeers-console=")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("path", [*PAGES, "/orchestrators/no/where"])
async def test_nothing_is_shown_without_a_session(browser: Browser, path: str) -> None:
    async with browser.get(path, allow_redirects=False) as answer:
        assert answer.status == 303
        assert "lead" not in await answer.text()
    async with browser.get("/events") as answer:
        assert answer.status == 401


async def test_wrong_token_is_refused_and_never_shown(browser: Browser) -> None:
    answer = await sign_in(browser, "a-wrong-token")
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    body = await answer.text()
    assert "does not accept this token" in body
    assert "a-wrong-token" not in body


async def test_failed_sign_ins_are_limited(browser: Browser) -> None:
    for _ in range(MOST_FAILURES):
        assert (await sign_in(browser, "wrong")).status == 403
    answer = await sign_in(browser)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("way", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_sign_in_leads_to_no_other_server(browser: Browser, way: str) -> None:
    assert (await sign_in(browser, next=way)).headers["Location"] == "/"


async def test_sign_out_ends_the_session(browser: Browser) -> None:
    await sign_in(browser)
    cookies = {one.key: one.value for one in browser.session.cookie_jar}
    answer = await browser.post("/sign-out", allow_redirects=False)
    assert answer.headers["Location"] == "/sign-in"
    browser.session.cookie_jar.clear()
    async with browser.get("/", cookies=cookies, allow_redirects=False) as answer:
        assert answer.status == 303


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_forms_of_other_sites_are_refused(
    browser: Browser, path: str, headers: dict[str, str]
) -> None:
    await sign_in(browser)
    answer = await browser.post(path, data={"token": "of-admin"}, headers=headers)
    assert answer.status == 403
    assert "admin" in await text_of(browser, "/")


async def test_other_host_names_are_refused(browser: Browser) -> None:
    async with browser.get("/sign-in", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421


async def test_link_from_another_site_keeps_the_session(browser: Browser) -> None:
    """The browser sends no Strict cookie with it: the page then leads to itself."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with browser.get("/peers?q=a", headers=headers, allow_redirects=False) as answer:
        assert answer.status == 200
        assert '<meta http-equiv="refresh" content="0;url=/peers?q=a">' in await answer.text()


async def test_body_that_is_too_large_is_refused(browser: Browser) -> None:
    assert (await sign_in(browser, "x" * 100_000)).status == 413


async def test_api_server_that_fails_lets_nobody_in(scene: Any) -> None:
    async def fail(*_: Any) -> Any:
        raise ServerError("down", 500)

    scene.review = fail
    async with TestClient(TestServer(scene.site().app())) as browser:
        answer = await sign_in(browser)
        assert answer.status == 503
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"token=of-admin", "application/x-www-form-urlencoded; charset=nope"),
        (b"token=\xff\xfe", "application/x-www-form-urlencoded"),
        (b"x", "multipart/form-data; boundary=a"),
        (b"x", "multipart/form-data"),
        (b'--a\r\nContent-Disposition: form-data\r\n\r\nx', "multipart/form-data; boundary=a"),
        (b"{", "application/json"),
        (b"", "text/plain"),
    ],
    ids=range(7),
)  # fmt: skip
async def test_body_that_is_no_form_is_refused(browser: Browser, body: bytes, kind: str) -> None:
    answer = await browser.post("/sign-in", data=body, headers={"Content-Type": kind})
    assert answer.status in (400, 403)
    assert "Content-Security-Policy" in answer.headers


async def test_client_that_fails_does_not_lock_out_others_of_its_proxy(scene: Any) -> None:
    proxies = (ip_network("127.0.0.0/8"),)
    async with TestClient(TestServer(scene.site(proxies=proxies).app())) as browser:

        async def sign_in_from(address: str, token: str) -> int:
            headers = {"X-Forwarded-For": address}
            answer = await browser.post(
                "/sign-in", data={"token": token}, headers=headers, allow_redirects=False
            )
            return answer.status

        for number in range(MOST_FAILURES):
            # What the client writes before its address changes nothing.
            assert await sign_in_from(f"192.0.2.{number}, 198.51.100.7", "wrong") == 403
        assert await sign_in_from("198.51.100.7", "of-admin") == 429
        assert await sign_in_from("198.51.100.8", "of-admin") == 303


async def test_client_cannot_name_itself_without_a_trusted_proxy(browser: Browser) -> None:
    for number in range(MOST_FAILURES + 1):
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        answer = await browser.post("/sign-in", data={"token": "wrong"}, headers=headers)
    assert answer.status == 429


async def test_client_cannot_begin_many_sign_ins_at_once(scene: Any, browser: Browser) -> None:
    answers = await asyncio.gather(*(sign_in(browser, "wrong") for _ in range(50)))
    found = [answer.status for answer in answers]
    assert found.count(429) == 50 - MOST_FAILURES
    assert len(scene.reviewed) == MOST_FAILURES


async def test_failure_of_the_api_server_is_none_of_the_client(scene: Any) -> None:
    scene.error = ServerError("down", 500)
    async with TestClient(TestServer(scene.site().app())) as browser:
        for _ in range(MOST_FAILURES + 1):
            assert (await sign_in(browser)).status == 503
        scene.error = None
        assert (await sign_in(browser)).status == 303


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("console.example", "https://console.example", 303),
        ("console.example:443", "https://console.example", 303),
        ("hotpeers-console:8094", "https://console.example", 303),
        ("10.1.2.3", "https://CONSOLE.example", 303),
        ("localhost:8094", "http://localhost:8094", 303),
        ("[::1]:8094", "http://[::1]:8094", 303),
        ("localhost.:8094", "http://localhost.:8094", 303),
        ("hotpeers-console.hotpeers-system.svc", "", 303),
        ("console.example", "http://other.example", 403),
        ("console.example", "https://console.example.evil.example", 403),
        ("console.example", "https://[", 403),
        ("console.example", "null", 403),
        ("evil.example", "https://console.example", 421),
        ("evil.example:8094", "", 421),
        ("127.0.0.1.evil.example", "", 421),
        ("[::1].evil.example", "", 421),
        ("console.example.evil.example", "", 421),
        ("evil.example.", "", 421),
        ("", "", 421),
    ],
)
async def test_hosts_and_origins(scene: Any, host: str, origin: str, status: int) -> None:
    """A proxy may send its own name for the console, or the port, as the Host."""
    site = scene.site(public_url="https://console.example", hosts=frozenset({"console.example"}))
    async with TestClient(TestServer(site.app())) as browser:
        headers = {"Host": host, "X-Forwarded-Host": "evil.example"}
        headers |= {"Origin": origin} if origin else {}
        answer = await browser.post(
            "/sign-in", data={"token": "of-admin"}, headers=headers, allow_redirects=False
        )
        assert answer.status == status
        assert "evil.example" not in answer.headers.get("Location", "")


async def test_user_who_comes_with_too_many_others_did_not_fail(scene: Any) -> None:
    site = scene.site()
    site._sign_in._waiting = 64
    async with TestClient(TestServer(site.app())) as browser:
        answer = await sign_in(browser)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert "Too many users sign in just now" in await answer.text()
