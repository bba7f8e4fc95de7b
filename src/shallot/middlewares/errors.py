"""wrap_errors: what a handler raises becomes an answer, and one record. Which answer is a table; nothing of an exception reaches the client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from secrets import token_hex
from typing import Any, NamedTuple, TypeAlias, cast

from ..codec.escape import escape_text
from ..codec.headers import find_header, with_vary
from ..codec.json import parse_json
from ..codec.negotiation import best_match
from ..compose import middleware_factory, mismatch
from ..deadline import DeadlinePassed
from ..error_pages import PAGE_POLICY, debug_page, error_page, is_local
from ..errors import ClientDisconnect, ShallotError, Unavailable, real_error
from ..failures import add_cure
from ..repeats import Repeats
from ..response import html, problem, with_header
from ..types import Handler, Middleware, NextMiddleware, Response
from ..validate import no_response

__all__ = ["Errors", "errors_options", "errors_request", "errors_response", "wrap_errors"]

log = logging.getLogger("shallot.errors")

Answer: TypeAlias = int | Callable[[Any, Any], Response]
Page: TypeAlias = Callable[[Mapping[str, Any]], str]

PROBLEM, HTML = "application/problem+json", "text/html"
LAST_RESORT: Response = problem(500)


class Errors(NamedTuple):
    """What ``wrap_errors`` answers, checked: made by ``errors_options``."""

    table: Mapping[type[BaseException], Answer]
    page: Page
    debug: bool
    repeats: Repeats


def errors_options(table: Mapping[type[Exception], Answer] | None = None, *, page: Page = error_page, debug: bool = False) -> Errors:
    """``wrap_errors``'s options as one value, or the ``TypeError`` or ``ValueError`` that says what is wrong with them."""
    rows = cast("Mapping[Any, Any]", table or {})
    for kind, answer in rows.items():
        _check_row(kind, answer)
    if not callable(page) or mismatch(page, "problem"):
        raise TypeError(f"wrap_errors: page must be a function of the problem that gives the text of a page, not {page!r}")
    return Errors(dict(rows), page, debug, Repeats())


def _check_row(kind: Any, answer: Any) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise TypeError(f"wrap_errors: the keys of the table are classes of exceptions, below Exception; not {kind!r}")
    where = f"wrap_errors: the answer to {kind.__name__}"
    if isinstance(answer, int) and not isinstance(answer, bool):
        if not 400 <= answer <= 599:
            raise ValueError(f"{where} must be a status from 400 to 599, or a function; not {answer}")
    elif not callable(answer) or iscoroutinefunction(answer) or mismatch(answer, "error", "request"):
        raise TypeError(f"{where} must be a status, or a plain function of (error, request) that gives a response; not {answer!r}")


def errors_request(error: Exception, request: Mapping[str, Any], options: Errors) -> Response:
    """The answer to an ``error`` that a handler raised on ``request``, and one record: by the table's nearest class, else by what the error itself says.

    >>> errors_request(KeyError("x"), {"method": "GET", "path": "/", "headers": {}}, errors_options({LookupError: 404}))["status"]
    404
    """
    answer = _find(error, options.table)
    if not isinstance(answer, int):
        try:
            response = answer(error, request)
            status = response["status"]
        except Exception:
            _report(error, request, 500, _trace_of(request), options)
            log.exception("the answer to %s failed itself; answered with 500", type(error).__name__)
            return LAST_RESORT
        _report(error, request, status, _trace_of(request), options)
        return response
    trace = _trace_of(request)
    _report(error, request, answer, trace, options)
    answered = problem(answer, trace=trace) if answer >= 500 and not isinstance(error, Unavailable) else problem(answer)
    if options.debug and answer >= 500 and is_local(request) and _prefers_html(request):
        answered = html(debug_page(error, {"status": answer, "trace": trace}), answer)
        answered = with_header(answered, "content-security-policy", PAGE_POLICY)
    return with_header(answered, "cache-control", "no-store")


def errors_response(response: Response, request: Mapping[str, Any], options: Errors) -> Response:
    """``response``, or, of one in ``application/problem+json`` for a client that would rather have HTML, a copy as a page. Not for a WebSocket.

    >>> page = errors_response(problem(404), {"type": "http", "method": "GET", "headers": {"accept": "text/html"}}, errors_options())
    >>> page["headers"]["vary"], page["body"][:15]
    ('accept', b'<!doctype html>')
    """
    headers = response.get("headers") or {}
    if response["status"] < 400 or find_header(headers, "content-type") != PROBLEM or request["type"] == "websocket":
        return response
    varied: Response = {**response, "headers": with_vary(headers, "accept")}
    body = response.get("body")
    if not body or not _prefers_html(request):  # without a body it answers HEAD, as wrap_head leaves it
        return varied
    try:
        told = parse_json(body)
        page = html(options.page({"status": response["status"], **told}), response["status"])
    except Exception:
        log.exception("the page of an error failed itself; it goes out as it is")
        return varied
    paged: Response = {**varied, "body": page.get("body", b"")}
    for name, value in page.get("headers", {}).items():
        paged = with_header(paged, name, value)
    return with_header(paged, "content-security-policy", PAGE_POLICY) if options.page is error_page else paged


