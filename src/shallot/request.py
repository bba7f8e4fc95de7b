"""Questions about a request: plain functions of its dict. They await nothing and change nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from typing import Any, Literal, TypeVar, overload
from urllib.parse import quote
from uuid import UUID

from .codec.headers import parse_media_type
from .errors import BadRequest, UnsupportedMedia

__all__ = ["charset", "check_not_encoded", "client_host", "is_json", "is_websocket", "media_type", "param", "params", "url"]

T = TypeVar("T")
D = TypeVar("D")


class _Required(Enum):
    REQUIRED = "required"


def media_type(request: Mapping[str, Any]) -> str:
    """The ``content-type`` in lower case without its parameters (RFC 9110 8.3.1); ``""`` without one.

    >>> media_type({"headers": {"content-type": "Text/HTML; charset=utf-8"}})
    'text/html'
    """
    return parse_media_type(_content_type(request))[0]


def charset(request: Mapping[str, Any], default: str = "utf-8") -> str:
    """The ``charset`` that the ``content-type`` names, in lower case; ``default`` where it names none.

    >>> charset({"headers": {"content-type": 'text/plain; charset="ISO-8859-1"'}})
    'iso-8859-1'
    """
    return parse_media_type(_content_type(request))[1].get("charset", default).lower()


def is_json(request: Mapping[str, Any]) -> bool:
    """Whether the body says that it is JSON: ``application/json``, or a type that ends with ``+json`` (RFC 6839).

    >>> is_json({"headers": {"content-type": "application/problem+json"}}), is_json({"headers": {"content-type": "text/plain"}})
    (True, False)
    """
    if _content_type(request) == "application/json":  # as nearly everybody writes it
        return True
    kind = media_type(request)
    return kind == "application/json" or kind.endswith("+json")


def check_not_encoded(request: Mapping[str, Any]) -> None:
    """``errors.UnsupportedMedia`` (415) where the body is compressed (``content-encoding``, RFC 9110 8.4): whoever reads bodies asks this first.

    >>> check_not_encoded({"headers": {"content-encoding": "identity"}})
    """
    coding = request.get("headers", {}).get("content-encoding")
    if coding and coding.strip(" \t").lower() != "identity":
        raise UnsupportedMedia("a body with a content-encoding")


def is_websocket(request: Mapping[str, Any]) -> bool:
    """Whether this is the handshake of a WebSocket."""
    return request.get("type") == "websocket"


def client_host(request: Mapping[str, Any]) -> str | None:
    """The address of the direct peer, which may be a proxy; ``None`` where the server does not tell (a Unix socket)."""
    client = request.get("client")
    return client[0] if client else None


def url(request: Mapping[str, Any]) -> str:
    """The URL that was asked for, to be shown or logged: never take it apart again to decide anything, the request's own keys are there for that.

    The host is the ``host`` header, or else the server's own.

    >>> url({"scheme": "https", "headers": {"host": "example.com"}, "path": "/käse", "query_string": b"a=1"})
    'https://example.com/k%C3%A4se?a=1'
    """
    query = request.get("query_string", b"").decode("latin-1")
    path = quote(request["path"], safe="/:@!$&'()*+,;=~")
    return f"{request.get('scheme', 'http')}://{_host(request)}{path}{'?' if query else ''}{query}"


def _host(request: Mapping[str, Any]) -> str:
    if host := request.get("headers", {}).get("host"):
        return str(host)
    name, port = request.get("server") or ("localhost", None)
    bracketed = f"[{name}]" if ":" in name else name
    return f"{bracketed}:{port}" if port else bracketed


def _content_type(request: Mapping[str, Any]) -> str:
    return str(request.get("headers", {}).get("content-type", ""))


# ---- single parameters

_INT = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,19}(?:\.[0-9]{0,19})?|\.[0-9]{1,19})(?:[eE][+-]?[0-9]{1,2})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUTH = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}


def _matching(pattern: re.Pattern[str], convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if not pattern.fullmatch(text):
            raise ValueError
        return convert(text)

    return parse


_KINDS: Mapping[Any, tuple[str, Callable[[str], Any]]] = {
    str: ("a text", str),
    int: ("a whole number", _matching(_INT, int)),
    float: ("a number", _matching(_FLOAT, float)),
    bool: ("true or false", lambda text: _TRUTH[text.lower()]),
    UUID: ("a UUID", _matching(_UUID, UUID)),
    date: ("a date like 2026-12-31", _matching(_DATE, date.fromisoformat)),
}
"""Kind -> what the error says was expected, and the function that reads it."""


@overload
def param(
    request: Mapping[str, Any],
    name: str,
    kind: type[T],
    *,
    default: Literal[_Required.REQUIRED] = ...,
    at_least: Any = ...,
    at_most: Any = ...,
    among: str = ...,
) -> T: ...
@overload
def param(request: Mapping[str, Any], name: str, kind: type[T], *, default: D, at_least: Any = ..., at_most: Any = ..., among: str = ...) -> T | D: ...
def param(
    request: Mapping[str, Any],
    name: str,
    kind: Any,
    *,
    default: Any = _Required.REQUIRED,
    at_least: Any = None,
    at_most: Any = None,
    among: str = "params",
) -> Any:
    """The one parameter ``name`` as a ``str``, ``int``, ``float``, ``bool``, ``UUID`` or ``date``.

    | argument | meaning | default |
    |---|---|---|
    | ``kind`` | one of the types above | required |
    | ``default`` | given back where the parameter is missing | none: then missing is an error |
    | ``at_least``, ``at_most`` | bounds of the value | none |
    | ``among`` | the request's key: ``"query_params"``, ``"form_params"`` | ``"params"`` |

    ``errors.BadRequest`` (400) that names the parameter and what was expected, never the value: where it is missing, comes more than once, cannot be read
    as that kind or is out of bounds. ``true``, ``on``, ``yes``, ``1`` and their contraries are a ``bool``; NaN and infinity are no ``float``.

        >>> request = {"params": {"page": ["2"], "day": ["2026-11-22"]}}
        >>> param(request, "page", int, default=1), param(request, "size", int, default=20)
        (2, 20)
        >>> param(request, "day", int)
        Traceback (most recent call last):
        ...
        shallot.errors.BadRequest: parameter 'day': expected a whole number
    """
    values = params(request, name, kind, at_least=at_least, at_most=at_most, among=among)
    if len(values) > 1:
        raise BadRequest(f"parameter {name!r}: comes more than once")
    if values:
        return values[0]
    if default is _Required.REQUIRED:
        raise BadRequest(f"parameter {name!r}: missing")
    return default


def params(request: Mapping[str, Any], name: str, kind: type[T], *, at_least: Any = None, at_most: Any = None, among: str = "params") -> list[T]:
    """All values of the parameter ``name`` in order, read as in ``param``; ``[]`` where it is missing.

    >>> params({"params": {"id": ["3", "4"]}}, "id", int)
    [3, 4]
    """
    if kind not in _KINDS:
        kinds = ", ".join(known.__name__ for known in _KINDS)
        raise TypeError(f"param: kind must be one of {kinds}, not {kind!r}; read the others from a str")
    if among not in request:
        raise TypeError(f"param: request has no {among!r}; put wrap_parameters outside it")
    expected, parse = _KINDS[kind]
    try:
        values: list[T] = [parse(text) for text in request[among].get(name, ())]
    except (ValueError, KeyError):
        raise BadRequest(f"parameter {name!r}: expected {expected}") from None
    for value in values:
        _check_bounds(name, value, at_least, at_most)
    return values


def _check_bounds(name: str, value: Any, at_least: Any, at_most: Any) -> None:
    if at_least is not None and value < at_least:
        raise BadRequest(f"parameter {name!r}: expected at least {at_least}")
    if at_most is not None and value > at_most:
        raise BadRequest(f"parameter {name!r}: expected at most {at_most}")
