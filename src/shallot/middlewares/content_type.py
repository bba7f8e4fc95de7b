"""wrap_content_type: a response without a ``content-type`` gets the one that the request's path stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..codec.headers import find_header, format_headers, with_header
from ..codec.mime import CUSTOMARY, OCTET_STREAM, TYPES, guess_type, parse_extensions
from ..compose import middleware_factory
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["content_type_response", "wrap_content_type"]

_TEXT = re.compile(r"text/[^;]*", re.IGNORECASE)
_WITHOUT_BODY = {204, 205, 304}


def content_type_response(response: Response, request: Mapping[str, Any], types: Mapping[str, str] = TYPES, default: str = OCTET_STREAM) -> Response:
    """``response``, or a copy with the type of the extension of ``request["path"]`` in ``types``, else ``default``.

    Unchanged are responses that have a type, and statuses that never have a body (1xx, so every accepted WebSocket, 204, 205, 304).

    >>> content_type_response({"status": 200}, {"path": "/favicon.ico"})
    {'status': 200, 'headers': {'content-type': 'image/vnd.microsoft.icon'}}
    """
    headers = response.get("headers") or {}
    if headers.get("content-type"):
        return response
    status = response.get("status", 200)
    if status < 200 or status in _WITHOUT_BODY or find_header(headers, "content-type"):
        return response
    return {**response, "headers": with_header(headers, "content-type", guess_type(request["path"], types) or default)}


@middleware_factory
def wrap_content_type(
    additional_content_types: Mapping[str, Iterable[str]] | None = None,
    default_content_type: str = OCTET_STREAM,
    strict: bool = False,
    *,
    charset: str | None = None,
) -> Middleware:
    """Give each response that has no ``content-type`` the one that its request's path stands for. Put it outside ``wrap_static``.

    | option | meaning | default |
    |---|---|---|
    | ``additional_content_types`` | media type -> its extensions, with or without dot; before our own table, in this app only | none |
    | ``default_content_type`` | for paths that tell nothing | ``application/octet-stream`` |
    | ``strict`` | registered types only; else also customary ones like ``text/xul`` | ``False`` |
    | ``charset`` | said with each ``text/*`` type of the tables: ``"utf-8"`` where all your files are that | ``None``: not said |

    WebSocket: an accepted one (101) is left alone; a denial is a response like any other.

    >>> wrap_content_type({"application/fruit": [".apple", "orange"]}).spec["options"]["default_content_type"]
    'application/octet-stream'
    """
    types = {**TYPES, **({} if strict else CUSTOMARY), **parse_extensions(additional_content_types or {})}
    if charset is not None:
        types = {extension: f"{kind}; charset={charset}" if _TEXT.fullmatch(kind) else kind for extension, kind in types.items()}
    format_headers({"content-type": [default_content_type, *types.values()]})

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def content_type(handler: Handler, request: Any) -> Response:
            return content_type_response(await next_middleware(handler, request), request, types, default_content_type)

        return content_type

    return middleware
