"""Attacks and faults that the core itself must survive, by whole requests through a whole app. The rows of middlewares stand beside those."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.middlewares import apply_middleware, wrap_csrf, wrap_routes, wrap_session, wrap_static
from shallot.response import json, text, ws_accept
from shallot.sessions import memory_store
from shallot.testing import Denied, FakeServer, client, http_scope, virtual_time, websocket_scope

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def show(request):
    ran.append(request["path"])
    return json({"headers": request["headers"], "path": request["path"]})


async def one(request, value):
    ran.append(value)
    return text(value)


def routed(*rows: Any, **options: Any) -> Any:
    return apply_middleware(wrap_routes(list(rows), **options))(standard_not_found)


async def answer_to(scope: Any, handler: Any = show, body: bytes = b"", **options: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    """One request, from a scope that no client would make: status, headers, body."""
    server = FakeServer(scope, [{"type": "http.request", "body": body, "more_body": False}])
    await server.run(build_server(handler, **options), deadline_s=30)
    start, *parts = server.sent
    return start["status"], dict(start["headers"]), b"".join(part.get("body", b"") for part in parts)


def scope_with(*headers: tuple[bytes, bytes], host: bool = True, **keys: Any) -> Any:
    return {**http_scope("GET", "/"), "headers": [*([(b"host", b"localhost")] if host else []), *headers], **keys}


# ---- A. headers


async def test_A5_an_underscore_is_no_hyphen():
    _, _, body = await answer_to(scope_with((b"x_user", b"1"), (b"x-user", b"2")))
    assert b'"x_user":"1"' in body and b'"x-user":"2"' in body
    guarded = apply_middleware(wrap_session(memory_store()), wrap_csrf())(show)
    async with client(build_server(guarded), scheme="https") as c:
        assert (await c.post("/", headers={"X_CSRF_Token": "t"}, cookies={"a": "1"}))["status"] == 403


@pytest.mark.parametrize("lines", [[(b"a", b"b")] * 129, [(b"a", b"b" * 33 * 1024)]], ids=["129 lines", "33 KiB"])
async def test_A6_a_flood_of_headers(lines):
    began = time.process_time()
    status, _, _ = await answer_to(scope_with(*lines, host=False))
    assert status == 431 and not ran
    assert time.process_time() - began < 0.1


async def test_A7_joining_is_linear_and_singletons_are_refused():
    assert (await answer_to(scope_with(*[(b"a", b"b")] * 64)))[0] == 200
    for name in (b"host", b"content-length", b"content-type", b"authorization", b"origin", b"range", b"if-none-match"):
        assert (await answer_to(scope_with((name, b"1"), (name, b"1"))))[0] == 400, name


@given(st.binary(max_size=50).map(lambda value: bytes(byte for byte in value if byte >= 0x20)))
async def test_A8_bytes_of_a_header_never_crash(value):
    assert (await answer_to(scope_with((b"x-a", value))))[0] == 200


async def test_A8_latin_1():
    _, _, body = await answer_to(scope_with((b"x-a", b"\xff\xe9")))
    assert '"x-a":"ÿé"'.encode() in body


async def test_A9_length_and_chunks_are_not_both_believed():
    status, headers, _ = await answer_to(scope_with((b"content-length", b"2"), (b"transfer-encoding", b"chunked"), method="POST"), body=b"hi")
    assert (status, headers[b"connection"], ran) == (400, b"close", [])


@pytest.mark.parametrize(
    "length", ["١٢".encode(), b"+5", b"1_0", b"-1", b"9" * 5000, b""], ids=["arabic", "plus", "underscore", "minus", "5,000 digits", "empty"]
)
async def test_A10_numbers_are_ascii_digits(length):
    assert (await answer_to(scope_with((b"content-length", length), method="POST"), body=b"hi"))[0] == 400


@pytest.mark.parametrize("method", ["__init__", "get", "GET ", "\xc7", "M" * 10_240])
async def test_A12_a_method_is_compared_and_nothing_else(method):
    status, headers, _ = await answer_to(scope_with(method=method), routed(("/", ["GET"], show)))
    assert (status, headers.get(b"allow")) in {(405, b"GET, HEAD, OPTIONS"), (400, None)}
    assert ran == []


@pytest.mark.parametrize("pause_s, is_read", [(1, False), (0.001, True)], ids=["1 byte/s", "1,000 bytes/s"])
@virtual_time
async def test_A14_a_slow_body_is_408(pause_s, is_read):
    server = FakeServer({**http_scope("POST", "/", headers={"content-length": "5000"})})

    async def drip() -> None:
        for number in range(5000):
            server.push({"type": "http.request", "body": b"x", "more_body": number < 4999})
            await asyncio.sleep(pause_s)

    dripping = asyncio.create_task(drip())
    began = asyncio.get_running_loop().time()
    await server.run(build_server(show), deadline_s=6000)
    assert asyncio.get_running_loop().time() - began <= 31
    assert server.sent[0]["status"] == (200 if is_read else 408)
    assert bool(ran) == is_read
    dripping.cancel()
    await asyncio.wait([dripping])


async def test_A15_many_tiny_chunks_are_linear():
    async def spent(size: int) -> float:
        events = [{"type": "http.request", "body": b"x", "more_body": number < size - 1} for number in range(size)]
        server = FakeServer(http_scope("POST", "/", headers={"transfer-encoding": "chunked"}), events)
        began = time.process_time()
        await server.run(build_server(show), deadline_s=60)
        assert server.sent[0]["status"] == 200
        return time.process_time() - began

    small, large = min([await spent(8_192) for _ in range(3)]), min([await spent(32_768) for _ in range(3)])
    assert large / small < 8


# ---- B. paths


@pytest.mark.parametrize("path", ["@google.com", "http://evil/x", "", "*", "evil"])
async def test_B2_a_path_begins_with_a_slash(path):
    assert (await answer_to(scope_with(path=path, raw_path=path.encode())))[0] == 400
    assert ran == []


async def test_B2_options_may_ask_about_the_server():
    status, _, _ = await answer_to(scope_with(path="*", raw_path=b"*", method="OPTIONS"), routed(("/", ["GET"], show)))
    assert status in (204, 404)


@pytest.mark.parametrize("root_path, path", [("/v", "/v1/models"), ("/a.b", "/axb/c")])
async def test_B3_a_root_path_ends_at_a_segment(root_path, path):
    handler = routed(("/models", ["GET"], show), ("/c", ["GET"], show), ("/1/models", ["GET"], show))
    assert (await answer_to(scope_with(path=path, raw_path=path.encode(), root_path=root_path), handler))[0] == 404


async def test_B4_an_encoded_slash_is_refused_and_nothing_is_decoded_twice():
    async with client(build_server(routed(("/u/{name}", ["GET"], one), encoded_slash="reject"))) as c:
        assert (await c.get("/u/a%2Fb"))["status"] == 400
        assert (await c.get("/u/a%252Fb"))["body"] == b"a%2Fb"
    assert ran == ["a%2Fb"]


@pytest.mark.parametrize("path", ["/a%00b", "/a%0d%0ab", "/%FF", "/%C0%AE%C0%AE/"])
async def test_B5_what_no_path_may_hold(path):
    async with client(build_server(show)) as c:
        assert (await c.get(path))["status"] == 400
    assert ran == []


@pytest.mark.parametrize("path", ["/a/../b", "//b", "/./b", "/..%5Cb"])
async def test_B5_no_path_is_normalised(path):
    async with client(build_server(routed(("/b", ["GET"], show)))) as c:
        assert (await c.get(path))["status"] == 404


async def endless():
    try:
        while True:
            yield b"x"
            await asyncio.sleep(0)
    finally:
        ran.append("closed")


async def stream(request):
    return {"status": 200, "headers": {"x-a": "1"}, "stream": endless()}


async def test_B9_HEAD_is_GET_without_its_body():
    handler = routed(("/json", ["GET"], show), ("/stream", ["GET"], stream))
    async with client(build_server(handler)) as c:
        got, head = await c.get("/json", headers={"a": "b"}), await c.head("/json", headers={"a": "b"})
        assert (head["status"], head["headers"], head["body"]) == (200, got["headers"], b"")
        assert (await c.head("/stream"))["body"] == b""
        assert (await c.options("/json"))["headers"]["allow"] == "GET, HEAD, OPTIONS"
        assert (await c.get("/none"))["status"] == 404
        assert (await c.post("/json"))["status"] == 405


@pytest.mark.parametrize("path", ["/ADMIN", "/%EF%BD%81dmin", "/item/%EF%BC%91%EF%BC%92", "/item/" + "1" * 5000])
async def test_B10_look_alikes_are_other_paths(path):
    async with client(build_server(routed(("/admin", ["GET"], show), ("/item/{number:int}", ["GET"], one)))) as c:
        assert (await c.get(path))["status"] == 404


@pytest.mark.parametrize("paths", [("/a", "/a"), ("/a/{x}", "/a/{y}"), ("/a/{x:int}", "/a/{y:int}"), ("/a", "/a/")])
def test_B11_conflicting_rows_are_found_at_the_start(paths):
    rows = [(path, ["GET"], one if "{" in path else show) for path in paths]
    with pytest.raises(ValueError) as caught:
        routed(*rows)
    assert paths[0].rstrip("/") in str(caught.value) and str(caught.value).count("GET") >= 2, caught.value


# ---- C, D


C6_ROWS: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"if-none-match": "{etag}"}, 304),
    ({"if-none-match": "W/{etag}"}, 304),
    ({"if-none-match": '"other", {etag}'}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": '"other"'}, 200),
    ({"if-none-match": '"other"', "if-modified-since": "{date}"}, 200),
    ({"if-none-match": "{etag}", "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 304),
    ({"if-modified-since": "{date}"}, 304),
    ({"if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
    ({"if-modified-since": "no date"}, 200),
    ({"if-match": "{etag}"}, 200),
    ({"if-match": "*"}, 200),
    ({"if-match": '"other"'}, 412),
    ({"if-match": "W/{etag}"}, 412),
    ({"if-match": '"other"', "if-none-match": "{etag}"}, 412),
    ({"if-match": "{etag}", "if-none-match": "{etag}"}, 304),
    ({"if-match": "{etag}", "if-unmodified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
    ({"if-unmodified-since": "{date}"}, 200),
    ({"if-unmodified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
    ({"if-unmodified-since": "no date"}, 200),
    ({"range": "bytes=0-1"}, 206),
    ({"range": "bytes=0-1", "if-range": "{etag}"}, 206),
    ({"range": "bytes=0-1", "if-range": "W/{etag}"}, 200),
    ({"range": "bytes=0-1", "if-range": '"other"'}, 200),
    ({"range": "bytes=0-1", "if-range": "{date}"}, 206),
    ({"range": "bytes=0-1", "if-range": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
    ({"range": "bytes=0-1", "if-none-match": "{etag}"}, 304),
    ({"range": "bytes=0-1", "if-match": '"other"'}, 412),
    ({"range": "bytes=99-"}, 416),
    ({"range": "bytes=99-", "if-none-match": "{etag}"}, 304),
]


@pytest.mark.parametrize("headers, status", C6_ROWS, ids=lambda value: " ".join(value) if isinstance(value, dict) else str(value))
async def test_C6_preconditions_in_their_order(tmp_path, headers, status):
    (tmp_path / "a.txt").write_text("hello")
    os.utime(tmp_path / "a.txt", (1_700_000_000, 1_700_000_000))  # the date of this second would be a weak one
    async with client(build_server(apply_middleware(wrap_static("/", tmp_path))(standard_not_found))) as c:
        first = (await c.get("/a.txt"))["headers"]
        sent = {name: value.format(etag=first["etag"], date=first["last-modified"]) for name, value in headers.items()}
        answer = await c.get("/a.txt", headers=sent)
    assert answer["status"] == status
    assert status != 304 or (answer["body"] == b"" and answer["headers"]["etag"] == first["etag"])


async def test_D3_cookies_of_several_lines_are_joined_as_cookies():
    _, _, body = await answer_to(scope_with((b"cookie", b"a=1"), (b"cookie", b"b=2, c=3")))
    assert b'"cookie":"a=1; b=2, c=3"' in body


# ---- E. bodies


async def test_E1_a_body_is_counted_while_it_is_read():
    events = [{"type": "http.request", "body": b"x" * 65_536, "more_body": True} for _ in range(160)]
    for headers in ({"transfer-encoding": "chunked"}, {"content-length": "10"}):
        server = FakeServer(http_scope("POST", "/", headers=headers), events)
        await server.run(build_server(show))
        assert (server.sent[0]["status"], dict(server.sent[0]["headers"])[b"connection"], ran) == (413, b"close", [])
        assert len(server.received) < 20
    server = FakeServer(http_scope("POST", "/", headers={"content-length": str(10 * 2**20)}), events)
    await server.run(build_server(show))
    assert server.sent[0]["status"] == 413 and server.received == []


async def test_E2_half_a_body_reaches_nobody(caplog):
    events = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"}]
    server = FakeServer(http_scope("POST", "/", headers={"content-length": "100"}), events)
    with caplog.at_level(logging.INFO):
        await server.run(build_server(show))
    assert (server.sent, server.late, ran, caplog.records) == ([], [], [], [])


# ---- F. responses


@pytest.mark.parametrize("where", ["name", "value"])
async def test_F1_no_byte_splits_a_response(where, caplog):
    refused = 0
    for byte in range(256):
        headers = {f"x{chr(byte)}y": "1"} if where == "name" else {"x-a": f"x{chr(byte)}y"}

        async def handler(request, headers=headers):
            return {"status": 200, "headers": headers, "body": b"hi"}

        status, _, body = await answer_to(scope_with(), handler)
        assert status in (200, 500) and body
        refused += status == 500
        if byte in (0, 10, 13):
            assert status == 500
    assert refused >= (32 if where == "value" else 100)


@pytest.mark.parametrize("status", ["200 OK\r\n", 99, 600, True, 200.0, None, 101])
async def test_F2_a_status_is_a_number(status):
    async def handler(request):
        return {"status": status}

    assert (await answer_to(scope_with(), handler))[0] == 500


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4
)


@pytest.mark.filterwarnings("ignore")
@given(
    st.fixed_dictionaries(
        {}, optional={"status": st.integers(0, 700) | junk, "headers": st.dictionaries(st.text(), st.text()) | junk, "body": junk, "stream": junk}
    )
)
async def test_F3_whatever_a_handler_returns_there_is_one_answer(response):
    async def handler(request):
        return response

    status, _, _ = await answer_to(scope_with(), handler)
    assert 200 <= status <= 599


async def few():
    yield b"ab"


@pytest.mark.parametrize(
    "response",
    [
        {"headers": {"content-length": "5"}, "body": b"ab"},
        {"headers": {"content-length": "10"}, "body": b"hello"},
        {"headers": {"content-length": ["2", "3"]}, "body": b"ab"},
        {"headers": {"content-length": "abc"}, "body": b"ab"},
    ],
    ids=["2 of 5", "5 of 10", "two", "abc"],
)
async def test_F4_a_length_is_the_bodys(response):
    async def handler(request):
        return {"status": 200, **response}

    status, headers, body = await answer_to(scope_with(), handler)
    assert status == 500 and int(headers[b"content-length"]) == len(body)


async def test_F4_a_stream_that_is_too_short_is_cut():
    async def handler(request):
        return {"status": 200, "headers": {"content-length": "5"}, "stream": few()}

    async with client(build_server(handler), raise_errors=False) as c:
        answer = await c.get("/")
    assert answer["cut"] and answer["body"] == b"ab"


@pytest.mark.parametrize("name", ["transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"])
async def test_F5_what_belongs_to_the_connection_is_left_out(name, caplog):
    async def handler(request):
        return {"status": 200, "headers": {name: "x"}, "body": b"hi"}

    status, headers, _ = await answer_to(scope_with(), handler)
    assert status == 200 and name.encode() not in headers
    assert name in caplog.text


@pytest.mark.parametrize("after_leave", ["raise", "swallow", "block"])
@virtual_time
async def test_F8_a_stream_ends_with_its_client(after_leave):
    server = FakeServer(http_scope("GET", "/"), [{"type": "http.request", "body": b"", "more_body": False}], after_leave=after_leave)
    server.start(build_server(stream))
    await server.until(lambda: len(server.sent) > 3, "three chunks")
    began = asyncio.get_running_loop().time()
    server.leave()
    await server.end(deadline_s=30)
    assert ran == ["closed"] and asyncio.get_running_loop().time() - began <= 1


@virtual_time
async def test_F9_a_reader_that_is_too_slow_is_let_go():
    server = FakeServer(http_scope("GET", "/"), [{"type": "http.request", "body": b"", "more_body": False}], stuck_after=4)
    began = asyncio.get_running_loop().time()
    server.start(build_server(stream))
    await server.end(deadline_s=60, raise_errors=False)
    assert ran == ["closed"] and asyncio.get_running_loop().time() - began <= 31


async def test_F10_an_error_after_the_first_byte_cuts(caplog):
    async def broken():
        yield b"one"
        yield b"two"
        raise KeyError("mine")

    async def handler(request):
        return {"status": 200, "stream": broken()}

    async with client(build_server(handler), raise_errors=False) as c:
        answer = await c.get("/")
    assert answer["cut"] and (answer["status"], answer["body"]) == (200, b"onetwo")
    assert [record.levelname for record in caplog.records if record.levelno >= logging.ERROR] == ["ERROR"]


# ---- G. handshakes


@websocket
async def echo(scope, receiver):
    async for message in receiver:
        yield ws_send(message)


async def test_G3_what_is_not_there_is_denied_and_a_GET_is_told_to_upgrade():
    async with client(build_server(routed(("/echo", ["WS"], echo), ("/page", ["GET"], show)))) as c:
        for path in ("/none", "/page"):
            with pytest.raises(Denied) as denied:
                async with c.websocket(path):
                    raise AssertionError
            assert denied.value.response["status"] == 404
        answer = await c.get("/echo")
        assert (answer["status"], answer["headers"]["upgrade"]) == (426, "websocket")


@pytest.mark.parametrize(
    "chosen, offered, accepted", [("evil", ["v1"], None), ("v1", ["v1"], "v1"), ("v999", [f"v{number}" for number in range(1000)], "v999")]
)
async def test_G4_a_subprotocol_was_offered_or_is_none(chosen, offered, accepted):
    async def greet(scope):
        return ws_accept(chosen)

    server = FakeServer(websocket_scope("/"), [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}])
    server.scope["subprotocols"] = offered
    await server.run(build_server(websocket(on_connect=greet)(echo.__wrapped__)))
    assert server.sent[0] == {"type": "websocket.accept", "subprotocol": accepted, "headers": []}


async def sleeps(scope):
    await asyncio.sleep(10**6)


async def takes_a_second(scope):
    await asyncio.sleep(1)
    return ws_accept()


@virtual_time
async def test_G6_a_handshake_that_hangs_is_503():
    app = build_server(websocket(on_connect=sleeps)(echo.__wrapped__))
    began = asyncio.get_running_loop().time()
    async with client(app, deadline_s=60) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket("/"):
                raise AssertionError
    assert denied.value.response["status"] == 503
    assert asyncio.get_running_loop().time() - began <= 11


@virtual_time
async def test_G7_a_peer_that_leaves_before_the_accept(caplog):
    server = FakeServer(websocket_scope("/"), [{"type": "websocket.connect"}], after_leave="raise")
    server.start(build_server(websocket(on_connect=takes_a_second, on_close=ran.append)(echo.__wrapped__)))
    await server.settle()
    server.leave(1006)
    await server.end(deadline_s=60)
    assert (server.sent, ran) == ([], []) and not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_each_row_is_a_test() -> None:
    """So that a row that is renamed or forgotten is missed."""
    functions: dict[str, Callable[..., Any]] = {name: value for name, value in globals().items() if name.startswith("test_")}
    assert len({name.split("_")[1] for name in functions if name.split("_")[1][0].isupper()}) == 32
