"""wrap_not_modified: a client that has the answer already is told so, and gets no body. It knows tags and dates, and of no answer what it means."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, cast

from ..codec.conditional import check_preconditions
from ..codec.dates import parse_date
from ..codec.headers import find_header, with_header
from ..compose import middleware_factory
from ..response import problem, respond_not_modified
from ..types import Handler, Middleware, NextMiddleware, Response, RunInThread

__all__ = ["not_modified_response", "with_etag", "wrap_not_modified"]

_SAFE = ("GET", "HEAD")
_IN_THREAD_BYTES = 262_144
_BODY_KEYS = {"body", "stream", "file"}
_OF_THE_BODY = {"accept-ranges", "content-type", "content-language"}


def with_etag(response: Response) -> Response:
    """A copy of ``response`` with an ``etag`` made of its whole body (strong, BLAKE2b); unchanged are those that have one, no body, or ``no-store``.

    >>> with_etag({"status": 200, "headers": {}, "body": b"apple"})["headers"]
    {'etag': '"ab373b9c035e2916cbf17792a55b60e8"'}
    """
    headers, body = response.get("headers") or {}, response.get("body", b"")
    if response["status"] != 200 or not body or find_header(headers, "etag") is not None or "no-store" in str(find_header(headers, "cache-control")).lower():
        return response
    return {**response, "headers": with_header(headers, "etag", f'"{blake2b(body, digest_size=16).hexdigest()}"')}


def not_modified_response(response: Response, request: Mapping[str, Any]) -> Response:
    """``response``, or what the conditions of ``request`` make of it by its ``etag`` and ``last-modified`` (RFC 9110 13.2.2): 304 or 412.

    A 304 keeps all headers but those of the body (``etag``, ``vary``, ``cache-control``, ``set-cookie``, ...), and all other keys.

    >>> not_modified_response({"status": 200, "headers": {"etag": '"1"'}, "body": b"apple"}, {"method": "GET", "headers": {"if-none-match": '"1"'}})
    {'status': 304, 'headers': {'etag': '"1"'}, 'body': b''}
    """
    headers = response.get("headers") or {}
    if request["method"] not in _SAFE or response["status"] != 200:
        return response
    etag, modified = find_header(headers, "etag"), find_header(headers, "last-modified")
    if etag is None and modified is None:
        return response
    tag = etag if isinstance(etag, str) else None
    match check_preconditions(request["method"], request.get("headers", {}), tag, parse_date(modified) if isinstance(modified, str) else None):
        case 304:
            answer = respond_not_modified({name: value for name, value in headers.items() if name.lower() not in _OF_THE_BODY})
        case 412:
            answer = problem(412)
        case _:
            return response
    return cast("Response", {**{key: value for key, value in response.items() if key not in _BODY_KEYS}, **answer})


@middleware_factory
def wrap_not_modified(*, etag: bool = True) -> Middleware:
    """Answer ``GET`` and ``HEAD`` with 304 where ``if-none-match`` or ``if-modified-since`` say that the client has just that, 412 where ``if-match`` or
    ``if-unmodified-since`` say that it has another.

    | option | meaning | default |
    |---|---|---|
    | ``etag`` | give whole bodies with status 200 a tag made of their bytes, unless they have one or are ``no-store`` | ``True`` |

    The handler runs all the same: what is saved is the way, not the work. A handler that knows its tag or its date beforehand can save both
    (``codec.conditional.check_preconditions``), and for PUT and the like it must: when its answer is there, it is too late to refuse.
    A stream or a file is looked at only by the headers that it brings, and closed where it is not sent. Put it inside ``wrap_compress``.
    Large bodies are read in a thread. ``wrap_static`` does all of this by itself.

    WebSocket: untouched.

    >>> wrap_not_modified(etag=False).spec["options"]
    {'etag': False}
    """

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def not_modified(handler: Handler, request: Any) -> Response:
            response = await next_middleware(handler, request)
            if request["method"] not in _SAFE:
                return response
            if etag and len(response.get("body", b"")) < _IN_THREAD_BYTES:
                response = with_etag(response)
            elif etag:
                run_in_thread: RunInThread = request.get("run_in_thread", asyncio.to_thread)
                response = await run_in_thread(with_etag, response)
            answer = not_modified_response(response, request)
            aclose = getattr(response.get("stream"), "aclose", None)
            if aclose is not None and "stream" not in answer:
                await aclose()
            return answer

        return not_modified

    return middleware
