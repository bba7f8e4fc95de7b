"""wrap_parameters: the query string and a urlencoded form as dicts of lists."""

from __future__ import annotations

from typing import Any, TypeVar

from ..codec.query import parse_query
from ..compose import middleware_factory
from ..request import media_type
from ..types import Connection, Handler, Middleware, NextMiddleware, Response

__all__ = ["parameters_request", "wrap_parameters"]

C = TypeVar("C", bound=Connection)

_FORM = "application/x-www-form-urlencoded"


def parameters_request(request: C, keep_blank_values: bool = False, strict_parsing: bool = False, encoding: str = "utf-8") -> C:
    """``request`` with the keys ``query_params``, ``form_params`` and ``params``; ``errors.BadRequest`` as in ``codec.query.parse_query``.

    >>> parameters_request({"query_string": b"a=1&a=2"})["params"]
    {'a': ['1', '2']}
    """
    given: Connection = request
    query, body = given.get("query_string"), given.get("body")
    in_query = parse_query(query, keep_blank_values=keep_blank_values, strict_parsing=strict_parsing, encoding=encoding) if query else {}
    in_form: dict[str, list[str]] = {}
    if body and media_type(request) == _FORM:
        in_form = parse_query(body, keep_blank_values=keep_blank_values, strict_parsing=strict_parsing, encoding=encoding)
    request["query_params"] = in_query
    request["form_params"] = in_form
    request["params"] = {**in_query, **in_form}
    return request


@middleware_factory
def wrap_parameters(keep_blank_values: bool = False, strict_parsing: bool = False, encoding: str = "utf-8") -> Middleware:
    """Put parameters into the request, each name with the list of its values in order: ``query_params`` from the query string, ``form_params`` from a body
    of type ``application/x-www-form-urlencoded``, ``params`` with both (of a name in both the form's values). Empty dicts where there is none.

    | option | meaning | default |
    |---|---|---|
    | ``keep_blank_values`` | keep names without a value, as ``""`` | ``False`` |
    | ``strict_parsing`` | a part without ``=`` is an error | ``False`` |
    | ``encoding`` | of the bytes, percent-encoded or not | ``"utf-8"`` |

    More than 1000 parameters in either, a broken percent-encoding and bytes that are not of the encoding raise ``errors.BadRequest``: 400.

    WebSocket: the same, without a form; a 400 is its denial.

    >>> wrap_parameters(encoding="no such")
    Traceback (most recent call last):
    ...
    ValueError: wrap_parameters: no encoding of text is named 'no such'; give one that Python knows, like 'utf-8'
    """
    try:
        "a".encode(encoding)
    except LookupError:
        raise ValueError(f"wrap_parameters: no encoding of text is named {encoding!r}; give one that Python knows, like 'utf-8'") from None

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def parameters(handler: Handler, request: Any) -> Response:
            return await next_middleware(handler, parameters_request(request, keep_blank_values, strict_parsing, encoding))

        return parameters

    return middleware
