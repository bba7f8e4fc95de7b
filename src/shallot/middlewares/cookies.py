"""wrap_cookies: cookies as dicts, both ways."""

from __future__ import annotations

from typing import Any, TypeVar

from ..codec.cookies import format_cookie, parse_cookies
from ..codec.headers import find_header, with_header
from ..compose import middleware_factory
from ..types import Connection, Handler, Middleware, NextMiddleware, Response

__all__ = ["cookies_request", "cookies_response", "wrap_cookies"]

C = TypeVar("C", bound=Connection)


def cookies_request(request: C) -> C:
    """``request`` with the key ``cookies``: values by name, as ``codec.cookies.parse_cookies`` reads them. One that it has already stays.

    >>> cookies_request({"headers": {"cookie": "a=1; b=2"}})["cookies"]
    {'a': '1', 'b': '2'}
    """
    if "cookies" not in request:
        given: Connection = request
        header = given.get("headers", {}).get("cookie")
        request["cookies"] = parse_cookies(header) if header else {}
    return request


def cookies_response(response: Response) -> Response:
    """``response``, or a copy whose ``cookies`` have become ``set-cookie`` headers behind those that it had. Errors as in ``codec.cookies.format_cookie``.

    >>> cookies_response({"status": 200, "cookies": {"seen": {"value": 1}}})
    {'status': 200, 'headers': {'set-cookie': ['seen=1']}}
    """
    if "cookies" not in response:
        return response
    answer = response.copy()
    cookies = answer.pop("cookies")
    if cookies:
        headers = response.get("headers") or {}
        given = find_header(headers, "set-cookie") or []
        lines = [*([given] if isinstance(given, str) else given), *(format_cookie(name, attributes) for name, attributes in cookies.items())]
        answer["headers"] = with_header(headers, "set-cookie", lines)
    return answer


@middleware_factory
def wrap_cookies() -> Middleware:
    """Put the request's cookies under ``request["cookies"]`` (``{}`` without any) and send those under the response's ``cookies`` (RFC 6265bis).

    A response's ``cookies`` is a dict: name -> ``{"value": ..., "path": ..., "max-age": ..., "httponly": True, ...}`` as in ``codec.cookies.format_cookie``,
    or ``None``, which deletes the cookie. Any text may be a value: it is percent-encoded, and decoded when it comes back. A ``set-cookie`` header stays.

    WebSocket: the same; cookies travel with the handshake's answer, accepted or denied.

    >>> wrap_cookies().spec
    {'name': 'wrap_cookies', 'options': {}}
    """

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def cookies(handler: Handler, request: Any) -> Response:
            return cookies_response(await next_middleware(handler, cookies_request(request)))

        return cookies

    return middleware
