"""ASGI scope -> request dict. What a server must not be trusted with is checked here, once, before any middleware sees it. Nothing waits or logs here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .codec.headers import COMMON_NAMES, parse_headers
from .codec.hosts import is_host
from .errors import BadRequest, HeadersTooLarge, UriTooLong
from .stages import Course
from .types import AllLimits, Handler, RunInThread, Scope

__all__ = ["HttpCourse", "refused_request", "request_reader"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SINGLE = frozenset(
    """authorization content-length content-type host if-match if-modified-since if-none-match if-range if-unmodified-since origin range""".split()
)
"""Headers that may stand once: of two, each reader might believe another one."""
SILENT_VERSIONS = frozenset({"1", "1.0", "1.1"})
"""Where a request without ``content-length`` and ``transfer-encoding`` has no body (RFC 9112 6.3); HTTP/2 and 3 frame it without either.
Granian calls 1.0 "1"."""

MAX_NAME_BYTES = 64
MAX_NAMES = 1024
"""Of the names of headers that an app remembers: longest, and most."""

ReadRequest = Callable[[Scope, Mapping[str, Any]], tuple[dict[str, Any], bool]]

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Z]{1,64}")
_NOT_IN_PATH = re.compile("[\x00-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")


class HttpCourse(Course):
    """How far a request has come: in which stage, as which request dict, and with which response, once there is one."""

    request: Any = None
    response: Any = None

    async def answer(self, handler: Handler) -> None:
        """Ask ``handler``. What this returns is ``None``, so that its first step can be taken without an exception."""
        self.response = await handler(self.request)

    def late(self) -> None:
        """``overdue`` is for the layers that see the cancellation: the app answers it with 503, as it answers no other."""
        if self.request is not None:
            self.request["overdue"] = True


def request_reader(limits: AllLimits, run_in_thread: RunInThread) -> ReadRequest:
    """A function ``(scope, config) -> (request, may_have_body)`` that checks the scope and never changes it. ``body`` is ``b""`` until it was read.

    ``BadRequest`` (400), ``UriTooLong`` (414) or ``HeadersTooLarge`` (431) for what no handler should see. The checks are ordered so that
    an ordinary request costs as little as can be; whatever looks unusual is looked at closely.
    """
    max_lines, max_bytes, max_query = limits["header_lines"], limits["header_bytes"], limits["query_bytes"]
    safe_bytes = max_bytes - max_lines * MAX_NAME_BYTES  # so many in the values are within the bound, whatever the names are
    names = dict(COMMON_NAMES)  # and what else this app's clients send, up to a bound
    hosts: set[str | None] = set()  # those found well-formed: clients name few, and an attacker's are kept up to a bound

    def check_host(host: str | None, version: str | None) -> None:
        if (host is None and version != "1.1") or (host == "" and version in ("1", "1.0")):  # granian shows an old client's missing host as ""
            return
        if host is None:
            raise BadRequest("no host header (RFC 9112 3.2)")
        if not is_host(host):
            raise BadRequest("malformed host header (RFC 9110 7.2)")
        if len(hosts) < 256:
            hosts.add(host)

    def look_closely(lines: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
        headers = parse_headers(lines)
        if sum(map(len, headers)) + sum(map(len, headers.values())) > max_bytes:
            raise HeadersTooLarge(f"more than {max_bytes} bytes of headers")
        if len(headers) < len(lines):
            _check_repeated(lines)
        for name, _ in lines:
            if len(name) <= MAX_NAME_BYTES and len(names) < MAX_NAMES:
                names[name] = name.decode("latin-1").lower()
        return headers

    def request_from_scope(scope: Scope, config: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        lines: Sequence[tuple[bytes, bytes]] = scope["headers"]
        if lines.__class__ is not list:
            lines = list(lines)
        if len(lines) > max_lines:
            raise HeadersTooLarge(f"more than {max_lines} header lines")
        headers: dict[str, str] = {}
        size = 0
        try:
            for name, value in lines:
                headers[names[name]] = value.decode("latin-1")
                size += len(value)
        except KeyError:  # a name that is new here
            size = max_bytes
        if size > safe_bytes or len(headers) < len(lines):
            headers = look_closely(lines)
        if (host := headers.get("host")) not in hosts:
            check_host(host, scope.get("http_version"))
        if "transfer-encoding" in headers:
            may_have_body = True
            if "content-length" in headers:
                raise BadRequest("both content-length and transfer-encoding (RFC 9112 6.3)")
        else:
            may_have_body = "content-length" in headers or scope.get("http_version") not in SILENT_VERSIONS
        if len(scope["query_string"]) > max_query:
            raise UriTooLong(f"a query string of more than {max_query} bytes")
        if scope["type"] == "websocket":
            method = "WS"
        elif (method := scope["method"]) not in METHODS:
            _check_method(method)
        path = scope["path"]
        if not (path.startswith("/") and path.isascii() and path.isprintable()):
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
        return request, may_have_body

    return request_from_scope


def refused_request(scope: Scope) -> dict[str, Any]:
    """What is known of a request that was refused before it was one: the scope with ``method`` and ``headers``, nothing in it checked."""
    return {**scope, "method": "WS" if scope["type"] == "websocket" else scope["method"], "headers": parse_headers(list(scope["headers"]))}


def _check_repeated(lines: Sequence[tuple[bytes, bytes]]) -> None:
    seen: set[str] = set()
    for line in lines:
        name = line[0].decode("latin-1").lower()
        if name in seen and name in SINGLE:
            raise BadRequest(f"more than one {name} header")
        seen.add(name)


def _check_method(method: str) -> None:
    if method == "WS" or not _METHOD.fullmatch(method):  # "WS" is our word for a WebSocket, which no plain request may pretend to be
        raise BadRequest("the method is not an upper-case token (RFC 9110 9.1)")


def _check_path(path: str, method: str) -> None:
    if path[:1] != "/" and (path, method) != ("*", "OPTIONS"):
        raise BadRequest("the path does not begin with a slash (RFC 9112 3.2.1)")
    if _NOT_IN_PATH.search(path):
        raise BadRequest("the path holds control characters or is not UTF-8")
