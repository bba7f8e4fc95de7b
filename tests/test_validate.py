"""shallot.validate: a response is checked whole before a byte of it is sent."""

from __future__ import annotations

import logging
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.response import text
from shallot.testing.conduct import check_event
from shallot.validate import announced_length, event_headers, handshake_headers, header_writer, is_handshake

GET = {"method": "GET", "http_version": "1.1"}
HEAD = {"method": "HEAD", "http_version": "1.1"}
CONVERSATION = {"handler": print, "params": [], "subprotocol": None, "limits": {}, "hooks": {}, "taps": []}


class Stream:
    def __aiter__(self):
        raise NotImplementedError


def lines(response, request=GET):
    """Of a fresh writer, and of one that has seen the response before."""
    write = header_writer()
    first, second = write(response, request), write(response, request)
    assert sorted(first) == sorted(second)
    return first


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"status": 200}, {b"content-length": b"0"}),
        ({"status": 404, "body": b"12345"}, {b"content-length": b"5"}),
        (text("hi"), {b"content-type": b"text/plain; charset=utf-8", b"content-length": b"2"}),
        (text("x" * 5000), {b"content-type": b"text/plain; charset=utf-8", b"content-length": b"5000"}),
        ({"status": HTTPStatus.CREATED, "body": b"x"}, {b"content-length": b"1"}),
        ({"status": 200, "headers": {"X-A": " b "}}, {b"x-a": b"b", b"content-length": b"0"}),
        ({"status": 200, "headers": {"Content-Length": "005"}, "body": b"12345"}, {b"content-length": b"5"}),
        ({"status": 200, "headers": {"content-length": ["5"]}, "body": b"12345"}, {b"content-length": b"5"}),
        ({"status": 200, "headers": {"content-length": ["5", "5"]}, "body": b"12345"}, {b"content-length": b"5"}),
        ({"status": 200, "stream": Stream()}, {}),
        ({"status": 200, "stream": Stream(), "body": b""}, {}),
        ({"status": 200, "stream": Stream(), "headers": {"content-length": "7"}}, {b"content-length": b"7"}),
        ({"status": 200, "file": "/a"}, {}),
        ({"status": 200, "file": Path("/a"), "headers": {"content-length": "7"}}, {b"content-length": b"7"}),
        ({"status": 204}, {}),
        ({"status": 204, "headers": {"content-length": "0"}}, {}),
        ({"status": 205}, {b"content-length": b"0"}),
        ({"status": 304, "headers": {"etag": '"x"', "content-length": "7"}}, {b"etag": b'"x"'}),
        ({"status": 200, "cookies": {}, "effects": [], "my own": object()}, {b"content-length": b"0"}),
        ({"status": 200, "effects": ({"type": "a"},)}, {b"content-length": b"0"}),
    ],
)
def test_the_lines_of_a_response(response, expected):
    assert dict(lines(response)) == expected
    assert len(lines(response)) == len(expected)


def test_several_lines_of_one_name():
    assert lines({"status": 200, "headers": {"set-cookie": ["a=1", "b=2"], "vary": "x"}}) == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"vary", b"x"),
        (b"content-length", b"0"),
    ]


def test_a_response_is_never_changed():
    headers = {"Content-Type": "a/b", "connection": "close"}
    response = {"status": 200, "headers": headers, "body": b"x"}
    before = {**response, "headers": {**headers}}
    lines(response)
    assert response == before


def test_each_response_gets_lines_of_its_own():
    write = header_writer()
    response = text("hi")
    write(response, GET)
    write(response, GET).append((b"x", b"y"))
    assert len(write(response, GET)) == 2


