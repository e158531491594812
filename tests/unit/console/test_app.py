"""The site as a browser uses it, over HTTP."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.console.attempts import MOST_FAILURES
from hotpeers.console.kept import KEPT_SECONDS, OLDEST_SECONDS, RETRY_SECONDS
from hotpeers.console.metrics import ConsoleMetrics
from hotpeers.console.pages import Banner
from hotpeers.console.reviews import User
from hotpeers.console.streams import MOST_OF_A_SESSION
from hotpeers.kube.errors import ServerError
from kit.apiserver.resources import peer
from kit.console.objects import condition, faulty_replica, policy, spawned, status_of

PAGES = (
    "/",
    "/picture",
    "/peers",
    "/spawned",
    "/policies",
    "/orchestrators/team/lead",
    "/picture?focus=team",
    "/picture?focus=team%2Flead",
)
Browser = TestClient[Any, Any]


async def sign_in(browser: Browser, token: str = "of-admin", **more: str) -> ClientResponse:
    return await browser.post("/sign-in", data={"token": token, **more}, allow_redirects=False)


async def text_of(browser: Browser, path: str) -> str:
    async with browser.get(path, allow_redirects=False) as answer:
        assert answer.status == 200, path
        return await answer.text()


# -- signing in


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


# -- tokens and rights that end


@pytest.fixture
async def timed(scene: Any, clock: Any) -> Any:
    """A client that is signed in, of a site whose sessions and rights grow old by `clock`."""
    async with TestClient(TestServer(scene.site(clock).app())) as client:
        await sign_in(client)
        assert "lead" in await text_of(client, "/")
        yield client


async def test_token_that_is_revoked_ends_the_session(
    scene: Any, timed: Browser, clock: Any
) -> None:
    scene.tokens.clear()
    clock.now += KEPT_SECONDS
    async with timed.get("/", allow_redirects=False) as answer:
        assert answer.status == 303
    scene.tokens["of-admin"] = User("admin", groups=("admins",))
    async with timed.get("/", allow_redirects=False) as answer:
        assert answer.status == 303


async def test_token_is_asked_about_once_for_many_requests(
    scene: Any, timed: Browser, clock: Any
) -> None:
    clock.now += KEPT_SECONDS
    await asyncio.gather(*(text_of(timed, path) for path in PAGES))
    assert len(scene.reviewed) == 2


async def test_outage_of_the_api_server_ends_no_session_but_hides_everything_in_the_end(
    scene: Any, timed: Browser, clock: Any
) -> None:
    scene.error = ServerError("down", 500)
    clock.now += OLDEST_SECONDS - 1
    assert "lead" in await text_of(timed, "/")
    clock.now += 1
    for path in PAGES:
        async with timed.get(path, allow_redirects=False) as answer:
            assert answer.status == 503
            assert "lead" not in await answer.text()
    async with timed.get("/events") as answer:
        assert answer.status == 503
    scene.error = None
    clock.now += RETRY_SECONDS
    assert "lead" in await text_of(timed, "/")


async def test_right_that_is_removed_hides_the_namespace(
    scene: Any, timed: Browser, clock: Any
) -> None:
    scene.allowed["admin"] = {"team"}
    clock.now += KEPT_SECONDS
    assert "secret-lead" not in await text_of(timed, "/")
    async with timed.get("/orchestrators/other/secret-lead") as answer:
        assert answer.status == 404


async def test_stream_ends_with_the_token(
    scene: Any, timed: Browser, clock: Any, publishing: None
) -> None:
    version = version_in(await text_of(timed, "/"))
    async with timed.get("/events", params={"since": version}) as stream:
        scene.tokens.clear()
        clock.now += KEPT_SECONDS
        scene.put("peers", peer("team", "new"))
        assert (await events_of(stream))["event"] == "end"


async def test_metrics_count_sessions_sign_ins_and_ended_tokens(scene: Any, clock: Any) -> None:
    metrics = ConsoleMetrics()
    async with TestClient(TestServer(scene.site(clock, metrics=metrics).app())) as browser:
        await sign_in(browser, "wrong")
        await sign_in(browser)
        async with browser.get("/events") as stream:
            await events_of(stream)
            found = metrics.text().decode()
            assert 'hotpeers_console_sign_ins_total{result="accepted"} 1.0' in found
            assert 'hotpeers_console_sign_ins_total{result="refused"} 1.0' in found
            assert 'hotpeers_console_sign_ins_total{result="failed"} 0.0' in found
            assert "hotpeers_console_sessions 1.0" in found
            assert "hotpeers_console_streams 1.0" in found
        scene.tokens.clear()
        clock.now += KEPT_SECONDS
        await browser.get("/")
        found = metrics.text().decode()
        assert "hotpeers_console_sessions 0.0" in found
        assert "hotpeers_console_revoked_sessions_total 1.0" in found


# -- what is shown to whom


async def test_user_sees_only_his_namespaces(browser: Browser) -> None:
    await sign_in(browser, "of-team")
    for path in PAGES:
        body = await text_of(browser, path)
        assert "secret-lead" not in body, path
        assert "other/hidden" not in body, path
    for path in ("/orchestrators/other/secret-lead", "/orchestrators/other/missing"):
        async with browser.get(path) as answer:
            assert answer.status == 404
            assert "no such orchestrator" in await answer.text()
    assert "Show all" not in await text_of(browser, "/picture?focus=other")
    assert "team/lead" in (await text_of(browser, "/")).replace("</span><wbr>", "")


async def test_failure_of_a_peer_does_not_name_a_hidden_orchestrator(
    scene: Any, browser: Browser
) -> None:
    failure = {"orchestrator": "other/secret-lead", "reason": "PeerUnreachable", "message": "m"}
    scene.put("peers", {**peer("team", "weather"), "status": {"lastFailure": failure}})
    await sign_in(browser, "of-team")
    body = await text_of(browser, "/peers")
    assert "PeerUnreachable" in body
    assert "secret-lead" not in body


async def test_user_without_rights_learns_what_to_do(scene: Any, browser: Browser) -> None:
    scene.allowed.clear()
    await sign_in(browser)
    body = await text_of(browser, "/")
    assert "You may list Orchestrators in no namespace" in body
    assert "Nothing is wrong" not in body
    assert "hotpeers.dev/inject" not in body
    assert "lead" not in body.replace("leads", "")


async def test_empty_cluster_says_how_to_begin(empty: Any) -> None:
    async with TestClient(TestServer(empty.site().app())) as browser:
        await sign_in(browser)
        assert "hotpeers.dev/inject" in await text_of(browser, "/")


async def test_incomplete_view_does_not_say_that_all_is_well(scene: Any) -> None:
    banner = Banner(complete=False)
    async with TestClient(TestServer(scene.site(banner=lambda: banner).app())) as browser:
        await sign_in(browser)
        body = await text_of(browser, "/")
        assert "not read completely yet" in body
        assert ">Nothing is wrong.<" not in body


async def test_missing_kind_is_named(scene: Any) -> None:
    banner = Banner(missing=("Orchestrator",))
    async with TestClient(TestServer(scene.site(banner=lambda: banner).app())) as browser:
        await sign_in(browser)
        assert "This cluster has no kind Orchestrator of hotpeers" in await text_of(browser, "/")


async def test_number_leads_to_as_many_rows(scene: Any, browser: Browser) -> None:
    """Also where the state of some is unknown: those are not counted as not live."""
    for name, state in (("a", "False"), ("b", "Unknown"), ("c", "False"), ("d", "True")):
        status = status_of([]) | {"conditions": [condition("Live", state, "r", "m")]}
        scene.show("team", name, status)
    scene.show("team", "of-the-hub", {"peers": 1})
    await sign_in(browser)
    found = re.search(
        r'<a href="([^"]*)"[^>]*><strong>2</strong> Not live', await text_of(browser, "/")
    )
    assert found
    # The table is far below the problems.
    assert found[1].endswith("#table-title")
    assert "1 to 2 of 2 orchestrators" in await text_of(browser, found[1].partition("#")[0])


async def test_pages_are_not_shared_between_users(browser: Browser) -> None:
    await sign_in(browser)
    assert "secret-lead" in await text_of(browser, "/")
    await browser.post("/sign-out", allow_redirects=False)
    await sign_in(browser, "of-team")
    assert "secret-lead" not in await text_of(browser, "/")


@pytest.mark.parametrize(
    "path", [*PAGES, "/sign-in", "/nothing", "/static/hotpeers.css", "/static/x"]
)
async def test_every_answer_has_a_strict_policy(browser: Browser, path: str) -> None:
    await sign_in(browser)
    async with browser.get(path) as answer:
        policy = dict(
            one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; ")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "connect-src": "'self'",
            "img-src": "'self'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*PAGES, "/sign-in"])
async def test_pages_have_no_inline_code_and_nothing_from_elsewhere(
    browser: Browser, path: str
) -> None:
    await sign_in(browser)
    body = await text_of(browser, path)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=\"/)|javascript:", body)
    for target in re.findall(r'(?:src|href|action)="([^"]*)"', body):
        assert target.startswith(("/", "#"))
        assert not target.startswith("//")


async def test_search_state_sort_and_page_are_in_the_url(scene: Any, browser: Browser) -> None:
    for number in range(120):
        scene.show("team", f"agent-{number:03}", status_of([]))
    await sign_in(browser)
    body = await text_of(browser, "/?q=team/agent&sort=name&order=desc&page=2")
    assert "agent-069" in body
    assert "agent-119" not in body
    assert "51 to 100 of 120 orchestrators" in body
    assert 'aria-sort="descending"' in body


# -- hostile texts

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></svg><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "]]>--><!--",
    "a\x00b\u202ec\u2028d",
)


def hostile_scene(scene: Any, text: str) -> None:
    status = {
        **status_of([f"team/{text}", text]),
        "runtime": text,
        "held": text,
        "refused": [{"peer": text, "reason": text, "message": text}],
        "problems": [{"where": text, "reason": text, "message": text}],
        "conditions": [
            condition(text, "False", text, text),
            condition("Live", "False", text, text),
        ],
        "changes": [
            {"time": text, "replica": text, "generation": 1, "added": [text], "removed": [text]}
        ],
        "replicas": {
            text: {
                **faulty_replica(text),
                "message": text,
                "failures": {text: 3},
                "failing": [{"peer": text, "reason": text, "message": text, "count": 1}],
            }
        },
    }
    scene.show("team", "lead", status)
    scene.put(
        "peers",
        {
            **peer("team", "weather", text, description=text),
            "status": {
                "offeredTo": text,
                "lastFailure": {"orchestrator": f"team/{text}", "reason": text, "message": text},
            },
        },
    )
    stamps = dict.fromkeys(("hotpeers.dev/policy", "hotpeers.dev/template"), text)
    scene.put("agents", spawned("team", "helper", text, **stamps))
    one = policy("team", "helpers", text)
    denial = dict.fromkeys(
        ("subject", "operation", "name", "namespace", "reason", "field", "message"), text
    )
    one["status"] = {"lastDenial": denial, "conditions": [condition("Ready", "False", text, text)]}
    scene.put("policies", one)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("path", PAGES)
async def test_hostile_texts_stay_text(scene: Any, browser: Browser, path: str, text: str) -> None:
    hostile_scene(scene, text)
    await sign_in(browser)
    body = await text_of(browser, path)
    assert_harmless(body)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["q", "state", "sort", "order", "page", "focus", "next", "since"])
async def test_hostile_parameters_stay_text(browser: Browser, name: str, text: str) -> None:
    await sign_in(browser)
    for path in ("/", "/peers", "/picture", "/sign-in", "/orchestrators/team/lead"):
        async with browser.get(path, params={name: text}) as answer:
            assert answer.status == 200
            assert_harmless(await answer.text())


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_path_stays_text(browser: Browser, text: str) -> None:
    await sign_in(browser)
    for path in (f"/{text}", f"/orchestrators/team/{text}", f"/static/{text}"):
        async with browser.get(path) as answer:
            assert answer.status in (400, 404)
            assert_harmless(await answer.text())


def assert_harmless(body: str) -> None:
    """No tag, attribute or link of a hostile text is in the markup."""
    without = re.sub(
        r'<script type="module" src="/static/hotpeers\.js\?v=[0-9a-f]+"></script>', "", body
    )
    assert "<script" not in without
    assert "<img src=x" not in without
    assert "49" not in re.sub(r"[0-9a-f]{8,}|\d{4}-\d\d-\d\d.{12}|[\d.]+[ \"C]", "", without)
    for tag in re.findall(r"<[a-zA-Z][^>]*>", without):
        names = re.findall(r'\s([a-zA-Z-]+)="[^"]*"', tag)
        assert not [one for one in names if one.lower().startswith("on")], tag
        # Quotes of a value are escaped, so each tag is a plain list of attributes.
        assert re.fullmatch(r'<[a-zA-Z0-9]+(\s+[a-zA-Z-]+(="[^"]*")?)*\s*/?>', tag), tag
    for target in re.findall(r'(?:src|href|action|content)="([^"]*)"', without):
        assert not target.strip().lower().startswith(("javascript:", "data:", "//"))


# -- events


async def events_of(answer: ClientResponse) -> dict[str, str]:
    """The next event of a stream."""
    found: dict[str, str] = {}
    async with asyncio.timeout(5):
        while True:
            line = (await answer.content.readline()).decode().rstrip("\n")
            if line and not line.startswith(":"):
                key, _, value = line.partition(": ")
                found[key] = value
            elif "event" in found:
                return found
            elif not line and answer.content.at_eof():
                raise AssertionError("the stream ended")


def version_in(body: str) -> str:
    found = re.search(r'data-version="([^"]*)"', body)
    assert found
    return found[1]


@pytest.fixture
async def publishing(scene: Any) -> Any:
    task = asyncio.create_task(scene.world.publish())
    yield
    task.cancel()


async def test_change_reaches_a_page(scene: Any, browser: Browser, publishing: None) -> None:
    await sign_in(browser)
    version = version_in(await text_of(browser, "/"))
    async with browser.get("/events", params={"since": version}) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        scene.put("peers", peer("team", "new"))
        event = await events_of(stream)
        assert event["event"] == "change"
        assert event["data"] == version_in(await text_of(browser, "/")) != version


async def test_event_has_nothing_of_the_change(
    scene: Any, browser: Browser, publishing: None
) -> None:
    await sign_in(browser)
    async with browser.get("/events") as stream:
        event = await events_of(stream)
        assert re.fullmatch(r"[0-9a-f]{8}\.all\.\d+", event["data"])


async def test_change_that_was_missed_is_sent_at_once(
    scene: Any, browser: Browser, publishing: None
) -> None:
    await sign_in(browser)
    version = version_in(await text_of(browser, "/"))
    scene.put("peers", peer("team", "new"))
    for headers, since in (
        ({"Last-Event-ID": version}, ""),
        ({}, version),
        ({}, "of-another-process"),
    ):
        async with browser.get("/events", params={"since": since}, headers=headers) as stream:
            assert (await events_of(stream))["data"] != version


async def test_user_gets_no_event_for_hidden_namespaces(
    scene: Any, browser: Browser, publishing: None
) -> None:
    await sign_in(browser, "of-team")
    version = version_in(await text_of(browser, "/"))
    async with browser.get("/events", params={"since": version}) as stream:
        scene.show("other", "secret-lead", status_of(["other/x"]))
        await asyncio.sleep(0.3)
        scene.put("peers", peer("team", "new"))
        await events_of(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await events_of(stream)


async def test_stream_ends_with_the_session(scene: Any, browser: Browser, publishing: None) -> None:
    await sign_in(browser)
    version = version_in(await text_of(browser, "/"))
    async with browser.get("/events", params={"since": version}) as stream:
        cookies = {one.key: one.value for one in browser.session.cookie_jar}
        await browser.post("/sign-out", cookies=cookies, allow_redirects=False)
        scene.put("peers", peer("team", "new"))
        assert (await events_of(stream))["event"] == "end"


async def test_streams_of_a_session_are_limited(browser: Browser) -> None:
    await sign_in(browser)
    streams = [await browser.get("/events") for _ in range(MOST_OF_A_SESSION)]
    async with browser.get("/events") as refused:
        assert refused.status == 503
    for stream in streams:
        stream.close()


async def test_hostile_last_event_id_changes_nothing(browser: Browser) -> None:
    await sign_in(browser)
    async with browser.get("/events", params={"since": "a\n\nevent: evil\ndata: x" * 50}) as stream:
        assert (await events_of(stream))["event"] == "change"
