"""wrap_head: a handler of GET answers HEAD too. What is asked for in between sees GET; what stands outside sees HEAD."""

from __future__ import annotations

from typing import Any

from ..codec.headers import with_header
from ..compose import middleware_factory
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["head_response", "wrap_head"]


def head_response(response: Response) -> Response:
    """A copy of ``response`` to GET as the answer to HEAD (RFC 9110 9.3.2): its headers and length, and no body.

    A ``stream`` or ``file`` stays in it: the core sends nothing of either to HEAD, measures the file, and closes the stream.

    >>> head_response({"status": 200, "headers": {}, "body": b"apple"})
    {'status': 200, 'headers': {'content-length': '5'}, 'body': b''}
    """
    body = response.get("body", b"")
    if not body:
        return response
    return {**response, "headers": with_header(response.get("headers") or {}, "content-length", str(len(body))), "body": b""}


@middleware_factory
def wrap_head() -> Middleware:
    """Let ``HEAD`` be answered by what answers ``GET``: inside, ``request["method"]`` is ``"GET"``; the body of the answer is left out.

    ``wrap_routes`` does so by itself for its rows, and the core sends no body to HEAD in any case: this is for handlers and middlewares of your own
    that ask for the method. No options. It adds no keys.

    WebSocket: untouched.

    >>> wrap_head().spec
    {'name': 'wrap_head', 'options': {}}
    """

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def head(handler: Handler, request: Any) -> Response:
            if request["method"] != "HEAD":
                return await next_middleware(handler, request)
            request["method"] = "GET"
            try:
                return head_response(await next_middleware(handler, request))
            finally:
                request["method"] = "HEAD"

        return head

    return middleware
