from __future__ import annotations

import asyncio
import json as standard_json
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot import build_server, effects, response
from shallot.codec.event_stream import parse_events
from shallot.response import (
    event_stream,
    file,
    filestream,
    html,
    json,
    problem,
    redirect,
    respond400,
    respond404,
    respond_not_modified,
    text,
    with_cookie,
    with_header,
)
from shallot.testing import client, virtual_time


def plain(body: bytes, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> dict[str, Any]:
    return {"status": status, "body": body, "headers": {"content-type": content_type, "content-length": str(len(body))}}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (text(), plain(b"")),
        (text("hi"), plain(b"hi")),
        (text("hi", 201), plain(b"hi", 201)),
        (text("Käse"), plain("Käse".encode())),
        (text("Käse", 200, "ISO-8859-1"), plain(b"K\xe4se", content_type="text/plain; charset=ISO-8859-1")),
        (html("<p>ä"), plain("<p>ä".encode(), content_type="text/html; charset=utf-8")),
        (html("", 404), plain(b"", 404, "text/html; charset=utf-8")),
        (respond404(), plain(b"Not Found", 404)),
        (respond404("gone"), plain(b"gone", 404)),
        (respond400(), plain(b"", 400)),
        (respond400("no"), plain(b"no", 400)),
        (json({"a": ["ä", None]}), plain('{"a":["ä",null]}'.encode(), content_type="application/json; charset=utf-8")),
        (json([1], 499), plain(b"[1]", 499, "application/json; charset=utf-8")),
        (json(["ä"], 200, True), plain(rb'["\u00e4"]', content_type="application/json; charset=utf-8")),
        (json(["ä"], 200, False, "ISO-8859-1"), plain(b'["\xe4"]', content_type="application/json; charset=ISO-8859-1")),
        (json(["ä"], encoding="utf-16-le"), plain('["ä"]'.encode("utf-16-le"), content_type="application/json; charset=utf-16-le")),
        (problem(404), plain(b'{"type":"about:blank","title":"Not Found","status":404}', 404, "application/problem+json")),
        (problem(413), plain(b'{"type":"about:blank","title":"Content Too Large","status":413}', 413, "application/problem+json")),
        (problem(422), plain(b'{"type":"about:blank","title":"Unprocessable Content","status":422}', 422, "application/problem+json")),
        (problem(599), plain(b'{"type":"about:blank","title":"Error","status":599}', 599, "application/problem+json")),
        (problem(400, ""), plain(b'{"type":"about:blank","title":"","status":400}', 400, "application/problem+json")),
        (
            problem(422, "Bad", type="urn:bad", detail="d", instance="/x", mine=[1]),
            plain(b'{"type":"urn:bad","title":"Bad","status":422,"detail":"d","instance":"/x","mine":[1]}', 422, "application/problem+json"),
        ),
    ],
    ids=repr,
)
def test_constructors(made: Any, expected: Any) -> None:
    assert made == expected
    assert len(made["body"]) == int(made["headers"]["content-length"])


@pytest.mark.parametrize("body", [b"x", {}, None], ids=["bytes", "dict", "None"])
def test_text_takes_text(body):
    with pytest.raises(TypeError, match=rf"text: expected str, got {type(body).__name__}; for bytes write .*, for data json"):
        text(body)


def test_each_call_makes_a_dict_of_its_own() -> None:
    assert text()["headers"] is not text()["headers"]
    assert respond404() is not respond404()


def test_text_that_the_encoding_does_not_have() -> None:
    with pytest.raises(UnicodeEncodeError):
        text("ä", encoding="ascii")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()], ids=repr)
def test_what_json_cannot_say(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^(Out of range float values are not JSON compliant|JSON has no (set|object): expected dict, )"):
        json(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])), lambda inner: st.lists(inner, max_size=3)
    ),
    st.booleans(),
)
def test_json_round_trip(value: Any, ensure_ascii: bool) -> None:
    assert standard_json.loads(json(value, ensure_ascii=ensure_ascii)["body"]) == value


