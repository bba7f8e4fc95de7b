"""wrap_access_log: one record per request, and one per conversation. It knows what may stand in a log and what never does."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import partial
from time import perf_counter
from typing import Any

from ..codec.escape import escape_text
from ..compose import middleware_factory
from ..outcomes import Outcome, outcome_of_error, with_outcome
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["access_fields", "format_access", "wrap_access_log"]

SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-csrf-token", "sec-websocket-protocol"})
"""Headers that are never logged: whoever reads the log could act as the user. (Some clients send their token as a subprotocol.)"""
FAILED_CODE = 1011


def access_fields(request: Mapping[str, Any], outcome: Outcome, headers: Collection[str] = ()) -> dict[str, Any]:
    """What the record of a request or a conversation holds, as a dict. All that a client chose is escaped and cut to 200 characters.

    >>> from ..types import Close
    >>> access_fields({"method": "GET", "path": "/a\\n", "client": ("203.0.113.7", 50000)}, Outcome(200, 0.0124, 0, 2))
    {'method': 'GET', 'path': '/a\\\\x0a', 'status': 200, 'ms': 12.4, 'bytes_in': 0, 'bytes_out': 2, 'client': '203.0.113.7'}
    """
    fields: dict[str, Any] = {
        "method": escape_text(request["method"], 20),
        "path": escape_text(request["path"]),
        "status": outcome.status,
        "ms": round(outcome.seconds * 1000, 1),
        "bytes_in": outcome.bytes_in,
        "bytes_out": outcome.bytes_out,
    }
    if client := request.get("client"):
        fields["client"] = escape_text(str(client[0]))
    if request_id := request.get("request_id"):
        fields["request_id"] = request_id
    if "route" in request:
        fields["route"] = request["route"]["path"]
    if outcome.close is not None:
        fields |= {"messages_in": outcome.messages_in, "messages_out": outcome.messages_out, "code": outcome.close["code"], "by": outcome.close["by"]}
    if not outcome.is_whole:
        fields["cut"] = True
    if chosen := {name: escape_text(request["headers"][name]) for name in headers if name in request["headers"]}:
        fields["headers"] = chosen
    return fields


def format_access(fields: Mapping[str, Any]) -> str:
    """The line of a record.

    >>> format_access({"method": "GET", "path": "/", "status": 200, "ms": 1.2, "bytes_in": 0, "bytes_out": 2, "client": "203.0.113.7"})
    '203.0.113.7 GET "/" 200 2B 1.2ms'
    """
    opening = f'{fields.get("client", "-")} {fields["method"]} "{fields["path"]}"'
    if "code" in fields:
        messages = f"in {fields['messages_in']}/{fields['bytes_in']}B out {fields['messages_out']}/{fields['bytes_out']}B"
        return f"{opening} closed {fields['code']} by {fields['by']} {messages} {fields['ms']}ms"
    size = "-" if fields["bytes_out"] is None else f"{fields['bytes_out']}B"
    cut = " cut" if "cut" in fields else ""
    return f"{opening} {fields['status'] or '-'} {size}{cut} {fields['ms']}ms"


@middleware_factory
def wrap_access_log(*, headers: Collection[str] = (), logger: str = "shallot.access") -> Middleware:
    """Write one record per request, when its response is over, and one per conversation, when that is. Put it outside of ``wrap_errors``.

    | option | meaning | default |
    |---|---|---|
    | ``headers`` | request headers that are logged, escaped and cut, such as ``["user-agent"]``; those that carry secrets are refused | none |
    | ``logger`` | the name of the logger | ``"shallot.access"`` |

    A record is a line, and has ``record.access``, the same as a dict: ``method``, ``path``, ``status``, ``ms``, ``bytes_in``, ``bytes_out``, ``client``,
    ``request_id``, ``route``; of a conversation also ``messages_in``, ``messages_out``, ``code`` and ``by``; ``cut`` where a stream did not end whole.
    A status of 500 and more, and a conversation that failed (1011), is ERROR, all else INFO. Where nobody was answered, ``status`` is ``None``.

    Never in it: the query, cookies, credentials, bodies, messages, the reason of a close. What the client chose is escaped (CVE-2020-7694).

    The bytes are those of the body as this middleware sees it; of a file the server sends, none may be known. A stream is recorded at its end, so
    ``ms`` is all of its life. What the app refuses before any middleware sees it has its own record in ``shallot``.

    WebSocket: a denial is recorded like a response; an accepted one at its end, through a tap.

    >>> wrap_access_log(headers=["cookie"])
    Traceback (most recent call last):
    ...
    ValueError: wrap_access_log: the header 'cookie' carries secrets, which do not belong in a log; leave it out
    """
    if isinstance(headers, str):
        raise TypeError(f"wrap_access_log: headers must be a collection of names, not the str {headers!r}; write [{headers!r}]")
    for name in headers:
        if name != name.lower():
            raise ValueError(f"wrap_access_log: headers are named in lower case, not {name!r}")
        if name in SECRET:
            raise ValueError(f"wrap_access_log: the header {name!r} carries secrets, which do not belong in a log; leave it out")
    log = logging.getLogger(logger)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def access_log(handler: Handler, request: Any) -> Response:
            began = perf_counter()
            try:
                response = await next_middleware(handler, request)
            except BaseException as error:
                _write(log, request, headers, outcome_of_error(error, request, began))
                raise
            return with_outcome(response, request, began, partial(_write, log, request, headers))

        return access_log

    return middleware


def _write(log: logging.Logger, request: Mapping[str, Any], headers: Collection[str], outcome: Outcome) -> None:
    failed = (outcome.status or 0) >= 500 or (outcome.close is not None and outcome.close["code"] == FAILED_CODE and outcome.close["by"] == "server")
    level = logging.ERROR if failed else logging.INFO
    if log.isEnabledFor(level):
        fields = access_fields(request, outcome, headers)
        known = {"request_id": fields["request_id"]} if "request_id" in fields else {}
        log.log(level, "%s", format_access(fields), extra={"access": fields, **known})
