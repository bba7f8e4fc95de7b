"""wrap_body_limit: a lower bound for the bodies of some routes. What the app itself allows it cannot raise: the body was read before it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from ..body import declared_length
from ..codec.routes import check_seen, rows_of
from ..compose import middleware_factory
from ..errors import BodyTooLarge
from ..types import Handler, Middleware, NextMiddleware, Response, Spec

__all__ = ["body_limit_request", "wrap_body_limit"]


def body_limit_request(request: Any, max_bytes: int | None) -> Any:
    """``request``, or ``BodyTooLarge`` (413) where its body is longer than ``max_bytes``, or than the ``max_body_bytes`` of its row. A streamed one is
    counted while it is read, and raises ``BodyTooLarge`` then.

    >>> body_limit_request({"body": b"12345"}, 4)
    Traceback (most recent call last):
    ...
    shallot.errors.BodyTooLarge: a body of 5 bytes; the bound here is 4
    """
    bound = _lowest(max_bytes, request.get("route", {}).get("data", {}).get("max_body_bytes"))
    if bound is None:
        return request
    size = max(len(request.get("body", b"")), declared_length(request.get("headers", {})) or 0)
    if size > bound:
        raise BodyTooLarge(f"a body of {size} bytes; the bound here is {bound}")
    if "stream" in request:
        request["stream"] = _Counted(request["stream"], bound)
    return request


def _lowest(option: int | None, row: object) -> int | None:
    if row is None:
        return option
    _check("wrap_body_limit: a row's max_body_bytes", row)
    bound: Any = row
    return int(bound) if option is None else min(option, bound)


def _check(what: str, bound: object) -> None:
    if isinstance(bound, bool) or not isinstance(bound, int) or bound < 0:
        raise ValueError(f"{what} must be a whole number of bytes, not {bound!r}")


class _Counted(AsyncIterator[bytes]):
    """A request's stream with a lower bound."""

    def __init__(self, stream: AsyncIterator[bytes], bound: int) -> None:
        self._stream = stream
        self._bound = bound
        self._size = 0

    async def __anext__(self) -> bytes:
        chunk = await anext(self._stream)
        self._size += len(chunk)
        if self._size > self._bound:
            raise BodyTooLarge(f"a body of more than {self._bound} bytes")
        return chunk


@middleware_factory
def wrap_body_limit(*, max_bytes: int | None = None) -> Middleware:
    """Answer a body of more than ``max_bytes`` with 413 (``errors.BodyTooLarge``). It only lowers what the app allows with ``body_bytes`` and ``stream_bytes``.

    | option | meaning | default |
    |---|---|---|
    | ``max_bytes`` | the longest body | none: only what rows say |

    A row's data may hold ``max_body_bytes``, where this stands inside ``wrap_routes`` (outside of it such rows are a ``ValueError``); the lower of both
    holds. A declared ``content-length`` is refused
    at once; a streamed body is counted while the handler reads it, which then meets ``BodyTooLarge``.

    WebSocket: it has no body; nothing happens (messages have ``max_message_bytes``).

    >>> wrap_body_limit(max_bytes=65536).spec
    {'name': 'wrap_body_limit', 'options': {'max_bytes': 65536}}
    """
    if max_bytes is not None:
        _check("wrap_body_limit: max_bytes", max_bytes)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def body_limit(handler: Handler, request: Any) -> Response:
            return await next_middleware(handler, body_limit_request(request, max_bytes))

        return body_limit

    def on_composed(outside: Sequence[Spec], inside: Sequence[Spec]) -> None:
        for row in rows_of(outside):
            if (bound := row.data.get("max_body_bytes")) is not None:
                _check(f"wrap_body_limit: max_body_bytes of the row {row.path!r}", bound)
        check_seen(inside, "wrap_body_limit", "max_body_bytes")

    setattr(middleware, "on_composed", on_composed)  # noqa: B010  # a function has no typed attributes
    return middleware