def test_effects_are_shown_here_too() -> None:
    for name in ("ws_send", "ws_close", "ws_accept", "ws_send_json"):
        assert getattr(response, name) is getattr(effects, name)
        assert name in response.__all__


def test_respond_not_modified() -> None:
    headers = {"ETag": '"1"', "Content-Length": "12", "content-range": "bytes 0-1/2", "vary": "a"}
    assert respond_not_modified(headers) == {"status": 304, "body": b"", "headers": {"ETag": '"1"', "vary": "a"}}
    assert headers == {"ETag": '"1"', "Content-Length": "12", "content-range": "bytes 0-1/2", "vary": "a"}


# ---- redirect


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("/", "/"),
        ("/a/b?c=d&e=%20#f", "/a/b?c=d&e=%20#f"),
        ("/käse", "/k%C3%A4se"),
        ('/a b"<>^`{|}', "/a%20b%22%3C%3E%5E%60%7B%7C%7D"),
        ("/:@!$&'()*+,;=~[]", "/:@!$&'()*+,;=~[]"),
        ("/a//b", "/a//b"),
        ("/?next=https://evil.com", "/?next=https://evil.com"),
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.com/a?b#c", "HTTPS://Example.com/a?b#c"),
        ("http://example.com?x", "http://example.com?x"),
        ("https://example.com#x", "https://example.com#x"),
        ("https://other.example:8443/", "https://other.example:8443/"),
    ],
)
def test_redirect(to: str, location: str) -> None:
    made = redirect(to, allow_hosts=["EXAMPLE.com", "other.example:8443"])
    assert made == {"status": 303, "body": b"", "headers": {"location": location, "content-length": "0"}}


HOSTILE = [
    *("", "a", "?a", "#a", "//e", "///e", "//e/../..", "/\\e", "\\e", "\\\\e", "/a\\b", "https:e"),
    *("https:/e", "https:///e", "https://", "mailto:a@e", "data:text/html,x"),
    *("javascript:alert(1)", "java\tscript:x", "/\t/e", "/\n/e", "\t//e"),
    *(" //e", " /a", "\x00/a", "/a\r\nset-cookie: a=b", "/\u2028", "/\u2029", "/\x85", "/\u200b", "/\u202e", "/\ud800"),
    *("https://evil.com", "https://example.com.evil.com", "https://notexample.com", "https://example.com@evil.com"),
    *("https://user@example.com", "https://example.com:80"),
    *("https://other.example", "https://example.com\\.evil.com", "https://evil.com#@example.com"),
    *("https://evil.com?example.com", "ftp://example.com", "://example.com", "http//example.com"),
    *("https://\uff45xample.com", "https:// example.com", "https://example.com."),
]


@pytest.mark.parametrize("to", HOSTILE, ids=ascii)
def test_B8_hostile_targets_are_refused(to: str) -> None:
    with pytest.raises(ValueError, match="redirect: expected a path that begins with one '/'"):
        redirect(to, allow_hosts=("example.com", "other.example:8443"))


targets = st.lists(
    st.sampled_from(["/", "\\", "a", "b.example", ".", "..", "%2f", "%", "?", "#", "@", ":", " ", "\t", "\r\n", "\0", "é", "\ud800"]) | st.text(max_size=3)
)


@given(targets.map("".join) | targets.map(lambda pieces: "/" + "".join(pieces)))
def test_a_redirect_without_allowed_hosts_stays_here(to: str) -> None:
    try:
        location = redirect(to)["headers"]["location"]
    except ValueError:
        return
    assert isinstance(location, str)
    assert location.startswith("/")
    assert not location.startswith("//")
    assert location.isascii()
    assert location.isprintable()
    assert not set(location) & set("\\ ")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_statuses(status: int) -> None:
    assert redirect("/", status)["status"] == status


