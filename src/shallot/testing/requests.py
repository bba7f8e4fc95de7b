"""A request dict from plain data, as the core and the middlewares of the shelf would have built it. Runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..codec.cookies import parse_cookies
from ..codec.headers import parse_headers
from ..codec.json import format_json
from ..codec.query import parse_query
from .scopes import HeadersIn, ParamsIn, connection, format_cookies, format_params, with_query

__all__ = ["request"]

_ABSENT: Any = object()
"""Stands for "not given" where ``None`` is a value."""


def request(
    method: str,
    path: str,
    /,
    *,
    headers: HeadersIn | None = None,
    body: bytes | str = b"",
    json: Any = _ABSENT,
    query_params: ParamsIn | None = None,
    form_params: ParamsIn | None = None,
    params: ParamsIn | None = None,
    cookies: Mapping[str, str] | None = None,
    path_params: Mapping[str, Any] | None = None,
    **keys: Any,
) -> Any:
    """A request dict for calling a handler, a middleware or ``apply_middleware(...)(handler)`` directly.

    | option | what it sets |
    |---|---|
    | ``method`` | ``"GET"``, ...; ``"WS"`` makes the request of a WebSocket's handshake (type ``websocket``, scheme ``ws``, no body) |
    | ``path`` | may be percent-encoded and carry a ``?query``: ``path``, ``raw_path``, ``query_string`` |
    | ``headers`` | by any case: ``headers`` (lower case, repeats joined with ``,``) and ``headers_list`` |
    | ``body`` | ``bytes``, or ``str`` as UTF-8 |
    | ``json`` | the key ``json`` (else ``None``), and ``body`` and ``content-type`` where not given |
    | ``query_params`` | the query string (behind that of ``path``) and the key ``query_params``: a dict of lists |
    | ``form_params`` | the key ``form_params``, and ``body`` and ``content-type`` where not given |
    | ``params`` | both together, unless given; of a name in both the form's values count |
    | ``cookies`` | the key ``cookies`` and the ``cookie`` header; without it the header is read |
    | ``path_params`` | what ``wrap_routes`` would have found, as values |

    ``config`` is ``{}`` and ``run_in_thread`` is ``asyncio.to_thread``, unless given. Any other keyword becomes a key: ``identity="ann"``.
    No header is added that was not asked for. The type is ``Any``, so that it fits handlers with request types of their own.

        >>> ask = request("POST", "/fruits?dry=1", json={"name": "kiwi"}, identity="ann")
        >>> ask["path"], ask["params"], ask["json"], ask["body"], ask["identity"]
        ('/fruits', {'dry': ['1']}, {'name': 'kiwi'}, b'{"name":"kiwi"}', 'ann')
        >>> request("WS", "/chat")["type"]
        'websocket'
    """
    is_websocket = method.upper() == "WS"
    raw = body.encode() if isinstance(body, str) else body
    implied: dict[str, str] = {}
    if json is not _ABSENT:
        implied["content-type"], raw = "application/json", raw or format_json(json)
    elif form_params is not None:
        implied["content-type"], raw = "application/x-www-form-urlencoded", raw or format_params(form_params).encode()
    if cookies:
        implied["cookie"] = format_cookies({name: value.replace("%", "%25") for name, value in cookies.items()})
    shared = connection(with_query(path, query_params), implied, headers, "ws" if is_websocket else "http")
    joined = parse_headers(shared["headers"])
    query = merged(parse_query(path.partition("?")[2]), as_lists(query_params))
    form = as_lists(form_params)
    return {
        "type": "websocket" if is_websocket else "http",
        "method": method.upper(),
        **shared,
        **({"subprotocols": _members(joined.get("sec-websocket-protocol", ""))} if is_websocket else {}),
        "headers": joined,
        "headers_list": shared["headers"],
        "body": b"" if is_websocket else raw,
        "config": {},
        "run_in_thread": asyncio.to_thread,
        "json": None if json is _ABSENT else json,
        "query_params": query,
        "form_params": form,
        "params": {**query, **form} if params is None else as_lists(params),
        "cookies": parse_cookies(joined.get("cookie", "")) if cookies is None else dict(cookies),
        "path_params": dict(path_params or {}),
        **keys,
    }


def merged(first: Mapping[str, list[str]], second: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Both; of a name in both the values one after the other."""
    return {name: [*first.get(name, []), *second.get(name, [])] for name in {**first, **second}}


def as_lists(params: ParamsIn | None) -> dict[str, list[str]]:
    """What a test wrote as a dict of lists of ``str``.

    >>> as_lists({"a": 1, "b": ["2", ""]})
    {'a': ['1'], 'b': ['2', '']}
    """
    return parse_query(format_params(params or {}), keep_blank_values=True)


def _members(text: str) -> list[str]:
    """The members of a comma-separated header (RFC 9110 5.6.1)."""
    return [member.strip() for member in text.split(",") if member.strip()]
