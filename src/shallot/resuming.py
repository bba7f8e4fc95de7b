"""Does a request ask for events, and where does it go on? Apart from other questions about requests, because ``import shallot`` needs these two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .codec.negotiation import parse_weighted
from .codec.query import parse_query

__all__ = ["read_cursor", "wants_events"]


def wants_events(request: Mapping[str, Any]) -> bool:
    """Whether this is a ``GET`` or ``HEAD`` that names ``text/event-stream`` in ``accept``, as a browser's ``EventSource`` does; ``*/*`` does not ask for it.

    >>> wants_events({"type": "http", "method": "GET", "headers": {"accept": "text/event-stream"}})
    True
    """
    accept = request.get("headers", {}).get("accept", "")
    if request.get("type") != "http" or request.get("method") not in ("GET", "HEAD") or "text/event-stream" not in accept.lower():
        return False
    return any(member.value == "text/event-stream" and member.weight for member in parse_weighted(accept))


def read_cursor(request: Mapping[str, Any]) -> str | None:
    """Where the client wants to go on: the query parameter ``cursor``, or of an HTTP request the header ``last-event-id``; ``None`` without either.

    The header goes first: an ``EventSource`` that comes again asks for the URL of its beginning, and says by the header how far it has come.

    >>> read_cursor({"type": "websocket", "query_string": b"name=ann&cursor=e7.12.x"})
    'e7.12.x'
    """
    cursor: str | None = request["headers"].get("last-event-id") if request.get("type") == "http" else None
    query: bytes = request.get("query_string", b"")
    if not cursor and b"cursor=" in query:
        return parse_query(query).get("cursor", [None])[0]
    return cursor or None
