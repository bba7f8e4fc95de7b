"""A request dict from plain data, as the core and the middlewares of the shelf would have built it. Runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from ..codec.json import format_json
from .scopes import HeadersIn, ParamsIn, connection, format_cookies, format_headers, format_params, lower_names

__all__ = ["ABSENT", "request"]

ABSENT: Any = object()
"""Stands for "not given" where ``None`` is a value."""


def request(
    method: str,
    path: str,
    /,
    *,
    headers: HeadersIn | None = None,
    body: bytes | str = b"",
    json: Any = ABSENT,
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
    | ``json`` | the key ``json``, and ``body`` and ``content-type`` where not given |
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
    target = with_query(path, query_params)
    implied: dict[str, str] = {}
    raw = body.encode() if isinstance(body, str) else body
    if json is not ABSENT:
        implied["content-type"], raw, keys = "application/json", raw or format_json(json), {"json": json, **keys}
    elif form_params is not None:
        implied["content-type"], raw = "application/x-www-form-urlencoded", raw or format_params(form_params).encode()
    if cookies:
        implied["cookie"] = format_cookies(cookies)
    shared = connection(target, implied, headers, "ws" if is_websocket else "http")
    joined = join_headers(format_headers({**implied, **lower_names(headers)}))
    from_query = parse_params(shared["query_string"].decode())
    from_form = parse_params(format_params(form_params or {}))
    return {
        "type": "websocket" if is_websocket else "http",
        "method": method.upper(),
        **shared,
        **({"subprotocols": split_list(joined.get("sec-websocket-protocol", ""))} if is_websocket else {}),
        "headers": joined,
        "headers_list": shared["headers"],
        "body": b"" if is_websocket else raw,
        "config": {},
        "run_in_thread": asyncio.to_thread,
        "query_params": from_query,
        "form_params": from_form,
        "params": {**from_query, **from_form} if params is None else parse_params(format_params(params)),
        "cookies": dict(cookies) if cookies is not None else parse_cookies(joined.get("cookie", "")),
        "path_params": dict(path_params or {}),
        **keys,
    }


def with_query(path: str, query: ParamsIn | None) -> str:
    """``path`` with ``query`` behind what it already asks."""
    text = format_params(query) if query else ""
    return path + (("&" if "?" in path else "?") + text if text else "")


def join_headers(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """SPEC: repeats joined with ``,``, those of ``cookie`` with ``; ``.

    >>> join_headers([(b"accept", b"a"), (b"cookie", b"b=1"), (b"accept", b"c"), (b"cookie", b"d=2")])
    {'accept': 'a,c', 'cookie': 'b=1; d=2'}
    """
    joined: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}{'; ' if name == 'cookie' else ','}{value}" if name in joined else value
    return joined


def parse_params(text: str) -> dict[str, list[str]]:
    """``a=1&a=2`` as a dict of lists, empty values kept."""
    params: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        params.setdefault(name, []).append(value)
    return params


def parse_cookies(text: str) -> dict[str, str]:
    """The value of a ``cookie`` header as a dict; of a name given twice the first counts."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): value.strip().strip('"') for name, sign, value in reversed(list(pairs)) if sign}


def split_list(text: str) -> list[str]:
    """The members of a comma-separated header (RFC 9110 5.6.1)."""
    return [member.strip() for member in text.split(",") if member.strip()]
