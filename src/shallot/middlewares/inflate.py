"""wrap_inflate: compressed bodies, for those who want them. Without it they are 415 wherever a body is read."""

from __future__ import annotations

import asyncio
from typing import Any

from ..codec.inflate import inflate
from ..compose import middleware_factory
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["inflate_request", "wrap_inflate"]


def inflate_request(request: Any, max_bytes: int = 1024 * 1024, max_ratio: int = 100) -> Any:
    """``request`` with its ``body`` inflated, and ``headers`` without ``content-encoding`` and with the new length. Errors as in ``codec.inflate.inflate``."""
    headers, body = request.get("headers", {}), request.get("body")
    if body and "content-encoding" in headers:
        inflated = inflate(body, headers["content-encoding"], max_bytes=max_bytes, max_ratio=max_ratio)
        others = {name: value for name, value in headers.items() if name != "content-encoding"}
        request["body"] = inflated
        request["headers"] = {**others, "content-length": str(len(inflated))}
    return request


@middleware_factory
def wrap_inflate(*, max_bytes: int = 1024 * 1024, max_ratio: int = 100) -> Middleware:
    """Inflate a body with ``content-encoding: gzip`` or ``deflate`` (RFC 9110 8.4), so that those inside see it as if it had come plain.

    | option | meaning | default |
    |---|---|---|
    | ``max_bytes`` | of the inflated body | 1 MiB |
    | ``max_ratio`` | inflated to compressed length | 100 |

    Beyond either is 413, without ever holding more; what is broken, ends early or has something behind its end is 400; other codings, and two at once, are 415.
    It works in a thread. A streamed body stays as it is, and who reads it (``wrap_multipart``) answers 415. Put it outside all that read bodies.

    WebSocket: it has no body; nothing happens.

    >>> wrap_inflate(max_ratio=20).spec
    {'name': 'wrap_inflate', 'options': {'max_bytes': 1048576, 'max_ratio': 20}}
    """
    for name, bound in {"max_bytes": max_bytes, "max_ratio": max_ratio}.items():
        if isinstance(bound, bool) or not isinstance(bound, int) or bound < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever has no checker
            raise ValueError(f"wrap_inflate: {name} must be a whole number from 1 on, not {bound!r}")

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def inflated(handler: Handler, request: Any) -> Response:
            if request.get("body") and "content-encoding" in request.get("headers", {}):
                await request.get("run_in_thread", asyncio.to_thread)(inflate_request, request, max_bytes, max_ratio)
            return await next_middleware(handler, request)

        return inflated

    return middleware
