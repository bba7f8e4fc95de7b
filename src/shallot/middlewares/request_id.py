"""wrap_request_id: one name for one request, in the request, in the answer and in every record of the log that it causes. It writes no log itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from secrets import token_hex
from typing import Any

from ..compose import middleware_factory
from ..response import with_header
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["log_request_id", "request_id_request", "request_id_response", "wrap_request_id"]

PATTERN = re.compile(r"[A-Za-z0-9_.=\-]{8,128}")
"""What is taken from a header: nothing that could break a line, a header, a URL or a query."""
_NAME = re.compile(r"[a-z0-9\-]+")

_current: ContextVar[str] = ContextVar("shallot.request_id")
"""Of the request that the running task works for. Each server gives a request a task of its own, so it is never taken back: what comes after the
middlewares, a stream, a conversation, the record of its failure, still belongs to the request."""


def request_id_request(request: Any, header: str = "x-request-id", *, trusted: bool = False) -> Any:
    """``request`` with the key ``request_id``: the one in ``header`` if it is ``trusted`` and well-formed, else 128 random bits in hexadecimal.

    >>> request_id_request({"headers": {"x-request-id": "0123456789"}}, trusted=True)["request_id"]
    '0123456789'
    """
    given: str = request["headers"].get(header, "") if trusted else ""
    request["request_id"] = given if PATTERN.fullmatch(given) else token_hex(16)
    return request


def request_id_response(response: Response, request: Mapping[str, Any], header: str = "x-request-id") -> Response:
    """A copy of ``response`` that tells the id of ``request``, or makes one for a request that was refused before it had any.

    >>> request_id_response({"status": 200}, {"request_id": "0123456789"})
    {'status': 200, 'headers': {'x-request-id': '0123456789'}}
    """
    return with_header(response, header, request.get("request_id") or token_hex(16))


def log_request_id(record: logging.LogRecord) -> bool:
    """A filter for handlers of ``logging``: each record has ``request_id`` then, ``"-"`` where it belongs to no request. It keeps all records.

    >>> log_request_id(logging.makeLogRecord({"request_id": "mine"}))
    True
    """
    if not hasattr(record, "request_id"):
        record.request_id = _current.get("-")
    return True


@middleware_factory
def wrap_request_id(*, header: str = "x-request-id", trust: bool | Callable[[Any], bool] = False) -> Middleware:
    """Name each request: in ``request["request_id"]``, in the answer's ``header``, and by ``log_request_id`` in the log. Put it outermost.

    | option | meaning | default |
    |---|---|---|
    | ``header`` | of the answer, and where an id is taken from | ``"x-request-id"`` |
    | ``trust`` | take the id that came in: always, or where ``f(request)`` says so, such as from your own proxy | ``False``: make each anew |

    An id that comes in must be 8 to 128 of ``A-Z a-z 0-9 _ . = -``; any other is replaced. A new one has 128 random bits (32 hexadecimal digits).
    The answers that the app gives by itself (413, 500, ...) tell the id too.

    For ``logging`` add ``log_request_id`` as a filter to a *handler*; its format may then hold ``%(request_id)s``.

    WebSocket: the id stands on the handshake's answer and in every record of the whole conversation.

    >>> wrap_request_id(trust=True).spec["options"]
    {'header': 'x-request-id', 'trust': True}
    """
    if not _NAME.fullmatch(header):
        raise ValueError(f"wrap_request_id: header must be a name in lower case, like 'x-request-id', not {header!r}")
    if not (isinstance(trust, bool) or callable(trust)):
        raise TypeError(f"wrap_request_id: trust must be True, False or a function of the request, not {trust!r}")
    is_trusted: Callable[[Any], bool] = trust if callable(trust) else lambda request: trust

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def request_id(handler: Handler, request: Any) -> Response:
            _current.set(request_id_request(request, header, trusted=is_trusted(request))["request_id"])
            return request_id_response(await next_middleware(handler, request), request, header)

        return request_id

    def on_refusal(response: Response, request: Any) -> Response:
        return request_id_response(response, request, header)

    setattr(middleware, "on_refusal", on_refusal)  # noqa: B010  # a function has no typed attributes
    return middleware
