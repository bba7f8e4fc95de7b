"""Response dict -> the header lines of the event that starts it, after which it can go out through any server. Nothing waits or is sent here."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, cast

from .codec.headers import format_headers

__all__ = ["RawHeaders", "WriteHeaders", "announced_length", "event_headers", "handshake_headers", "header_writer", "is_handshake", "no_response"]

log = logging.getLogger("shallot")

RawHeaders = list[tuple[bytes, bytes]]
"""Header lines as ASGI's events carry them."""
WriteHeaders = Callable[[Any, Mapping[str, Any]], RawHeaders]
"""``(response, request)`` -> the header lines of the event that starts the response."""

HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
"""What belongs to one connection (RFC 9110 7.6.1): the server's to say, and forbidden over HTTP/2."""
BODYLESS = frozenset({204, 304})
"""No content follows them (RFC 9110 15.3.5, 15.4.5)."""
CONTENTLESS = BODYLESS | {205}
"""Those, and 205 (RFC 9110 15.3.6), which says so by a length of 0."""
WITH_BODY = frozenset(range(200, 600)) - CONTENTLESS
"""The statuses of an ordinary response."""
REPEATED = frozenset(
    """cache-control content-encoding content-language content-security-policy content-type cross-origin-opener-policy cross-origin-resource-policy
    permissions-policy referrer-policy strict-transport-security vary x-content-type-options x-frame-options""".split()
)
"""Headers whose few values an app repeats, so that the lines made of them are worth keeping. None of them holds a secret."""
FRAMING = frozenset({"content-length", *(name.decode() for name in HOP_BY_HOP)})
"""Headers that say where the response ends and how it travels: they are looked at all together."""
EVENT_LINES = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"vary", b"accept"), (b"x-accel-buffering", b"no"))
"""Of a stream of events (WHATWG HTML 9.2). The last is for nginx, which would wait for more before it passes anything on."""
MISTAKEN = {"NoneType": "None (it, or a middleware around it, lacks a return)", "coroutine": "a coroutine (it, or a middleware around it, lacks an await)"}
"""What comes back where a word was forgotten."""
CONVERSATION_KEYS = frozenset({"handler", "hooks", "limits", "params", "subprotocol", "taps"})

_SAID_FOR_EVENTS = frozenset({b"cache-control", b"content-encoding"})
_NO_HEADERS: Mapping[str, str] = {}
_LENGTH = re.compile(rb"[0-9]{1,19}")


def header_writer() -> WriteHeaders:
    """A function ``(response, request) -> header lines`` that checks the whole response: after this it can be sent to any server.

    ``content-length`` is set from ``body``, but not to HEAD from an empty one. ``TypeError`` or ``ValueError`` for what is no response to ``request``; the
    text says what came.
    An ordinary response (status, headers, body) is passed at a glance, its headers one by one; an app repeats itself, so some lines are remembered.
    """
    lengths = [(str(length), (b"content-length", b"%d" % length)) for length in range(1024)]
    known: dict[str, dict[str, tuple[bytes, bytes]]] = {name: {} for name in REPEATED}

    def response_headers(response: Any, request: Mapping[str, Any]) -> RawHeaders:
        try:
            status, body, headers = response["status"], response["body"], response["headers"]
            is_ordinary = type(body) is bytes and type(status) is int and status in WITH_BODY and len(response) == 3
        except (KeyError, TypeError):  # a key left out; no response at all
            is_ordinary, body, headers = False, b"", _NO_HEADERS
        if not (is_ordinary and headers.__class__ is dict and response.__class__ is dict):
            return _checked_headers(response, request)
        size = len(body)
        if not size and request.get("method") == "HEAD":
            return _checked_headers(response, request)
        text, length = lengths[size] if size < 1024 else (str(size), (b"content-length", b"%d" % size))
        lines: RawHeaders = []
        for name, value in headers.items():
            if name != "content-length":
                try:
                    lines.append(known[name][value])
                    continue
                except (KeyError, TypeError):  # not seen before, or a list
                    pass
                if not add_lines(lines, name, value):
                    return _checked_headers(response, request)
            elif value != text:
                return _checked_headers(response, request)
        lines.append(length)
        return lines

    def add_lines(lines: RawHeaders, name: Any, value: Any) -> bool:
        """Add a header's lines, and remember one that may come again. Not where it must be seen beside the others: its other spellings may be among them."""
        if not isinstance(name, str) or not name.islower() or name in FRAMING:
            return False
        lines += format_headers({name: value})
        if name in known and value.__class__ is str and len(value) <= 256 and len(known[name]) < 256:
            known[name][value] = lines[-1]
        return True

    return response_headers


def _checked_headers(response: Any, request: Mapping[str, Any]) -> RawHeaders:
    if not isinstance(response, dict):
        raise TypeError(no_response(response))
    checked = cast("dict[str, Any]", response)
    if is_handshake(checked) and request.get("type") == "http" and request["method"] in ("GET", "HEAD"):
        return event_headers(checked)
    if "status" not in checked:
        raise TypeError(f"a response needs a status, like {{'status': 200}}; got a dict of {sorted(map(str, checked))[:8]}; for JSON there is json(...)")
    status, body = _check_status(checked["status"]), checked.get("body", b"")
    _check_body(body)
    _check_other_keys(checked)
    lines = _without_hop(_format(checked), status, request)
    is_long = "stream" in checked or "file" in checked
    if status in CONTENTLESS and (body or is_long):
        raise ValueError(f"a response with status {status} has no body; leave out body, stream and file")
    values = {value for name, value in lines if name == b"content-length"}
    if len(values) > 1 or not all(map(_LENGTH.fullmatch, values)):
        raise ValueError("header 'content-length': expected one number; leave it out, it is set from the body")
    length = announced = announced_length(lines)
    if status in BODYLESS:
        length = None
    elif not is_long and (body or request["method"] != "HEAD"):  # without a body to HEAD, nobody knows how long GET's is (RFC 9110 8.6)
        length = len(body)
        if announced not in (None, length):
            raise ValueError(f"header 'content-length' says {announced} and the body has {length} bytes; leave the header out, it is set from the body")
    others = [line for line in lines if line[0] != b"content-length"]
    return others if length is None else [*others, (b"content-length", b"%d" % length)]


