"""wrap_parameters: the query string and a urlencoded form as dicts of lists."""

from __future__ import annotations

from typing import Any, TypeVar

from ..codec.query import FORM_LIMITS, nest_params, parse_query
from ..compose import middleware_factory
from ..errors import BodyTooLarge
from ..request import check_not_encoded, media_type
from ..types import Connection, Handler, Middleware, NextMiddleware, Response

__all__ = ["parameters_request", "wrap_parameters"]

C = TypeVar("C", bound=Connection)

_FORM = "application/x-www-form-urlencoded"


def parameters_request(
    request: C,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    encoding: str = "utf-8",
    *,
    nested: bool = False,
    max_params: int = FORM_LIMITS.max_fields,
    max_form_bytes: int = FORM_LIMITS.max_text_bytes,
) -> C:
    """``request`` with the keys ``query_params``, ``form_params`` and ``params``, and where ``nested`` also ``nested_params``.

    Errors as in ``codec.query.parse_query`` and ``nest_params``; ``BodyTooLarge`` for a longer form, ``UnsupportedMedia`` for a compressed one.
    A form that was read already (``wrap_multipart``) stays.

    >>> parameters_request({"query_string": b"a=1&a=2"})["params"]
    {'a': ['1', '2']}
    """
    given: Connection = request
    query, body = given.get("query_string"), given.get("body")
    in_query: dict[str, list[str]] = {}
    in_form = given.get("form_params", {})
    if query:
        in_query = parse_query(query, keep_blank_values=keep_blank_values, strict_parsing=strict_parsing, encoding=encoding, max_params=max_params)
    if body and media_type(request) == _FORM:
        check_not_encoded(request)
        if len(body) > max_form_bytes:
            raise BodyTooLarge(f"a form of more than {max_form_bytes} bytes")
        form = parse_query(body, keep_blank_values=keep_blank_values, strict_parsing=strict_parsing, encoding=encoding, max_params=max_params)
        in_form = {**in_form, **form}
    request["query_params"] = in_query
    request["form_params"] = in_form
    request["params"] = both = {**in_query, **in_form}
    if nested:
        request["nested_params"] = nest_params(both)
    return request


@middleware_factory
def wrap_parameters(
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    encoding: str = "utf-8",
    *,
    nested: bool = False,
    max_params: int = FORM_LIMITS.max_fields,
    max_form_bytes: int = FORM_LIMITS.max_text_bytes,
) -> Middleware:
    """Put parameters into the request, each name with the list of its values in order: ``query_params`` from the query string, ``form_params`` from a body
    of type ``application/x-www-form-urlencoded``, ``params`` with both (of a name in both the form's values). Empty dicts where there is none.

    | option | meaning | default |
    |---|---|---|
    | ``keep_blank_values`` | keep names without a value, as ``""`` | ``False`` |
    | ``strict_parsing`` | a part without ``=`` is an error | ``False`` |
    | ``encoding`` | of the bytes, percent-encoded or not | ``"utf-8"`` |
    | ``nested`` | also ``nested_params``: ``a[b]=1`` as ``{"a": {"b": ["1"]}}``, see ``codec.query.nest_params`` | ``False`` |
    | ``max_params`` | the most parameters in the query string, and in the form | 1000 |
    | ``max_form_bytes`` | the longest form (413) | 500,000 bytes |

    More parameters, a broken percent-encoding and bytes that are not of the encoding raise ``errors.BadRequest``: 400. A form with a
    ``content-encoding`` is 415. ``shallot.request.param`` gives single values as numbers, dates and the like.

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
    for name, bound in {"max_params": max_params, "max_form_bytes": max_form_bytes}.items():
        if isinstance(bound, bool) or not isinstance(bound, int) or bound < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever has no checker
            raise ValueError(f"wrap_parameters: {name} must be a whole number from 1 on, not {bound!r}")

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def parameters(handler: Handler, request: Any) -> Response:
            parameters_request(request, keep_blank_values, strict_parsing, encoding, nested=nested, max_params=max_params, max_form_bytes=max_form_bytes)
            return await next_middleware(handler, request)

        return parameters

    return middleware