def test_only_lines_that_hold_no_secret_are_remembered():
    write = header_writer()
    for number in range(2000):
        headers = {"vary": f"a{number}", "cache-control": "x" * 300, "set-cookie": ["secret"], "content-language": ["en", "de"], "etag": "e", "x-own": "x"}
        write({"status": 200, "headers": headers, "body": b""}, GET)
    (known,) = (cell.cell_contents for cell in write.__closure__ if isinstance(cell.cell_contents, dict))
    assert {name: len(lines) for name, lines in known.items() if lines} == {"vary": 256}


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        ({"x-own": "1", "vary": "a"}, [(b"x-own", b"1"), (b"vary", b"a")]),
        ({"set-cookie": ["a=1", "b=2"], "vary": ["a", "b"]}, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"vary", b"a"), (b"vary", b"b")]),
        ({"X-Own": "1", "vary": "a"}, [(b"x-own", b"1"), (b"vary", b"a")]),
        ({"x": " é "}, [(b"x", b"\xe9")]),
        ({"Content-Length": "2", "x": "y"}, [(b"x", b"y")]),
        ({"content-length": "2", "x": "y"}, [(b"x", b"y")]),
        ({"te": "x", "x": "y"}, [(b"x", b"y")]),
        ({"0": "x"}, [(b"0", b"x")]),
    ],
    ids=["own", "lists", "spelling", "value", "length-spelling", "length", "hop", "no-letters"],
)
def test_headers_of_an_ordinary_response_again_and_again(headers, lines):
    write = header_writer()
    for _ in range(2):
        assert write({"status": 200, "headers": headers, "body": b"hi"}, GET) == [*lines, (b"content-length", b"2")]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"vary": "a", "Vary": "b"}, ValueError),
        ({"vary": "a\nb"}, ValueError),
        ({"vary": ["a", 1]}, TypeError),
        ({"vary": 1}, TypeError),
        ({5: "x"}, TypeError),
        ({"a b": "x"}, ValueError),
        ({"content-length": "3"}, ValueError),
        ({"content-length": ["2", "3"]}, ValueError),
    ],
    ids=["spellings", "break", "member", "number", "name", "blank", "length", "lengths"],
)
def test_wrong_headers_of_an_ordinary_response_again_and_again(headers, error):
    write = header_writer()
    for _ in range(2):
        with pytest.raises(error):
            write({"status": 200, "headers": headers, "body": b"hi"}, GET)


# ---- HEAD


@pytest.mark.parametrize(
    ("response", "length"),
    [
        (text("hello"), 5),
        (text(""), 0),
        ({"status": 200}, None),
        ({"status": 200, "headers": {}, "body": b""}, None),
        ({"status": 404, "headers": {"content-type": "text/plain"}, "body": b""}, None),
        ({"status": 304}, None),
        ({"status": 200, "headers": {}, "body": b"hello"}, 5),
        ({"status": 200, "headers": {"content-length": "7"}}, 7),
        ({"status": 200, "stream": Stream()}, None),
        ({"status": 200, "stream": Stream(), "headers": {"content-length": "7"}}, 7),
    ],
)
def test_head_has_the_length_that_get_would_have(response, length):
    assert announced_length(lines(response, HEAD)) == length


def test_head_with_a_body_of_another_length_is_wrong():
    with pytest.raises(ValueError, match="says 7 and the body has 1 bytes"):
        lines({"status": 200, "headers": {"content-length": "7"}, "body": b"x"}, HEAD)


# ---- headers of the connection


@pytest.mark.parametrize("name", ["connection", "Keep-Alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"])
def test_headers_of_the_connection_are_left_out_with_a_warning(caplog, name):
    assert header_writer()({"status": 200, "headers": {name: "x", "a": "b"}}, GET) == [(b"a", b"b"), (b"content-length", b"0")]
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", f"left out of a response, as they are the server's to say: {name.lower()}")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.1", [(b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"content-length", b"0")]), ("2", [(b"content-length", b"0")])],
)
def test_426_says_upgrade_where_it_can_be_said(caplog, version, expected):
    response = {"status": 426, "headers": {"upgrade": "websocket", "connection": "upgrade"}}
    assert header_writer()(response, {"method": "GET", "http_version": version}) == expected
    assert not caplog.records  # it is the router that says so: nobody is to be warned of it at each request


def test_426_leaves_out_the_others_all_the_same(caplog):
    assert dict(header_writer()({"status": 426, "headers": {"te": "x"}}, GET)) == {b"connection": b"upgrade", b"content-length": b"0"}
    assert "te" in caplog.text


# ---- wrong responses


