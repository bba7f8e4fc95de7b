"""ASGI scope -> request dict; response dict -> the headers of its start event. Nothing here waits or sends.

What a server must not be trusted with is checked here, once per request and before any middleware sees it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

from .codec.headers import format_headers, parse_headers
from .codec.hosts import is_host
from .errors import BadRequest, HeadersTooLarge, UriTooLong
from .types import Limits, RunInThread, Scope

__all__ = ["announced_length", "declared_length", "handshake_headers", "is_handshake", "may_have_body", "request_reader", "response_headers"]

log = logging.getLogger("shallot")

RawHeaders = list[tuple[bytes, bytes]]
ReadRequest = Callable[[Scope, Mapping[str, Any]], dict[str, Any]]

# ---- scope -> request

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SINGLE = frozenset(
    """authorization content-length content-type host if-match if-modified-since if-none-match if-range if-unmodified-since origin range""".split()
)
"""Header names that may stand once: two of them and two readers would each believe another one."""
NO_BODY_VERSIONS = frozenset({"1.0", "1.1"})
"""Where a body announces itself (RFC 9112 6.3); HTTP/2 and 3 frame it without a header."""

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Z]{1,64}")
_NOT_IN_PATH = re.compile("[\x00-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")
_LENGTH = re.compile(r"[0-9]{1,19}")


class _Names(NamedTuple):
    """What the names of a request's header lines tell, whatever the values are."""

    size: int
    plain: tuple[str, ...] | None
    """The keys of the request's ``headers``, where the lines are in lower case and each stands once."""
    fault: str | None


def request_reader(limits: Limits, run_in_thread: RunInThread) -> ReadRequest:
    """A function ``(scope, config) -> request`` that checks the scope and never changes it; ``body`` is ``b""`` until it was read.

    ``BadRequest`` (400), ``UriTooLong`` (414) or ``HeadersTooLarge`` (431) for what no handler should see. Clients send the same
    names of headers again and again, so what the names tell is remembered: a few hundred tuples of at most 1 KiB.
    """
    max_lines, max_bytes, max_query = limits["header_lines"], limits["header_bytes"], limits["query_bytes"]
    remembered: dict[tuple[bytes, ...], _Names] = {}
    hosts: set[str | None] = set()

    def remember(names: tuple[bytes, ...]) -> _Names:
        facts = _read_names(names)
        if facts.size <= 1024:
            if len(remembered) >= 256:
                remembered.clear()
            remembered[names] = facts
        return facts

    def check_host(host: str | None, scope: Scope) -> None:
        if host is None:
            if scope.get("http_version") == "1.1":
                raise BadRequest("no host header (RFC 9112 3.2)")
        elif not is_host(host):
            raise BadRequest("malformed host header (RFC 9110 7.2)")
        elif len(hosts) < 256:
            hosts.add(host)

    def request_from_scope(scope: Scope, config: Mapping[str, Any]) -> dict[str, Any]:
        lines: Sequence[tuple[bytes, bytes]] = scope["headers"]
        if lines.__class__ is not list:
            lines = list(lines)
        if len(lines) > max_lines:
            raise HeadersTooLarge(f"more than {max_lines} header lines")
        names, values = zip(*lines, strict=True) if lines else ((), ())
        facts = remembered.get(names) or remember(names)
        text = b"\n".join(values)
        if facts.size + len(text) > max_bytes:
            raise HeadersTooLarge(f"more than {max_bytes} bytes of headers")
        if facts.fault is not None:
            raise BadRequest(facts.fault)
        parts = text.decode("latin-1").split("\n")
        headers = dict(zip(facts.plain, parts, strict=True)) if facts.plain and len(parts) == len(lines) else parse_headers(lines)
        if (host := headers.get("host")) not in hosts:
            check_host(host, scope)
        if len(scope["query_string"]) > max_query:
            raise UriTooLong(f"a query string of more than {max_query} bytes")
        if scope["type"] == "websocket":
            method = "WS"
        elif (method := scope["method"]) not in METHODS:
            _check_method(method)
        path = scope["path"]
        if path[:1] != "/" or not (path.isascii() and path.isprintable()):
            _check_path(path, method)
        request = dict(scope)
        request["method"] = method
        request["headers"] = headers
        request["headers_list"] = lines
        request["body"] = b""
        request["config"] = config
        request["run_in_thread"] = run_in_thread
        if "path_params" in request or "route" in request:  # an outer framework's, which mounted us
            request.pop("path_params", None)
            request.pop("route", None)
        return request

    return request_from_scope


