"""Who asks for events, and where they go on."""

from __future__ import annotations

import pytest

from shallot.resuming import read_cursor, wants_events


@pytest.mark.parametrize(
    ("method", "accept", "expected"),
    [
        ("GET", "text/event-stream", True),
        ("HEAD", "text/html, Text/Event-Stream;q=0.1", True),
        ("POST", "text/event-stream", False),
        ("GET", "*/*", False),
        ("GET", "text/*", False),
        ("GET", "text/event-stream;q=0", False),
        ("GET", 'a/b;c="text/event-stream"', False),
        ("GET", None, False),
    ],
)
def test_wants_events(method: str, accept: str | None, expected: bool) -> None:
    headers = {} if accept is None else {"accept": accept}
    assert wants_events({"type": "http", "method": method, "headers": headers}) is expected
    assert wants_events({"type": "websocket", "method": "WS", "headers": headers}) is False


@pytest.mark.parametrize(
    ("last", "query", "over_http", "over_websocket"),
    [
        (None, b"", None, None),
        (None, b"cursor=e.1.a", "e.1.a", "e.1.a"),
        (None, b"a=1&cursor=a%3De.1.a%26b%3De.2.b", "a=e.1.a&b=e.2.b", "a=e.1.a&b=e.2.b"),
        (None, b"xcursor=e.1.a", None, None),
        (None, b"cursor=", None, None),
        ("e.2.b", b"cursor=e.1.a", "e.2.b", "e.1.a"),
        ("", b"cursor=e.1.a", "e.1.a", "e.1.a"),
        ("e.2.b", b"", "e.2.b", None),
    ],
)
def test_read_cursor(last: str | None, query: bytes, over_http: str | None, over_websocket: str | None) -> None:
    headers = {} if last is None else {"last-event-id": last}
    assert read_cursor({"type": "http", "headers": headers, "query_string": query}) == over_http
    assert read_cursor({"type": "websocket", "headers": headers, "query_string": query}) == over_websocket