@pytest.mark.parametrize(
    ("response", "error", "complaint"),
    [
        (None, TypeError, r"the handler returned None \(it, or a middleware around it, lacks a return\); expected a response dict"),
        ((200, b"x"), TypeError, "returned tuple; expected a response dict"),
        ("hi", TypeError, "returned str"),
        ({}, TypeError, r"a response needs a status, like \{'status': 200\}; got a dict of \[\]"),
        ({"name": "ann", 1: 2}, TypeError, r"got a dict of \['1', 'name'\]; for JSON there is json\(...\)"),
        ({"status": None}, TypeError, "status must be an int, like 200; got NoneType"),
        ({"status": "200 OK\r\n"}, TypeError, "got str"),
        ({"status": 200.0}, TypeError, "got float"),
        ({"status": True}, TypeError, "got bool"),
        ({"status": 0}, ValueError, "200 to 599, got 0"),
        ({"status": 103}, ValueError, "200 to 599, got 103"),
        ({"status": 600}, ValueError, "200 to 599, got 600"),
        ({"status": 101}, ValueError, "status 101 answers a WebSocket request"),
        ({"status": 200, "headers": [("a", "b")]}, TypeError, "headers must be a dict, got list"),
        ({"status": 200, "headers": None}, TypeError, "headers must be a dict, got NoneType"),
        ({"status": 200, "headers": {"a": 1}}, TypeError, "write str"),
        ({"status": 200, "headers": {"vary": ["a", 1]}}, TypeError, "list of str"),
        ({"status": 200, "headers": {"a": "b\r\nc: d"}}, ValueError, "control character"),
        ({"status": 200, "headers": {"a b": "c"}}, ValueError, "header's name"),
        ({"status": 200, "headers": {"Vary": "a", "vary": "a"}}, ValueError, "two spellings"),
        ({"status": 200, "body": "hi"}, TypeError, r"got str; make the response with text\(...\)"),
        ({"status": 200, "body": None}, TypeError, "got NoneType"),
        ({"status": 200, "body": {"a": 1}}, TypeError, r"for JSON there is json\(...\)"),
        ({"status": 200, "body": bytearray(b"x")}, TypeError, "got bytearray"),
        ({"status": 200, "headers": {"content-length": "10"}, "body": b"12345"}, ValueError, "says 10 and the body has 5 bytes"),
        ({"status": 200, "headers": {"content-length": "2"}, "body": b"12345"}, ValueError, "says 2 and the body has 5 bytes"),
        ({"status": 200, "headers": {"content-length": "abc"}}, ValueError, "expected one number"),
        ({"status": 200, "headers": {"content-length": "-1"}, "stream": Stream()}, ValueError, "expected one number"),
        ({"status": 200, "headers": {"content-length": "9" * 20}, "stream": Stream()}, ValueError, "expected one number"),
        ({"status": 200, "headers": {"content-length": ["5", "6"]}, "body": b"12345"}, ValueError, "expected one number"),
        ({"status": 204, "body": b"x"}, ValueError, "status 204 has no body"),
        ({"status": 205, "body": b"x"}, ValueError, "status 205 has no body"),
        ({"status": 304, "stream": Stream()}, ValueError, "status 304 has no body"),
        ({"status": 304, "file": "/a"}, ValueError, "status 304 has no body"),
        ({"status": 200, "stream": [b"x"]}, TypeError, "async iterable of bytes, got list"),
        ({"status": 200, "stream": None}, TypeError, "async iterable of bytes, got NoneType"),
        ({"status": 200, "file": 3}, TypeError, "must be a path, got int"),
        ({"status": 200, "file": "/a", "stream": Stream()}, ValueError, "one of body, stream and file"),
        ({"status": 200, "file": "/a", "body": b"x"}, ValueError, "one of body, stream and file"),
        ({"status": 200, "cookies": {"a": {"value": 1}}}, ValueError, r"put wrap_cookies\(\) into apply_middleware"),
        ({"status": 200, "effects": {"type": "a"}}, TypeError, "list of dicts"),
        ({"status": 200, "effects": ["a"]}, TypeError, "list of dicts"),
    ],
)
def test_a_wrong_response_is_refused_by_name(response, error, complaint):
    with pytest.raises(error, match=complaint) as refused:
        header_writer()(response, GET)
    assert refused.value.__context__ is None, "the record shows what is wrong, and no error of ours before it"


def test_a_header_of_an_ordinary_response_is_refused_by_name():
    with pytest.raises(TypeError, match="header 'x-count': expected a str or a list of str, got int") as refused:
        header_writer()({"status": 200, "headers": {"x-count": 1}, "body": b""}, GET)
    assert refused.value.__context__ is None