@pytest.mark.parametrize("status", [200, 300, 304, 306, 404])
def test_redirect_with_another_status(status: int) -> None:
    with pytest.raises(ValueError, match=rf"redirect: status must be one of \[301, 302, 303, 307, 308\], not {status}"):
        redirect("/", status)


def test_redirect_with_a_bare_host() -> None:
    with pytest.raises(TypeError, match=r"allow_hosts must be a collection of hosts, not the str 'a.b'; write \['a.b'\]"):
        redirect("/", allow_hosts="a.b")


# ---- files


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (file("a/b.png"), {"status": 200, "headers": {"content-type": "image/png"}, "file": "a/b.png"}),
        (file("b.html"), {"status": 200, "headers": {"content-type": "text/html; charset=utf-8"}, "file": "b.html"}),
        (file("a.html/b"), {"status": 200, "headers": {"content-type": "application/octet-stream"}, "file": "a.html/b"}),
        (file(Path("x.pdf"), 201), {"status": 201, "headers": {"content-type": "application/pdf"}, "file": Path("x.pdf")}),
        (file("x", content_type="a/b"), {"status": 200, "headers": {"content-type": "a/b"}, "file": "x"}),
        (
            file("x", download='a "b"; ä.txt'),
            {
                "status": 200,
                "headers": {"content-type": "application/octet-stream", "content-disposition": "attachment; filename*=UTF-8''a%20%22b%22%3B%20%C3%A4.txt"},
                "file": "x",
            },
        ),
    ],
    ids=repr,
)
def test_file(made: Any, expected: Any) -> None:
    assert made == expected


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 105])
async def test_filestream_gives_the_whole_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "data"
    path.write_bytes(os.urandom(size))
    made = filestream(path, chunk_size=10)
    assert (made["status"], made["body"], made["headers"]) == (200, b"", {})
    chunks = [chunk async for chunk in made["stream"]]
    assert b"".join(chunks) == path.read_bytes()
    assert all(0 < len(chunk) <= 10 for chunk in chunks)


async def test_filestream_keeps_a_copy_of_the_headers(tmp_path: Path) -> None:
    headers = {"etag": '"1"'}
    made = filestream("x", headers, 4096)
    assert (made["headers"], made["headers"] is headers) == (headers, False)


async def test_filestream_fails_when_it_is_read_not_before() -> None:
    stream = filestream("no/such/file")["stream"]
    with pytest.raises(FileNotFoundError):
        _ = [chunk async for chunk in stream]


@pytest.mark.parametrize("begun", [False, True])
async def test_filestream_closes_its_file_when_left(tmp_path: Path, begun: bool) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    async with aclosing(filestream(path, chunk_size=1)["stream"]) as stream:
        if begun:
            assert await anext(stream) == b"0"
    # that nothing is left open is what conftest looks at