def no_response(value: object) -> str:
    """What to tell of a handler that returned ``value``, which is no dict.

    >>> no_response("hi")
    "the handler returned str; expected a response dict, like text('hi') or {'status': 200}"
    """
    what = type(value).__name__
    return f"the handler returned {MISTAKEN.get(what, what)}; expected a response dict, like text('hi') or {{'status': 200}}"


def is_handshake(response: Any) -> bool:
    """Whether a WebSocket's handler accepted: status 101 and a conversation under ``websocket``."""
    return isinstance(response, dict) and "websocket" in response and cast("dict[str, Any]", response).get("status") == 101


def handshake_headers(response: Mapping[str, Any]) -> RawHeaders:
    """The header lines that accept a WebSocket: those of a response with status 101, without what describes a body or a connection.

    ``sec-websocket-*`` is the server's to say: ``ValueError``.
    """
    conversation = response["websocket"]
    if not isinstance(conversation, dict) or not cast("dict[str, Any]", conversation).keys() >= CONVERSATION_KEYS:
        raise TypeError(f"a response's websocket must be a dict of {', '.join(sorted(CONVERSATION_KEYS))}; the decorator @websocket makes it")
    if len(response) == 3 and not response.get("headers", True):
        return []  # most of them
    _check_other_keys(response)
    if response.get("body", b"") != b"" or "stream" in response or "file" in response:
        raise ValueError("a response with status 101 has no body; leave out body, stream and file: the conversation yields what is to be sent")
    lines = _format(response)
    for name, _ in lines:
        if name.startswith(b"sec-websocket-"):
            raise ValueError(f"header {name.decode()!r} is the server's to send; a subprotocol is chosen by ws_accept(subprotocol=...)")
    return [line for line in lines if line[0] not in HOP_BY_HOP and line[0] not in (b"content-length", b"content-type")]


def event_headers(response: Mapping[str, Any]) -> RawHeaders:
    """The header lines of a conversation that answers a ``GET`` as a stream of events: those of the handshake, with what such a stream needs."""
    return [*(line for line in handshake_headers(response) if line[0] not in _SAID_FOR_EVENTS), *EVENT_LINES]


def announced_length(lines: RawHeaders) -> int | None:
    """``content-length`` of checked headers."""
    return next((int(value) for name, value in lines if name == b"content-length"), None)


def _without_hop(lines: RawHeaders, status: int, request: Mapping[str, Any]) -> RawHeaders:
    """Without the headers of the connection. Only 426 over HTTP/1 keeps ``upgrade``, which it must say (RFC 9110 7.8, 15.5.22)."""
    if status == 426:
        others = _without_hop([line for line in lines if line[0] not in (b"upgrade", b"connection")], 0, request)
        if request.get("http_version") not in ("1.0", "1.1"):
            return others
        return [*others, *(line for line in lines if line[0] == b"upgrade"), (b"connection", b"upgrade")]
    dropped = {name for name, _ in lines if name in HOP_BY_HOP}
    if dropped:
        log.warning("left out of a response, as they are the server's to say: %s", b", ".join(sorted(dropped)).decode())
    return [line for line in lines if line[0] not in dropped]


def _format(response: Mapping[str, Any]) -> RawHeaders:
    headers = response.get("headers", _NO_HEADERS)
    if not isinstance(headers, Mapping):
        raise TypeError(f"a response's headers must be a dict, got {type(headers).__name__}; several values of one name are a list: {{'set-cookie': [...]}}")
    return format_headers(cast("Mapping[str, str | list[str]]", headers))


def _check_status(status: object) -> int:
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"a response's status must be an int, like 200; got {type(status).__name__}")
    if status == 101:
        raise ValueError("status 101 answers a WebSocket request and needs the key 'websocket'; use @websocket, and the method 'WS' in the route")
    if not 200 <= status <= 599:
        raise ValueError(f"a response's status must be 200 to 599, got {status}")
    return status


def _check_body(body: object) -> None:
    if isinstance(body, str):
        raise TypeError("a response's body must be bytes, got str; make the response with text(...) or encode it")
    if not isinstance(body, bytes):
        raise TypeError(f"a response's body must be bytes, got {type(body).__name__}; for JSON there is json(...)")


def _check_other_keys(response: Mapping[str, Any]) -> None:
    """The rarer keys. Those that are nobody's here are a middleware's own, and allowed."""
    if response.get("cookies"):
        raise ValueError("the response has 'cookies', which nobody turned into set-cookie; put wrap_cookies() into apply_middleware(...)")
    effects: object = response.get("effects", ())
    if not isinstance(effects, (list, tuple)) or not all(isinstance(effect, Mapping) for effect in cast("list[object]", effects)):
        raise TypeError("a response's effects must be a list of dicts, like [publish('orders', order)]")
    if "stream" in response and not hasattr(response["stream"], "__aiter__"):
        raise TypeError(f"a response's stream must be an async iterable of bytes, got {type(response['stream']).__name__}")
    if "file" in response and not isinstance(response["file"], (str, PathLike)):
        raise TypeError(f"a response's file must be a path, got {type(response['file']).__name__}")
    if (bool(response.get("body")), "stream" in response, "file" in response).count(True) > 1:
        raise ValueError("a response has one of body, stream and file; leave out the others")