async def test_a_forgotten_await_is_named():
    async def find():
        return {"status": 200}

    forgotten = find()
    with pytest.raises(TypeError, match=r"the handler returned a coroutine \(it, or a middleware around it, lacks an await\)"):
        header_writer()(forgotten, GET)
    await forgotten


def test_a_response_is_checked_as_well_when_its_headers_are_known():
    write = header_writer()
    write(text("hi"), GET)
    with pytest.raises(ValueError, match="says 2 and the body has 3 bytes"):
        write({**text("hi"), "body": b"hi!"}, GET)
    with pytest.raises(TypeError, match="got str"):
        write({**text("hi"), "body": "hi"}, GET)


anything = (
    some.none() | some.booleans() | some.integers(0, 700) | some.text(max_size=5) | some.binary(max_size=5) | some.lists(some.text(max_size=3), max_size=3)
)
header = some.sampled_from(["vary", "Vary", "content-length", "x", "", "a b", "te"]) | some.text(max_size=3)


@given(
    some.dictionaries(some.sampled_from(["status", "body", "file", "stream", "effects", "cookies"]), anything)
    | some.fixed_dictionaries({"status": some.integers(190, 610), "headers": some.dictionaries(header, anything), "body": some.binary(max_size=5)})
)
def test_whatever_a_handler_returns_is_right_for_every_server_or_refused(response):
    logging.getLogger("shallot").setLevel(logging.ERROR)
    write = header_writer()
    try:
        headers = write(response, GET)
    except (TypeError, ValueError):
        return
    finally:
        logging.getLogger("shallot").setLevel(logging.NOTSET)
    check_event({"type": "http.response.start", "status": response["status"], "headers": headers})
    if response["status"] not in (204, 304) and "file" not in response:
        assert announced_length(headers) == len(response.get("body", b""))


# ---- handshakes


def handshake(**keys):
    return {"status": 101, "websocket": CONVERSATION, **keys}


@pytest.mark.parametrize(
    ("response", "expected"),
    [(handshake(), True), ({"status": 101}, False), ({"status": 403, "websocket": CONVERSATION}, False), (None, False), ("101", False)],
)
def test_what_is_a_handshake(response, expected):
    assert is_handshake(response) is expected


def test_a_handshake_leaves_out_what_describes_a_body():
    headers = {"Set-Cookie": ["a=1", "b=2"], "content-type": "a/b", "content-length": "0", "connection": "close", "x-request-id": "7"}
    assert handshake_headers(handshake()) == handshake_headers(handshake(headers={})) == []
    assert handshake_headers(handshake(headers=headers, body=b"")) == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-request-id", b"7")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_handshake_for_an_HTTP_request_begins_a_stream_of_events(method):
    lines = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"vary", b"accept"), (b"x-accel-buffering", b"no")]
    request = {"type": "http", "method": method}
    assert event_headers(handshake()) == header_writer()(handshake(), request) == lines
    headers = {"cache-control": "private", "content-encoding": "br", "content-type": "a/b", "vary": "origin", "x-a": "1"}
    assert header_writer()(handshake(headers=headers), request) == [(b"vary", b"origin"), (b"x-a", b"1"), *lines]


@pytest.mark.parametrize("request_", [{"type": "http", "method": "POST"}, {"type": "websocket", "method": "WS"}, {"method": "GET"}])
def test_a_handshake_for_any_other_request_is_no_response(request_):
    with pytest.raises(ValueError, match="status 101 answers a WebSocket request"):
        header_writer()(handshake(), request_)


@pytest.mark.parametrize(
    ("response", "error", "complaint"),
    [
        (handshake(websocket=None), TypeError, "must be a dict of handler, hooks, limits"),
        (handshake(websocket={"handler": print}), TypeError, "the decorator @websocket makes it"),
        (handshake(body=b"x"), ValueError, "status 101 has no body"),
        (handshake(stream=Stream()), ValueError, "status 101 has no body"),
        (handshake(file="/a"), ValueError, "status 101 has no body"),
        (handshake(cookies={"a": {}}), ValueError, "wrap_cookies"),
        (handshake(headers={"Sec-WebSocket-Protocol": "v1"}), ValueError, r"ws_accept\(subprotocol=...\)"),
        (handshake(headers={"a": "\n"}), ValueError, "control character"),
    ],
)
def test_a_wrong_handshake_is_refused_by_name(response, error, complaint):
    with pytest.raises(error, match=complaint):
        handshake_headers(response)
