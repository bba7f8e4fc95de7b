"""Scopes as a server would build them (ASGI HTTP and WebSocket, spec 2.5). Knows no app and no client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

__all__ = ["HeadersIn", "ParamsIn", "http_scope", "websocket_scope"]

HeadersIn: TypeAlias = Mapping[str, str | Sequence[str] | None]
"""Headers as a test writes them: a list sends the header several times, ``None`` leaves out one that would be sent by default."""

ParamsIn: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]]
"""Parameters as a test writes them: a list gives the name several times; other values are sent as ``str``."""

ASGI = {"version": "3.0", "spec_version": "2.5"}
HANDSHAKE: HeadersIn = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}


def http_scope(method: str = "GET", path: str = "/", /, *, headers: HeadersIn | None = None, scheme: str = "http", **keys: Any) -> dict[str, Any]:
    """The scope of an HTTP request. ``path`` may be percent-encoded and carry a ``?query``; ``keys`` are added or take a default's place.

    A ``host`` header (``localhost``) is sent unless ``headers`` gives another.

        >>> scope = http_scope("GET", "/a%20b?c=d", headers={"Accept": "text/html"})
        >>> scope["path"], scope["raw_path"], scope["query_string"], scope["headers"]
        ('/a b', b'/a%20b', b'c=d', [(b'host', b'localhost'), (b'accept', b'text/html')])
    """
    return {"type": "http", "method": method.upper(), **connection(path, {"host": "localhost"}, headers, scheme), **keys}


def websocket_scope(
    path: str = "/", /, *, headers: HeadersIn | None = None, subprotocols: Sequence[str] = (), scheme: str = "ws", **keys: Any
) -> dict[str, Any]:
    """The scope of a WebSocket's handshake (RFC 6455 4.1), its headers included; as ``http_scope`` otherwise.

    >>> websocket_scope("/chat", subprotocols=["v1"])["subprotocols"]
    ['v1']
    """
    offered: HeadersIn = {"sec-websocket-protocol": ", ".join(subprotocols)} if subprotocols else {}
    shared = connection(path, {"host": "localhost", **HANDSHAKE, **offered}, headers, scheme)
    return {"type": "websocket", **shared, "subprotocols": list(subprotocols), **keys}


def connection(target: str, usual: HeadersIn, headers: HeadersIn | None, scheme: str) -> dict[str, Any]:
    """The keys that both kinds of scope share."""
    path, raw_path, query_string = split_target(target)
    return {
        "asgi": dict(ASGI),
        "http_version": "1.1",
        "scheme": scheme,
        "server": ("127.0.0.1", 443 if scheme in ("https", "wss") else 80),
        "client": ("127.0.0.1", 50000),
        "root_path": "",
        "path": path,
        "raw_path": raw_path,
        "query_string": query_string,
        "headers": encode_headers({**usual, **lower_names(headers)}),
    }


def split_target(target: str) -> tuple[str, bytes, bytes]:
    """``path``, ``raw_path`` and ``query_string`` of a request target; what is not ASCII is percent-encoded as UTF-8.

    >>> split_target("/caf\u00e9?q=\u00e9")
    ('/café', b'/caf%C3%A9', b'q=%C3%A9')
    """
    raw_path, _, query = target.partition("?")
    raw_path, query = (quote(part, safe="!#$%&'()*+,/:;=?@[]~") for part in (raw_path, query))
    return unquote(raw_path), raw_path.encode(), query.encode()


def lower_names(headers: HeadersIn | None) -> dict[str, str | Sequence[str] | None]:
    """A copy with the names in lower case; empty for ``None``."""
    return {name.lower(): value for name, value in (headers or {}).items()}


def encode_headers(headers: HeadersIn) -> list[tuple[bytes, bytes]]:
    """The pairs that go over the wire, as latin-1 (RFC 9110 5.5). Nothing is checked: a test may well send what no client should."""
    pairs: list[tuple[bytes, bytes]] = []
    for name, value in headers.items():
        values = [] if value is None else [value] if isinstance(value, str) else value
        pairs += [(name.encode("latin-1"), one.encode("latin-1")) for one in values]
    return pairs


def format_cookies(cookies: Mapping[str, str]) -> str:
    """The value of a ``cookie`` header (RFC 6265 4.2.1): what a cookie cannot hold is percent-encoded, ``%`` itself is left as it is.

    >>> format_cookies({"a": "1", "b": "two words"})
    'a=1; b=two%20words'
    """
    return "; ".join(f"{name}={quote(value, safe=_COOKIE)}" for name, value in cookies.items())


_COOKIE = "!#$%&'()*+-./:<=>?@[]^_`{|}~"


def with_query(path: str, query: ParamsIn | None) -> str:
    """``path`` with ``query`` behind what it already asks."""
    text = format_params(query or {})
    return path + (("&" if "?" in path else "?") + text if text else "")


def format_params(params: ParamsIn) -> str:
    """Parameters as ``application/x-www-form-urlencoded``.

    >>> format_params({"a": [1, 2], "b": "c d"})
    'a=1&a=2&b=c+d'
    """
    return urlencode(params, doseq=True)
