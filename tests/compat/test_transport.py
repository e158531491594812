"""The HTTP transport: answers are bounded after decompression, and read where servers bend the rules."""

import asyncio
import contextlib
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from hotpeers_shim.calls.transport import PeerTransport, TooLarge, Unreadable
from hotpeers_shim.contract.counting import ValueCounter

KIB = 1024
EVENT = b'data: {"jsonrpc": "2.0", "id": 1, "result": {}}\n\n'
Answer = Callable[[str], bytes]


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """A server that writes `answer(path)` for a request, and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
            body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
            path = head.split()[1].decode()
            writer.write(answer(path).replace(b"BODY", body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "Connection: close"])
    return head.encode() + b"\r\n\r\n" + body


def client(**limits: int) -> httpx.AsyncClient:
    plain = httpx.AsyncHTTPTransport()
    bounds = {"reply_bytes": 64 * KIB, "line_bytes": 16 * KIB, "values": 100, **limits}
    return httpx.AsyncClient(transport=PeerTransport(lambda _: plain, plain.aclose, **bounds))


async def fetch(answer: bytes, *, stream: bool = False, **limits: int) -> httpx.Response:
    headers = {"accept": "text/event-stream"} if stream else {}
    async with serving(lambda _: answer) as url, client(**limits) as http_client:
        return await http_client.post(url, json={"a": 1}, headers=headers)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
async def test_limit_applies_to_a_decompressed_answer(encoding, encode):
    header = f"Content-Encoding: {encoding}"
    body = b"x" * 60 * KIB
    assert (await fetch(http(encode(body), header))).content == body
    with pytest.raises(TooLarge, match="HOTPEERS_MAX_REPLY_BYTES"):
        await fetch(http(encode(b"x" * 5000 * KIB), header))


async def test_gzip_of_several_members_is_read_whole():
    body = gzip.compress(b"one ") + gzip.compress(b"two")
    assert (await fetch(http(body, "Content-Encoding: gzip"))).content == b"one two"


async def test_compression_that_was_not_asked_for_is_refused_by_name():
    with pytest.raises(Unreadable, match="'br'"):
        await fetch(http(b"\x8b\x00", "Content-Encoding: br"))
    with pytest.raises(Unreadable, match="not gzip"):
        await fetch(http(b"not compressed", "Content-Encoding: gzip"))


async def test_answer_above_the_limit_is_refused():
    assert len((await fetch(http(b"x" * 64 * KIB))).content) == 64 * KIB
    with pytest.raises(TooLarge):
        await fetch(http(b"x" * (64 * KIB + 1)))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_only_a_long_line_of_a_stream_is_refused(end):
    kind = "Content-Type: text/event-stream"
    lines = (b"data: " + b"x" * 10 * KIB + end) * 5 + end
    assert (await fetch(http(lines, kind), stream=True)).content == lines
    with pytest.raises(TooLarge, match="HOTPEERS_MAX_LINE_BYTES"):
        await fetch(http(b"data: " + b"x" * 20 * KIB + end, kind), stream=True)


@pytest.mark.parametrize("kind", ["application/json", "text/html", "application/octet-stream"])
async def test_json_in_place_of_a_stream_becomes_one_event(kind):
    body = json.dumps({"jsonrpc": "2.0", "error": {"code": -1, "message": "no"}}, indent=2)
    found = await fetch(http(body.encode(), f"Content-Type: {kind}"), stream=True)
    assert found.headers["content-type"] == "text/event-stream"
    line = found.text.strip()
    assert line.startswith("data: ")
    assert json.loads(line.removeprefix("data: ")) == json.loads(body)


async def test_stream_with_a_wrong_content_type_is_read_as_a_stream():
    found = await fetch(http(b": hi\n\n" + EVENT, "Content-Type: text/plain"), stream=True)
    assert found.headers["content-type"] == "text/event-stream"
    assert EVENT in found.content


async def test_separators_that_no_line_of_a_stream_ends_with_become_escapes():
    value = {"a": "one\u2028two\u2029three\u0085 \u20ac \u00c2 \u2027"}
    event = b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"
    kind = ("Content-Type: Text/Event-Stream; charset=latin-1", "Transfer-Encoding: chunked")
    whole, single = [event], [event[at : at + 1] for at in range(len(event))]
    for pieces in (whole, single):
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        found = await fetch(http(body + b"0\r\n\r\n", *kind), stream=True)
        assert found.headers["content-type"] == "text/event-stream"
        (line,) = found.text.split("\n")[:-2]
        assert len(line.splitlines()) == 1
        assert json.loads(line.removeprefix("data: ")) == value


async def test_page_in_place_of_a_stream_is_refused():
    with pytest.raises(Unreadable, match="text/html"):
        await fetch(http(b"<html>", "Content-Type: text/html"), stream=True)


async def test_rpc_error_under_an_error_status_is_the_answer():
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "bad"}})
    assert (await fetch(http(body.encode(), status="400 Bad Request"))).json()["error"]
    found = await fetch(http(body.encode(), status="500 Oops"), stream=True)
    assert found.headers["content-type"] == "text/event-stream"
    assert json.loads(found.text.strip().removeprefix("data: "))["error"]
    # Any other body leaves the status as it is, and is kept short.
    page = await fetch(http(b"y" * 60 * KIB, status="502 Bad Gateway"))
    assert page.status_code == 502


async def test_redirect_to_itself_with_a_slash_is_followed_with_its_body():
    def answer(path: str) -> bytes:
        if path == "/a2a":
            return http(b"", "Location: /a2a/", status="307 Temporary Redirect")
        return http(b"BODY")

    async with serving(answer) as url, client() as http_client:
        assert (await http_client.post(f"{url}/a2a", json={"a": 1})).json() == {"a": 1}


@pytest.mark.parametrize("target", ["http://127.0.0.2:9/", "https://127.0.0.1/", "//evil.example/"])
async def test_redirect_to_another_origin_is_refused(target):
    answer = http(b"", f"Location: {target}", status="308 Permanent Redirect")
    with pytest.raises(Unreadable, match="another origin"):
        await fetch(answer)


async def test_redirects_in_a_circle_end():
    with pytest.raises(Unreadable, match="more than"):
        await fetch(http(b"", "Location: /", status="307 Temporary Redirect"))


async def test_answer_of_too_many_values_is_refused_and_the_same_text_is_not():
    text = json.dumps({"text": '[1, {"a": [2, 3]}],' * 200 + "\\"}).encode()
    assert (await fetch(http(text))).content == text
    with pytest.raises(TooLarge, match="HOTPEERS_MAX_REPLY_VALUES"):
        await fetch(http(b"[" + b"[]," * 200 + b"1]"))


async def test_values_are_counted_for_each_event_and_for_the_stream():
    kind = "Content-Type: text/event-stream"
    event = b"data: [" + b"1," * 60 + b"1]\n\n"
    comment = b': it"s a comment, with [one quote\n\n'
    few = comment + event * 4
    assert (await fetch(http(few, kind), stream=True)).content == few
    with pytest.raises(TooLarge, match="HOTPEERS_MAX_REPLY_VALUES"):
        await fetch(http(event * 20, kind), stream=True)


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_values_are_counted_for_any_split_of_the_bytes(step):
    data = [{"a\\": 'x",[{"', "b": ["\\\\", "", '\\"', 7]}, [[], {}], '\\\\"[,']
    raw = json.dumps(data, indent=1).encode() + b"\n"
    counter = ValueCounter()
    for start in range(0, len(raw), step):
        counter.add(raw[start : start + step])
    # Three items, an object of two members, a list of four, a list of two, and six brackets.
    assert counter.total == 2 + 1 + 3 + 1 + 6
