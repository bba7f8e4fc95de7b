"""What a server accepts from an app: the order of events as a table, their shapes, and the values that HTTP and WebSocket allow. Waits for nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os.path import isabs
from typing import Any

__all__ = ["FIRST", "WrongEvent", "check_event", "next_state"]


class WrongEvent(RuntimeError):
    """The app sent what no server may accept: an event out of order, of a wrong shape, or with a value that the wire forbids."""


FIRST: Mapping[str, str] = {"http": "asked", "websocket": "connecting", "lifespan": "starting"}
"""The state in which each type of scope begins."""

ORDER: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "asked": {"http.response.start": ("started", "started")},
    "started": {"http.response.body": ("sending", "ended"), "http.response.pathsend": ("ended", "ended")},
    "sending": {"http.response.body": ("sending", "ended")},
    "connecting": {
        "websocket.accept": ("open", "open"),
        "websocket.close": ("ended", "ended"),
        "websocket.http.response.start": ("denying", "denying"),
    },
    "denying": {"websocket.http.response.body": ("denying", "ended")},
    "open": {"websocket.send": ("open", "open"), "websocket.close": ("ended", "ended")},
    "starting": {"lifespan.startup.complete": ("up", "up"), "lifespan.startup.failed": ("ended", "ended")},
    "up": {"lifespan.shutdown.complete": ("ended", "ended"), "lifespan.shutdown.failed": ("ended", "ended")},
    "ended": {},
}
"""state -> event type -> the next state while ``more_body``, and without."""

EXTENSIONS: Mapping[str, str] = {"http.response.pathsend": "http.response.pathsend", "websocket.http.response.start": "websocket.http.response"}
"""Events that may be sent only where the scope offers the extension."""


def next_state(state: str, event: Mapping[str, Any], extensions: Mapping[str, Any]) -> str:
    """The state after ``event``, or ``WrongEvent``. An event of any other extension that the scope offers may come at any time."""
    kind: Any = event.get("type")
    if kind in ORDER[state]:
        needed = EXTENSIONS.get(kind)
        if needed is not None and needed not in extensions:
            raise WrongEvent(f"{kind!r} was sent, but the scope does not offer the extension {needed!r}")
        return ORDER[state][kind][0 if event.get("more_body") else 1]
    if kind in extensions:
        return state
    raise WrongEvent(f"{kind!r} was sent where {' or '.join(map(repr, ORDER[state])) or 'nothing more'} may come (state: {state})")


def check_event(event: Mapping[str, Any]) -> None:
    """Raise ``WrongEvent`` unless each value of ``event`` is one that ASGI and the wire allow."""
    for key, (is_good, expected, required) in SHAPES.get(event["type"], {}).items():
        if (required or key in event) and not is_good(event.get(key)):
            raise WrongEvent(f"{event['type']!r}: {key!r} must be {expected}, not {event.get(key)!r}")
    if event["type"] == "websocket.send" and (event.get("text") is None) == (event.get("bytes") is None):
        raise WrongEvent(f"'websocket.send': exactly one of 'text' and 'bytes' must be given, not {dict(event)!r}")


def is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_status(value: Any) -> bool:
    """RFC 9110 15: of an answer, so no interim one."""
    return is_int(value) and 200 <= value <= 599


def is_close_code(value: Any) -> bool:
    """RFC 6455 7.4: what an endpoint may send."""
    return is_int(value) and (1000 <= value <= 1003 or 1007 <= value <= 1014 or 3000 <= value <= 4999)


def is_text(value: Any) -> bool:
    """RFC 6455 5.6: text is UTF-8, so it has no lone surrogate."""
    try:
        return value is None or isinstance(value.encode(), bytes)
    except (AttributeError, UnicodeEncodeError):
        return False


def is_reason(value: Any) -> bool:
    """RFC 6455 5.5: a close frame holds 125 bytes, two of them the code."""
    return value is None or (is_text(value) and len(value.encode()) <= 123)


def is_bytes(value: Any) -> bool:
    return value is None or isinstance(value, bytes)


def is_path(value: Any) -> bool:
    return isinstance(value, str) and isabs(value)


def is_headers(value: Any) -> bool:
    try:
        return all(is_header(name, content) for name, content in value)
    except (TypeError, ValueError):  # not iterable, or not of pairs
        return False


def is_accept_headers(value: Any) -> bool:
    """ASGI: the subprotocol has a key of its own."""
    return is_headers(value) and all(name != b"sec-websocket-protocol" for name, _ in value)


def is_header(name: object, value: object) -> bool:
    """RFC 9110 5.5 and 5.6.2, as far as it guards the next line of the wire; ASGI: names in lower case."""
    return isinstance(name, bytes) and isinstance(value, bytes) and bool(name) and name == name.lower() and not any(char in name + value for char in b"\r\n\0")


Shape = Mapping[str, tuple[Callable[[Any], bool], str, bool]]
_HEADERS = (is_headers, "pairs of bytes, names in lower case, without CR, LF and NUL", False)
_ACCEPT_HEADERS = (is_accept_headers, f"{_HEADERS[1]}, and none of them sec-websocket-protocol", False)
_START: Shape = {"status": (is_status, "an int from 200 to 599", True), "headers": _HEADERS}
_BODY: Shape = {"body": (lambda value: isinstance(value, bytes), "bytes", False), "more_body": (lambda value: isinstance(value, bool), "a bool", False)}
_FAILED: Shape = {"message": (lambda value: isinstance(value, str), "a str", False)}
SHAPES: Mapping[str, Shape] = {
    "http.response.start": _START,
    "http.response.body": _BODY,
    "http.response.pathsend": {"path": (is_path, "the str of an absolute path", True)},
    "websocket.http.response.start": _START,
    "websocket.http.response.body": _BODY,
    "websocket.accept": {"subprotocol": (lambda value: value is None or isinstance(value, str), "a str or None", False), "headers": _ACCEPT_HEADERS},
    "websocket.send": {"text": (is_text, "a str without lone surrogates", False), "bytes": (is_bytes, "bytes", False)},
    "websocket.close": {
        "code": (is_close_code, "1000-1003, 1007-1014 or 3000-4999", False),
        "reason": (is_reason, "a str of at most 123 bytes of UTF-8", False),
    },
    "lifespan.startup.failed": _FAILED,
    "lifespan.shutdown.failed": _FAILED,
}
"""event type -> key -> (check, what is expected, required)."""
