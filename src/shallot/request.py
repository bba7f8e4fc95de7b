"""Questions about a request: plain functions of its dict. They await nothing and change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .codec.headers import parse_media_type

__all__ = ["charset", "client_host", "is_json", "is_websocket", "media_type", "url"]


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