@middleware_factory
def wrap_errors(table: Mapping[type[Exception], Answer] | None = None, *, page: Page = error_page, debug: bool = False) -> Middleware:
    """Answer what the layers inside of this one raise, and write one record of it. Put it inside ``wrap_request_id`` and ``wrap_access_log``.

    | option | meaning | default |
    |---|---|---|
    | ``table`` | class of exceptions -> a status, or a plain function ``(error, request) -> response``; the nearest class of an error counts | none |
    | ``page`` | ``f(problem)`` gives the HTML of an error's page; ``problem`` is the dict that others get as JSON | a small page |
    | ``debug`` | show a browser on this machine where a 5xx was raised, with the source | ``False`` |

    Without a row an error of shallot's has its own status (``PeerError`` 4xx, ``Unavailable`` 503), a deadline 503 and all else 500. The answer is
    ``application/problem+json`` (RFC 9457), or a page where ``accept`` likes HTML better. So is every other problem that passes by: the 405 of a table of
    routes, the 413 of the app itself. A 5xx has ``trace``, the request's id or a new one, which stands in the log beside the traceback. Nothing of an
    exception is sent.

    The debug page is for requests from a loopback address, to a loopback name, without a proxy's headers. It shows the lines of source, no values.

    A fault of the client's is one line at DEBUG (``wrap_access_log`` has its record), ``Unavailable`` WARNING, all other 5xx ERROR, with
    traceback the first ten times within a minute from the same line.
    An answer of the table's that fails is logged too, and is a plain 500. A cancellation, and ``ClientDisconnect``, are passed on.

    WebSocket: what ``on_connect`` raises, or a layer before it, becomes the denial, never as HTML. What the conversation raises is the engine's: 1011.

    >>> wrap_errors({KeyError: 200})
    Traceback (most recent call last):
    ...
    ValueError: wrap_errors: the answer to KeyError must be a status from 400 to 599, or a function; not 200
    """
    options = errors_options(table, page=page, debug=debug)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def errors(handler: Handler, request: Any) -> Response:
            try:
                response: Any = await next_middleware(handler, request)
                if not isinstance(response, dict):
                    raise TypeError(no_response(response))
                return errors_response(cast(Response, response), request, options)
            except (Exception, BaseExceptionGroup) as failure:
                error = real_error(failure)
                if not isinstance(error, Exception) or isinstance(error, ClientDisconnect):
                    raise
                return errors_response(errors_request(error, request, options), request, options)

        return errors

    def on_refusal(response: Response, request: Any) -> Response:
        return errors_response(response, request, options)

    setattr(middleware, "on_refusal", on_refusal)  # noqa: B010  # a function has no typed attributes
    return middleware


def _find(error: Exception, table: Mapping[type[BaseException], Answer]) -> Answer:
    for kind in type(error).__mro__:
        if kind in table:
            return table[kind]
    if isinstance(error, ShallotError):
        return error.status
    return 503 if isinstance(error, DeadlinePassed) else 500


def _trace_of(request: Mapping[str, Any]) -> str:
    return request.get("request_id") or token_hex(8)


def _prefers_html(request: Mapping[str, Any]) -> bool:
    return best_match(request["headers"].get("accept"), (PROBLEM, HTML)) == HTML


def _report(error: Exception, request: Mapping[str, Any], status: int, trace: str, options: Errors) -> None:
    where = f'{escape_text(request["method"], 20)} "{escape_text(request["path"])}"'
    if isinstance(error, Unavailable):
        log.warning("%s: %d: %s", where, status, escape_text(str(error)))
    elif status < 500:
        log.debug("%s: %d: %s: %s", where, status, type(error).__name__, escape_text(str(error)))
    elif options.repeats.is_news(error):
        add_cure(error)
        log.error("%s failed with %d [%s]", where, status, trace, exc_info=error, extra={"trace": trace})
    else:
        log.error("%s failed with %d [%s]: %s, as more than ten times within this minute", where, status, trace, type(error).__name__, extra={"trace": trace})
