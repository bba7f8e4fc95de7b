"""wrap_timeout: a handler has so many seconds until its response. It knows nothing of what the handler does with them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..codec.escape import escape_text
from ..codec.routes import check_seen, rows_of
from ..compose import middleware_factory
from ..deadline import DeadlinePassed, within
from ..response import problem
from ..types import Handler, Middleware, NextMiddleware, Response, Spec

__all__ = ["timeout_of", "timeout_response", "wrap_timeout"]

log = logging.getLogger("shallot.timeout")

STATUSES = (503, 504)


def timeout_of(request: Mapping[str, Any], default: float | None) -> float | None:
    """The seconds that ``request`` has: ``timeout_s`` of its row's data, else ``default``; ``None``: no limit.

    >>> timeout_of({"route": {"data": {"timeout_s": 2}}}, 10)
    2
    """
    if "route" in request and "timeout_s" in request["route"]["data"]:
        own: float | None = request["route"]["data"]["timeout_s"]
        _check_seconds("the row's timeout_s", own)
        return own
    return default


def timeout_response(request: Mapping[str, Any], status: int = 503) -> Response:
    """The answer where time is up: ``status`` as problem+json."""
    return problem(status)


@middleware_factory
def wrap_timeout(seconds: float | None = 10, *, status: int = 503) -> Middleware:
    """Cancel what takes longer than ``seconds`` until its response, and answer ``status``; one WARNING is logged. Inside of ``wrap_routes`` rows count too.

    | option | meaning | default |
    |---|---|---|
    | ``seconds`` | for all that is inside of this middleware; ``None``: only where a row says so | 10 |
    | ``status`` | 503, or 504 in a gateway, whose time went by elsewhere (RFC 9110 15.6.5) | 503 |

    Reads ``timeout_s`` of a row's data: seconds, or ``None`` for no limit. Rows that say it where this stands outside of ``wrap_routes`` are a
    ``ValueError``. The app's own limit ``response_s`` (60) still holds around it.
    It bounds the time until the response, not its stream. What is cancelled may clean up (``finally``), for which nothing waits longer than it takes; a plain
    ``def`` handler goes on in its thread, unheard. A cancellation that comes from outside is passed on.

    WebSocket: bounds the handshake, ``on_connect`` included; the denial has ``status``. A conversation has its own limits (``idle_s``).

    >>> wrap_timeout(0)
    Traceback (most recent call last):
    ...
    ValueError: wrap_timeout: seconds must be above zero, or None for no limit; not 0
    """
    _check_seconds("seconds", seconds)
    if status not in STATUSES:
        raise ValueError(f"wrap_timeout: status must be 503 or 504, not {status!r}")

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def proceed(handler: Handler, request: Any) -> Response:
            return await next_middleware(handler, request)

        async def timeout(handler: Handler, request: Any) -> Response:
            own = timeout_of(request, seconds)
            if own is None:
                return await next_middleware(handler, request)
            try:
                return await within(own, proceed(handler, request))
            except DeadlinePassed:
                log.warning('%s "%s": no response within %s s', escape_text(request["method"], 20), escape_text(request["path"]), own)
                return timeout_response(request, status)

        return timeout

    def on_composed(outside: Sequence[Spec], inside: Sequence[Spec]) -> None:
        for row in rows_of(outside):
            _check_seconds(f"timeout_s of the row {row.path!r}", row.data.get("timeout_s"))
        check_seen(inside, "wrap_timeout", "timeout_s")

    setattr(middleware, "on_composed", on_composed)  # noqa: B010  # a function has no typed attributes
    return middleware


def _check_seconds(option: str, seconds: Any) -> None:
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"wrap_timeout: {option} must be a number, or None for no limit; not {seconds!r}")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"wrap_timeout: {option} must be above zero, or None for no limit; not {seconds!r}")
