"""The five works: what is asked, and what a right answer is. Knows no framework and no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

__all__ = ["BODY", "DOCUMENT", "GREETING", "ITEMS", "MESSAGE", "SHELVES", "WORKS", "Work", "wrong"]

Scope = dict[str, Any]
Event = dict[str, Any]

GREETING = "Hello, world!"
SHELVES = 100
"""Routes of the second work, all alike: ``/shop/shelf07/items/{number}``."""
ITEMS = 40
"""Items asked for on each shelf: 4,000 different URLs."""
SESSION = "7f3b9c1e5d2a4860"
MESSAGE = "The quick brown fox jumps over the lazy dog."
MESSAGES = 200

DOCUMENT: Mapping[str, Any] = {
    "id": 48151623,
    "title": "A small onion",
    "price": 4.25,
    "in_stock": True,
    "supplier": None,
    "tags": ["root", "vegetable", "kitchen", "allium"],
    "origin": {"country": "FR", "region": "Bretagne", "lot": "2026-11-03/17", "certified": True},
    "lines": [{"sku": f"SH-{number:04}", "quantity": number * 3, "unit": "kg", "net": number * 1.5, "note": "keep dry and dark"} for number in range(1, 10)],
    "comment": "Mild; for dressings, sauces and whatever else asks for patience.",
}
BODY = json.dumps(DOCUMENT, separators=(",", ":")).encode()

_BROWSER = (
    (b"host", b"shop.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"),
    (b"accept-language", b"en-US,en;q=0.7,de;q=0.3"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"cookie", f"session={SESSION}; theme=dark; consent=necessary".encode()),
)
_GET = (
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"connection", b"keep-alive"),
    (b"referer", b"https://shop.example.com/shop"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
)
_POST = (
    (b"accept", b"application/json"),
    (b"connection", b"keep-alive"),
    (b"origin", b"https://shop.example.com"),
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(BODY)),
)
_UPGRADE = (
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"origin", b"https://shop.example.com"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
)


class Work(NamedTuple):
    """What is asked: ``scopes``, taken in turn, and for each what the client sends. What it says is checked by ``wrong``."""

    name: str
    title: str
    app: str
    """The function of each ``benchmarks.apps`` module that builds the application."""
    scopes: Sequence[Scope]
    events: Sequence[Event]
    per_call: int
    """Units of work in one call of the application: what a figure is about."""
    right: Callable[[Scope, Sequence[Event]], bool]


def wrong(work: Work, scope: Scope, answer: Sequence[Event]) -> str | None:
    """What is wrong with the events that an application sent, or ``None``."""
    try:
        right = work.right(scope, answer)
    except (LookupError, ValueError) as error:
        return f"{work.name} {scope['path']}: {error!r} in {answer}"
    return None if right else f"{work.name} {scope['path']}: wrong answer {answer}"


# ---- HTTP


def _http(method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Scope:
    """As uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 51234),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
        "state": {},
    }


def _answer(events: Sequence[Event], media_type: bytes) -> bytes:
    """The body of a 200 of this type with a true ``content-length``; ``ValueError`` for anything else."""
    start, *rest = events
    headers = {bytes(name).lower(): bytes(value) for name, value in start["headers"]}
    body = b"".join(event.get("body", b"") for event in rest)
    if (start["status"], headers[b"content-type"].partition(b";")[0], int(headers[b"content-length"])) != (200, media_type, len(body)):
        raise ValueError(f"not a {media_type!r} of {len(body)} bytes")
    return body


def _is_greeting(scope: Scope, events: Sequence[Event]) -> bool:
    return _answer(events, b"text/plain") == GREETING.encode()


def _is_item(scope: Scope, events: Sequence[Event]) -> bool:
    item = {"item": int(scope["path"].rpartition("/")[2]), "page": 3, "session": SESSION}
    return bool(json.loads(_answer(events, b"application/json")) == item)


def _is_document(scope: Scope, events: Sequence[Event]) -> bool:
    return bool(json.loads(_answer(events, b"application/json")) == DOCUMENT)


# ---- WebSocket


def _websocket(path: str) -> Scope:
    scope = _http("GET", path, b"", (*_BROWSER, *_UPGRADE))
    del scope["method"]
    return {**scope, "type": "websocket", "scheme": "ws", "subprotocols": []}


def _conversation(messages: int) -> Sequence[Event]:
    said: Event = {"type": "websocket.receive", "text": MESSAGE}
    return [{"type": "websocket.connect"}, *[said] * messages, {"type": "websocket.disconnect", "code": 1000, "reason": ""}]


def _is_echo(scope: Scope, events: Sequence[Event]) -> bool:
    accept, *rest = events
    echoes = [event["text"] for event in rest if event["type"] == "websocket.send"]
    return accept["type"] == "websocket.accept" and set(echoes) == {MESSAGE} and len(echoes) in (1, MESSAGES)


_PATHS = [f"/shop/shelf{shelf:02}/items/{1000 + item}" for item in range(ITEMS) for shelf in range(SHELVES)]
_REQUEST: Sequence[Event] = [{"type": "http.request", "body": b"", "more_body": False}]
_UPLOAD: Sequence[Event] = [{"type": "http.request", "body": BODY, "more_body": False}]

WORKS: Mapping[str, Work] = {
    work.name: work
    for work in (
        Work("hello", "`GET` plain text, one route", "hello", [_http("GET", "/hello", b"", (*_BROWSER, *_GET))], _REQUEST, 1, _is_greeting),
        Work(
            "routed",
            "JSON answer, path parameter, query, cookie, 100 routes, 4,000 URLs",
            "routed",
            [_http("GET", path, b"page=3&sort=price", (*_BROWSER, *_GET)) for path in _PATHS],
            _REQUEST,
            1,
            _is_item,
        ),
        Work("post", "`POST` 1 KiB JSON echo", "post", [_http("POST", "/echo", b"", (*_BROWSER, *_POST))], _UPLOAD, 1, _is_document),
        Work("message", "WebSocket echo, per message (200 a connection)", "talk", [_websocket("/talk")], _conversation(MESSAGES), MESSAGES, _is_echo),
        Work("connect", "WebSocket connect, one echo, close", "talk", [_websocket("/talk")], _conversation(1), 1, _is_echo),
    )
}


def in_turn(work: Work) -> Iterator[Scope]:
    """Scopes without end, each call's own copy."""
    scopes = work.scopes
    return (scopes[number % len(scopes)].copy() for number in count())
