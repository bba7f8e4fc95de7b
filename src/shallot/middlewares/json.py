"""wrap_json: the body of a request as a value, under the key ``json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from ..codec.json import JSONError, parse_json
from ..compose import middleware_factory
from ..errors import UnsupportedMedia
from ..request import check_not_encoded, is_json
from ..response import respond400
from ..types import Connection, Handler, Middleware, NextMiddleware, Response

__all__ = ["json_request", "wrap_json"]

C = TypeVar("C", bound=Connection)


WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def json_request(request: C, fail_on_missing_body: bool = False, *, required: bool = False) -> C:
    """``request`` with the key ``json``: the value of its body where its ``content-type`` is ``application/json`` or ends with ``+json``, else ``None``.

    ``codec.json.JSONError`` for a body that is not the JSON we take, and with ``fail_on_missing_body`` for an empty one;
    ``errors.UnsupportedMedia`` for a compressed one, and with ``required`` for one of another type.

    >>> json_request({"headers": {"content-type": "application/json"}, "body": b'{"n":1}'})["json"]
    {'n': 1}
    """
    given = cast("Mapping[str, Any]", request)
    body = given.get("body", b"")
    value = None
    wanted = required and given["method"] in WITH_BODY
    if wanted and not is_json(request):
        raise UnsupportedMedia("a body that is no JSON")
    if (body or fail_on_missing_body or wanted) and is_json(request):
        check_not_encoded(request)
        value = parse_json(body)
    request["json"] = value
    return request


@middleware_factory
def wrap_json(fail_on_missing_body: bool = False, *, required: bool = False) -> Middleware:
    """Put the value of a JSON body (RFC 8259) under ``request["json"]``; ``None`` where there is no body or it is of another type.

    | option | meaning | default |
    |---|---|---|
    | ``fail_on_missing_body`` | an empty body of a JSON type is an error too | ``False`` |
    | ``required`` | ``POST``, ``PUT`` and ``PATCH`` must bring JSON: another type is 415, an empty body 400 | ``False`` |

    A row that demands JSON: ``{"middlewares": [wrap_json(required=True)]}``.

    What is not JSON, or goes beyond the bounds of ``codec.json.parse_json``, is answered with 400 and the text ``Malformed JSON``.
    A body without a JSON ``content-type`` is never parsed, so that a form of another site cannot send one; one with a ``content-encoding`` raises
    ``errors.UnsupportedMedia``: 415.

    WebSocket: it has no body, ``json`` is ``None``. So it is for a streamed request.

    >>> wrap_json(fail_on_missing_body=True).spec
    {'name': 'wrap_json', 'options': {'fail_on_missing_body': True, 'required': False}}
    """

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def json(handler: Handler, request: Any) -> Response:
            try:
                json_request(request, fail_on_missing_body, required=required)
            except JSONError:
                return respond400("Malformed JSON")
            return await next_middleware(handler, request)

        return json

    return middleware
