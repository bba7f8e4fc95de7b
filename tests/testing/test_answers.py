from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shallot.testing import Denied, Unexpected, WrongEvent
from shallot.testing.answers import format_event_headers, keep_cookies, read_answer, read_chunk

JSON = (b"content-type", b"application/json; charset=utf-8")


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_an_answer_is_plain_data() -> None:
    events = [start(201, (b"x", b"1"), (b"x", b"2"), (b"y", b"\xe9")), body(b"a", True), body(b"", True), body(b"b")]
    assert await read_answer(events) == {
        "status": 201,
        "headers": {"x": "1, 2", "y": "\xe9"},
        "headers_list": [("x", "1"), ("x", "2"), ("y", "\xe9")],
        "body": b"ab",
        "chunks": [b"a", b"b"],
        "cut": False,
    }


async def test_headers_and_bodies_may_be_left_out() -> None:
    answer = await read_answer([{"type": "http.response.start", "status": 200}, {"type": "http.response.body"}])
    assert (answer["headers"], answer["body"], answer["cut"]) == ({}, b"", False)


@pytest.mark.parametrize(
    ("events", "cut"),
    [([start()], True), ([start(), body(b"a", True)], True), ([start(), body(b"a")], False)],
    ids=["start alone", "more to come", "whole"],
)
async def test_what_is_cut(events: list[dict[str, Any]], cut: bool) -> None:
    assert (await read_answer(events))["cut"] is cut


@pytest.mark.parametrize(
    ("content_type", "data", "value"),
    [(b"application/json", b"[1]", [1]), (b"application/problem+json", b"{}", {}), (b"application/json", b"null", None)],
)
async def test_json_is_parsed(content_type: bytes, data: bytes, value: object) -> None:
    assert (await read_answer([start(200, (b"content-type", content_type)), body(data)]))["json"] == value


@pytest.mark.parametrize(
    "events",
    [[start(), body(b"[1]")], [start(200, (b"content-type", b"text/plain")), body(b"1")], [start(200, JSON), body(b"[1")], [start(200, JSON), body()]],
    ids=["no type", "other type", "broken", "empty"],
)
async def test_what_is_not_json_has_no_value(events: list[dict[str, Any]]) -> None:
    assert "json" not in await read_answer(events)


async def test_the_body_of_head_stays_behind() -> None:
    answer = await read_answer([start(200, (b"content-length", b"3"), JSON), body(b"[1]")], method="HEAD")
    assert (answer["body"], answer["chunks"], "json" in answer) == (b"", [], False)


async def test_an_error_is_kept_and_nothing_is_measured_then() -> None:
    error = ValueError()
    answer = await read_answer([start(200, (b"content-length", b"3")), body(b"[1", True)], error=error)
    assert (answer["error"], answer["cut"]) == (error, True)
    assert (await read_answer([start(200, (b"content-length", b"3")), body(b"[1")], error=error))["cut"] is False


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_body(status: int) -> None:
    assert (await read_answer([start(status), body()]))["body"] == b""
    with pytest.raises(WrongEvent, match=rf"^a response with status {status} has no body, but 1 bytes were sent$"):
        await read_answer([start(status), body(b"x")])


@pytest.mark.parametrize(
    ("announced", "sent"), [([b"2"], b"x"), ([b"0"], b"x"), ([b"1"], b""), ([b"1", b"1"], b"x"), ([b"+1"], b"x")], ids=["more", "none", "some", "twice", "sign"]
)
async def test_content_length_is_held(announced: list[bytes], sent: bytes) -> None:
    with pytest.raises(WrongEvent, match=rf"^content-length announces .* bytes, but {len(sent)} were sent$"):
        await read_answer([start(200, *((b"content-length", value) for value in announced)), body(sent)])


@pytest.mark.parametrize(("status", "method", "sent"), [(200, "GET", b"abc"), (304, "GET", b""), (200, "HEAD", b"")])
async def test_content_length_may_announce_what_is_or_would_be_there(status: int, method: str, sent: bytes) -> None:
    assert (await read_answer([start(status, (b"content-length", b"3")), body(sent)], method=method))["body"] == sent


async def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    event = {"type": "http.response.pathsend", "path": str(tmp_path / "x")}
    assert await read_chunk(event) == b"content"
    answer = await read_answer([start(), event])
    assert (answer["body"], answer["cut"]) == (b"content", False)


def test_event_headers() -> None:
    assert format_event_headers([]) == ({}, [])


@pytest.mark.parametrize(
    ("line", "jar"),
    [
        ("a=b", {"old": "1", "a": "b"}),
        (" a = b ; Path=/; HttpOnly", {"old": "1", "a": "b"}),
        ("a=b=c", {"old": "1", "a": "b=c"}),
        ("old=2; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {"old": "2"}),
        ("old=; Max-Age=0", {}),
        ("old=; max-age=-1", {}),
        ("old=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {}),
        ("old=2; Expires=Fri, 31 Dec 9999 23:59:59 GMT", {"old": "2"}),
        ("old=2; Expires=never; Max-Age=soon", {"old": "2"}),
        ("unknown=; Max-Age=0", {"old": "1"}),
    ],
)
def test_cookies_are_kept(line: str, jar: dict[str, str]) -> None:
    cookies = {"old": "1"}
    keep_cookies(cookies, [("content-type", "a=b"), ("set-cookie", line)])
    assert cookies == jar


async def test_a_denial_carries_the_answer() -> None:
    answer = await read_answer([start(401), body()])
    denied = Denied("denied with 401", answer)
    assert (denied.response, str(denied), isinstance(denied, Unexpected)) == (answer, "denied with 401", True)