def _read_names(names: tuple[bytes, ...]) -> _Names:
    keys = tuple(name.decode("latin-1").lower() for name in names)
    size = sum(map(len, names))
    once = set(keys)
    if len(once) < len(keys) and (twice := next((name for name in SINGLE if keys.count(name) > 1), None)):
        return _Names(size, None, f"more than one {twice} header")
    if {"content-length", "transfer-encoding"} <= once:
        return _Names(size, None, "both content-length and transfer-encoding (RFC 9112 6.3)")
    return _Names(size, keys if len(once) == len(keys) else None, None)


def _check_method(method: str) -> None:
    if method == "WS" or not _METHOD.fullmatch(method):  # "WS" is our word for a WebSocket, which no plain request may pretend to be
        raise BadRequest("the method is not an upper-case token (RFC 9110 9.1)")


def _check_path(path: str, method: str) -> None:
    if path[:1] != "/" and (path, method) != ("*", "OPTIONS"):
        raise BadRequest("the path does not begin with a slash (RFC 9112 3.2.1)")
    if _NOT_IN_PATH.search(path):
        raise BadRequest("the path holds control characters or is not UTF-8")


def may_have_body(request: Mapping[str, Any]) -> bool:
    """Whether there may be a body to wait for. An HTTP/1 request announces it; without word nothing is read."""
    headers = request["headers"]
    return "content-length" in headers or "transfer-encoding" in headers or request.get("http_version") not in NO_BODY_VERSIONS


def declared_length(headers: Mapping[str, str]) -> int | None:
    """``content-length`` as a number, ``None`` where there is none; ``BadRequest`` unless it is at most 19 ASCII digits."""
    length = headers.get("content-length")
    if length is None:
        return None
    if not _LENGTH.fullmatch(length):
        raise BadRequest("content-length is not a number (RFC 9110 8.6)")
    return int(length)


# ---- response -> headers

HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
"""What belongs to one connection (RFC 9110 7.6.1): the server's to say, and forbidden over HTTP/2."""
BODYLESS = frozenset({204, 304})
"""No content follows them (RFC 9110 15.3.5, 15.4.5)."""

CONVERSATION_KEYS = frozenset({"handler", "hooks", "limits", "params", "subprotocol", "taps"})

_SPECIAL = HOP_BY_HOP | {b"content-length"}
_COMMON_KEYS = frozenset({"status", "headers", "body"})
_LENGTHS = tuple((b"content-length", b"%d" % length) for length in range(1024))


def response_headers(response: Any, method: str) -> RawHeaders:
    """The header lines of the event that starts ``response``, which is checked whole: after this it can be sent to any server.

    ``content-length`` is set from ``body``. ``TypeError`` or ``ValueError`` for what is no response to ``method``; the text says what came.
    """
    if not isinstance(response, dict):
        raise TypeError(f"the handler returned {type(response).__name__}; expected a response dict, like text('hi') or {{'status': 200}}")
    status = response.get("status")
    if status.__class__ is not int or not 200 <= status <= 599:
        _check_status(status)
    headers = format_headers(response["headers"]) if "headers" in response else []
    if not _COMMON_KEYS.issuperset(response):
        _check_other_keys(response)
    body = response.get("body", b"")
    if body.__class__ is not bytes:
        _check_body(body)
    length = None if "stream" in response or "file" in response else len(body)
    if status in BODYLESS:
        if length != 0:
            raise ValueError(f"a response with status {status} has no body; leave out body, stream and file")
        return [line for line in _one_hop_less(headers, status) if line[0] != b"content-length"]
    given = False
    for name, value in headers:
        if name in _SPECIAL:
            if name != b"content-length" or given or length is None or value != b"%d" % length:
                return _settle(headers, status, length, method)
            given = True
    if length is not None and not given:
        headers.append(_LENGTHS[length] if length < 1024 else (b"content-length", b"%d" % length))
    return headers


