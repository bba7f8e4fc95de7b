from __future__ import annotations

from typing import Any

import pytest

from shallot.testing.conduct import FIRST, ORDER, SHAPES, WrongEvent, check_event, next_state

DENIAL = {"websocket.http.response": {}}


@pytest.mark.parametrize(
    ("kind", "extensions", "events", "last"),
    [
        ("http", {}, ["http.response.start"], "started"),
        ("http", {}, ["http.response.start", "http.response.body"], "ended"),
        ("http", {}, ["http.response.start", "http.response.body+", "http.response.body+"], "sending"),
        ("http", {}, ["http.response.start", "http.response.body+", "http.response.body"], "ended"),
        ("http", {"http.response.pathsend": {}}, ["http.response.start", "http.response.pathsend"], "ended"),
        ("http", {"http.response.push": {}}, ["http.response.push", "http.response.start", "http.response.push"], "started"),
        ("websocket", {}, ["websocket.accept", "websocket.send", "websocket.send", "websocket.close"], "ended"),
        ("websocket", {}, ["websocket.close"], "ended"),
        ("websocket", DENIAL, ["websocket.http.response.start", "websocket.http.response.body+", "websocket.http.response.body"], "ended"),
        ("lifespan", {}, ["lifespan.startup.complete", "lifespan.shutdown.complete"], "ended"),
        ("lifespan", {}, ["lifespan.startup.complete", "lifespan.shutdown.failed"], "ended"),
        ("lifespan", {}, ["lifespan.startup.failed"], "ended"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_good_order(kind: str, extensions: dict[str, Any], events: list[str], last: str) -> None:
    state = FIRST[kind]
    for event in events:
        state = next_state(state, {"type": event.rstrip("+"), "more_body": event.endswith("+")}, extensions)
    assert state == last


@pytest.mark.parametrize(
    ("state", "event", "text"),
    [
        ("asked", {"type": "http.response.body"}, "'http.response.body' was sent where 'http.response.start' may come (state: asked)"),
        (
            "started",
            {"type": "http.response.start"},
            "'http.response.start' was sent where 'http.response.body' or 'http.response.pathsend' may come (state: started)",
        ),
        ("sending", {"type": "http.response.pathsend"}, "'http.response.pathsend' was sent where 'http.response.body' may come (state: sending)"),
        (
            "connecting",
            {"type": "websocket.send", "text": "a"},
            "'websocket.send' was sent where 'websocket.accept' or 'websocket.close' or 'websocket.http.response.start' may come (state: connecting)",
        ),
        ("open", {"type": "websocket.accept"}, "'websocket.accept' was sent where 'websocket.send' or 'websocket.close' may come (state: open)"),
        ("denying", {"type": "websocket.accept"}, "'websocket.accept' was sent where 'websocket.http.response.body' may come (state: denying)"),
        ("ended", {"type": "websocket.close"}, "'websocket.close' was sent where nothing more may come (state: ended)"),
        ("asked", {}, "None was sent where 'http.response.start' may come (state: asked)"),
        (
            "started",
            {"type": "http.response.pathsend"},
            "'http.response.pathsend' was sent, but the scope does not offer the extension 'http.response.pathsend'",
        ),
        (
            "connecting",
            {"type": "websocket.http.response.start"},
            "'websocket.http.response.start' was sent, but the scope does not offer the extension 'websocket.http.response'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_wrong_order(state: str, event: dict[str, Any], text: str) -> None:
    with pytest.raises(WrongEvent) as caught:
        next_state(state, event, {})
    assert str(caught.value) == text


def test_every_state_can_be_reached_and_left() -> None:
    reached = {*FIRST.values(), *(state for row in ORDER.values() for pair in row.values() for state in pair)}
    assert reached == set(ORDER)
    assert {state for state, row in ORDER.items() if not row} == {"ended"}


@pytest.mark.parametrize("kind", {*SHAPES} - {"http.response.start", "http.response.pathsend", "websocket.http.response.start", "websocket.send"})
def test_what_is_optional_may_be_missing(kind: str) -> None:
    check_event({"type": kind})


def test_a_type_without_a_shape_is_not_looked_at() -> None:
    check_event({"type": "lifespan.startup.complete", "anything": object()})


GOOD: list[dict[str, Any]] = [
    {"type": "http.response.start", "status": 200},
    {"type": "http.response.start", "status": 599, "headers": [[b"a", b"b"], (b"c", b"\xe9")]},
    {"type": "http.response.body", "body": b"", "more_body": True},
    {"type": "http.response.pathsend", "path": "/etc/hostname"},
    {"type": "websocket.accept", "subprotocol": None, "headers": []},
    {"type": "websocket.accept", "subprotocol": "v1", "headers": [(b"set-cookie", b"a=b")]},
    {"type": "websocket.send", "text": ""},
    {"type": "websocket.send", "text": None, "bytes": b""},
    {"type": "websocket.send", "text": "\U0001f9c5", "bytes": None},
    *({"type": "websocket.close", "code": code} for code in (1000, 1003, 1007, 1014, 3000, 4999)),
    {"type": "websocket.close", "reason": "é" * 61},
    {"type": "websocket.close", "reason": None},
    {"type": "lifespan.startup.failed", "message": "no database"},
]


@pytest.mark.parametrize("event", GOOD, ids=str)
def test_a_good_event(event: dict[str, Any]) -> None:
    check_event(event)


HEADERS = "pairs of bytes, names in lower case, without CR, LF and NUL"
CODES = "1000-1003, 1007-1014 or 3000-4999"
REASON = "a str of at most 123 bytes of UTF-8"
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "http.response.start"}, "status", "an int from 200 to 599"),
    *(({"type": "http.response.start", "status": status}, "status", "an int from 200 to 599") for status in ("200", 199, 600, True, None)),
    *(
        ({"type": "http.response.start", "status": 200, "headers": headers}, "headers", HEADERS)
        for headers in (
            None,
            7,
            [b"abc"],
            [7],
            [(b"A", b"b")],
            [("a", b"b")],
            [(b"a", "b")],
            [(b"", b"b")],
            [(b"a", b"b\r\n")],
            [(b"a", b"\0")],
            [(b"a\n", b"")],
        )
    ),
    ({"type": "http.response.body", "body": "text"}, "body", "bytes"),
    ({"type": "http.response.body", "body": None}, "body", "bytes"),
    ({"type": "http.response.body", "more_body": 1}, "more_body", "a bool"),
    ({"type": "http.response.pathsend"}, "path", "the str of an absolute path"),
    ({"type": "http.response.pathsend", "path": "etc/hostname"}, "path", "the str of an absolute path"),
    ({"type": "websocket.accept", "subprotocol": b"v1"}, "subprotocol", "a str or None"),
    (
        {"type": "websocket.accept", "headers": [(b"sec-websocket-protocol", b"v1")]},
        "headers",
        f"{HEADERS}, and none of them sec-websocket-protocol",
    ),
    ({"type": "websocket.accept", "headers": 7}, "headers", f"{HEADERS}, and none of them sec-websocket-protocol"),
    ({"type": "websocket.send", "text": b"x"}, "text", "a str without lone surrogates"),
    ({"type": "websocket.send", "text": "\ud800"}, "text", "a str without lone surrogates"),
    ({"type": "websocket.send", "bytes": "x"}, "bytes", "bytes"),
    *(({"type": "websocket.close", "code": code}, "code", CODES) for code in (-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 70000, True, None, "1000")),
    *(({"type": "websocket.close", "reason": reason}, "reason", REASON) for reason in ("a" * 124, "é" * 62, "\ud800", 7, b"bye")),
    ({"type": "lifespan.startup.failed", "message": None}, "message", "a str"),
]


@pytest.mark.parametrize(("event", "key", "expected"), WRONG, ids=[str(event) for event, _, _ in WRONG])
def test_a_wrong_value(event: dict[str, Any], key: str, expected: str) -> None:
    with pytest.raises(WrongEvent) as caught:
        check_event(event)
    assert str(caught.value) == f"{event['type']!r}: {key!r} must be {expected}, not {event.get(key)!r}"


@pytest.mark.parametrize("content", [{}, {"text": None}, {"text": "a", "bytes": b"b"}], ids=["neither", "None", "both"])
def test_a_message_is_text_or_bytes(content: dict[str, Any]) -> None:
    event = {"type": "websocket.send", **content}
    with pytest.raises(WrongEvent) as caught:
        check_event(event)
    assert str(caught.value) == f"'websocket.send': exactly one of 'text' and 'bytes' must be given, not {event!r}"