async def test_filestream_does_not_block_the_loop(tmp_path: Path) -> None:
    """A pipe nobody writes to: whoever opens it waits, and that is not the loop."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    async with aclosing(filestream(path)["stream"]) as stream:
        reading = asyncio.create_task(anext(stream))
        writer = await asyncio.wait_for(asyncio.to_thread(os.open, path, os.O_WRONLY), 10)
        os.write(writer, b"hi")
        os.close(writer)
        assert await asyncio.wait_for(reading, 10) == b"hi"


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_filestream_with_an_empty_chunk(chunk_size: int) -> None:
    with pytest.raises(ValueError, match=f"filestream: chunk_size must be at least 1, got {chunk_size}"):
        filestream("x", None, chunk_size)


# ---- changed copies


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ({"status": 200}, "1", {"status": 200, "headers": {"x-a": "1"}}),
        ({"status": 200, "headers": {"b": "c"}}, ["1", "2"], {"status": 200, "headers": {"b": "c", "x-a": ["1", "2"]}}),
        ({"status": 200, "headers": {"X-A": "0", "x-a": "0"}}, "1", {"status": 200, "headers": {"x-a": "1"}}),
    ],
)
def test_with_header(before: Any, value: Any, after: Any) -> None:
    copy = standard_json.dumps(before)
    assert with_header(before, "X-A", value) == after
    assert standard_json.dumps(before) == copy


@pytest.mark.parametrize(
    ("before", "value", "attributes", "cookies"),
    [
        ({"status": 200}, "1", {}, {"a": {"value": "1"}}),
        ({"status": 200}, 5, {"max_age": 60, "httponly": True}, {"a": {"value": 5, "max-age": 60, "httponly": True}}),
        ({"status": 200, "cookies": {"a": {"value": "0"}, "b": None}}, "1", {}, {"a": {"value": "1"}, "b": None}),
        ({"status": 200}, None, {"path": "/"}, {"a": None}),
    ],
)
def test_with_cookie(before: Any, value: Any, attributes: Any, cookies: Any) -> None:
    copy = standard_json.dumps(before)
    assert with_cookie(before, "a", value, **attributes) == {"status": 200, "cookies": cookies}
    assert standard_json.dumps(before) == copy


# ---- event_stream


async def fruits() -> Any:
    yield "apple"
    yield {"event": "fruit", "id": "2", "data": ["pear"]}


async def chunks_of(made: Any) -> list[bytes]:
    async with aclosing(made["stream"]) as stream:
        return [chunk async for chunk in stream]


async def test_event_stream() -> None:
    made = event_stream(fruits())
    assert await chunks_of(made) == [b":\n\n", b"data: apple\n\n", b'event: fruit\nid: 2\ndata: ["pear"]\n\n']
    assert {key: value for key, value in made.items() if key != "stream"} == {
        "status": 200,
        "headers": {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"},
    }


@virtual_time
async def test_event_stream_without_an_event_for_some_time() -> None:
    go = asyncio.Event()

    async def late() -> Any:
        await go.wait()
        yield "late"

    async with aclosing(event_stream(late(), keepalive_s=0.01)["stream"]) as stream:  # type: ignore[type-var]
        assert [await anext(stream) for _ in range(3)] == [b":\n\n"] * 3
        go.set()
        assert await anext(stream) == b"data: late\n\n"


@pytest.mark.parametrize("event", [b"bytes", {"id": "1\ndata: x"}], ids=repr)
async def test_event_stream_of_what_is_no_event(event: Any) -> None:
    async def events() -> Any:
        yield event

    with pytest.raises((TypeError, ValueError), match="an event"):
        await chunks_of(event_stream(events(), keepalive_s=None))


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        ([["a"]], {}, TypeError, "events must be an async iterable, like a call of an async generator function, not list"),
        ([fruits], {}, TypeError, "must be an async iterable, .* not function"),
        ([None], {"keepalive_s": 0}, ValueError, "keepalive_s must be more than 0 seconds, or None, not 0"),
    ],
    ids=["a list", "not called", "no time"],
)
def test_event_stream_is_checked_when_it_is_made(arguments: Any, options: Any, kind: type[Exception], text: str) -> None:
    class Nothing:
        def __aiter__(self) -> Any:
            raise AssertionError("not begun")

    with pytest.raises(kind, match=f"event_stream: .*{text}"):
        event_stream(*[Nothing() if argument is None else argument for argument in arguments], **options)


@virtual_time
async def test_an_event_stream_over_the_wire_ends_with_its_client() -> None:
    ended = []

    async def endless() -> Any:
        try:
            yield {"id": "1", "data": "a"}
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def handler(request: Any) -> Any:
        return event_stream(endless(), keepalive_s=0.05)

    async with client(build_server(handler)) as c, c.stream("GET", "/") as answer:
        read = b""
        async for chunk in answer:
            read += chunk
            if read.count(b":\n\n") > 1:
                break
    assert parse_events(read) == ([{"id": "1", "data": "a"}], b"")
    assert ended == [True]