def handshake_headers(response: Mapping[str, Any]) -> RawHeaders:
    """The header lines that accept a WebSocket: those of a response with status 101, without what describes a body.

    ``sec-websocket-*`` is the server's to say: ``ValueError``.
    """
    headers = format_headers(response.get("headers", {}))
    _check_other_keys(response)
    conversation = response["websocket"]
    if not isinstance(conversation, Mapping) or not CONVERSATION_KEYS <= conversation.keys():
        raise TypeError(f"a response's websocket must be a dict of {', '.join(sorted(CONVERSATION_KEYS))}; the decorator @websocket makes it")
    if response.get("body", b"") != b"" or "stream" in response or "file" in response:
        raise ValueError("a response with status 101 has no body; leave out body, stream and file, and yield from the conversation instead")
    for name, _ in headers:
        if name.startswith(b"sec-websocket-"):
            raise ValueError(f"header {name.decode()!r} is the server's to send; a subprotocol is chosen by ws_accept(subprotocol=...)")
    return [line for line in headers if line[0] not in _SPECIAL and line[0] != b"content-type"]


def is_handshake(response: Any) -> bool:
    """Whether a WebSocket's handler accepted: status 101 and a conversation under ``websocket``."""
    return isinstance(response, dict) and response.get("status") == 101 and "websocket" in response


def announced_length(headers: RawHeaders) -> int | None:
    """``content-length`` of checked headers."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)


def _settle(headers: RawHeaders, status: int, length: int | None, method: str) -> RawHeaders:
    """Headers that say something about the connection or the length, each read with care."""
    kept = _one_hop_less(headers, status)
    values = {value for name, value in kept if name == b"content-length"}
    if not values:
        return kept if length is None else [*kept, (b"content-length", b"%d" % length)]
    value = values.pop()
    if values or not _LENGTH.fullmatch(value.decode("latin-1")):
        raise ValueError("header 'content-length': expected one number; leave it out, it is set from the body")
    if length is not None and int(value) != length and not (method == "HEAD" and length == 0):
        raise ValueError(f"header 'content-length' says {int(value)} and the body has {length} bytes; leave the header out, it is set from the body")
    return [*(line for line in kept if line[0] != b"content-length"), (b"content-length", b"%d" % int(value))]


def _one_hop_less(headers: RawHeaders, status: int) -> RawHeaders:
    """Without the headers of the connection; 426 must say ``upgrade`` (RFC 9110 15.5.22)."""
    dropped = sorted({name.decode() for name, _ in headers if name in HOP_BY_HOP and (name, status) != (b"upgrade", 426)})
    if not dropped:
        return headers
    log.warning("left out of a response, as the server says it: %s", ", ".join(dropped))
    return [line for line in headers if line[0].decode() not in dropped]


def _check_status(status: Any) -> None:
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"a response's status must be an int, like 200; got {type(status).__name__}")
    if status == 101:
        raise ValueError("status 101 is for a WebSocket request and needs the key 'websocket'; decorate the handler with @websocket and route it with the method 'WS'")
    if not 200 <= status <= 599:
        raise ValueError(f"a response's status must be 200 to 599, got {status}")


def _check_body(body: object) -> None:
    if isinstance(body, str):
        raise TypeError("a response's body must be bytes, got str; make the response with text(...) or encode it")
    if not isinstance(body, bytes):
        raise TypeError(f"a response's body must be bytes, got {type(body).__name__}; for JSON there is json(...)")


def _check_other_keys(response: Mapping[str, Any]) -> None:
    """The rarer keys. Those that are nobody's here are a middleware's own, and allowed."""
    if response.get("cookies"):
        raise ValueError("the response has 'cookies', which nobody turned into set-cookie; put wrap_cookies() into apply_middleware(...)")
    effects = response.get("effects", ())
    if not isinstance(effects, (list, tuple)) or not all(isinstance(effect, Mapping) for effect in effects):
        raise TypeError("a response's effects must be a list of dicts, like [publish('orders', order)]")
    if "stream" in response and not hasattr(response["stream"], "__aiter__"):
        raise TypeError(f"a response's stream must be an async iterable of bytes, got {type(response['stream']).__name__}")
    if "file" in response and not isinstance(response["file"], (str, PathLike)):
        raise TypeError(f"a response's file must be a path, got {type(response['file']).__name__}")
    if (bool(response.get("body")), "stream" in response, "file" in response).count(True) > 1:
        raise ValueError("a response has one of body, stream and file; leave out the others")
