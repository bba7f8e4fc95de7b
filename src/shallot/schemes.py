"""Schemes: ways to tell who asks, as data for ``wrap_auth``. They read credentials; whether those are good, a function of the app's own says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable, iscoroutinefunction
from typing import Any, NotRequired, TypeAlias, TypedDict

from .codec.authorization import format_challenge, parse_basic, parse_bearer
from .codec.query import parse_query

__all__ = ["Identify", "Scheme", "asking", "basic", "bearer", "session", "ticket"]

Identify: TypeAlias = Callable[..., Any]
"""Gives an identity, whatever that is in your app, or ``None``: this is nobody. ``async def``, or a plain ``def``, which runs in a thread."""


class Scheme(TypedDict):
    """A way to tell who asks."""

    identify: Identify
    """``f(request)``."""
    challenge: NotRequired[str]
    """What a 401 says of it in ``www-authenticate``."""


def basic(check: Identify, *, realm: str = "app") -> Scheme:
    """User and password in ``authorization`` (RFC 7617): ``check(user, password)`` gives the identity. Only behind TLS: they come readable, with each request.

    >>> basic(lambda user, password: None)["challenge"]
    'Basic realm="app", charset="UTF-8"'
    """
    ask = asking(check)

    async def identify(request: Any) -> Any:
        found = parse_basic(_credentials(request))
        return await ask(request, *found) if found is not None else None

    return {"identify": identify, "challenge": format_challenge("Basic", realm=realm, charset="UTF-8")}


def bearer(check: Identify, *, realm: str = "app", subprotocol: str | None = None) -> Scheme:
    """A token in ``authorization`` (RFC 6750): ``check(token)`` gives the identity.

    A browser's WebSocket cannot send that header. With ``subprotocol="bearer."`` the token may stand behind this prefix among the subprotocols that it
    offers, ``new WebSocket(url, ["chat", "bearer." + token])``; that one is taken out of ``request["subprotocols"]``, so choose another.

    >>> bearer(lambda token: None)["challenge"]
    'Bearer realm="app"'
    """
    ask = asking(check)

    async def identify(request: Any) -> Any:
        token = parse_bearer(_credentials(request))
        if token is None and subprotocol is not None and "subprotocols" in request:
            offered = request["subprotocols"]
            token = next((name[len(subprotocol) :] for name in offered if name.startswith(subprotocol)), None)
            request["subprotocols"] = [name for name in offered if not name.startswith(subprotocol)]
        return await ask(request, token) if token else None

    return {"identify": identify, "challenge": format_challenge("Bearer", realm=realm)}


def session(key: str = "identity") -> Scheme:
    """What stands in ``request["session"]`` under ``key``: where your login put it. ``LookupError`` without ``wrap_session`` outside.

    >>> session()["challenge"]
    'Cookie'
    """

    async def identify(request: Any) -> Any:
        if "session" not in request:
            raise LookupError('wrap_auth: request has no "session"; put wrap_session outside it')
        return request["session"].get(key)

    return {"identify": identify, "challenge": "Cookie"}


def ticket(redeem: Identify, *, parameter: str = "ticket") -> Scheme:
    """A one-time ticket in the query string, ``wss://example.org/chat?ticket=...``: ``redeem(ticket)`` gives the identity that it was issued to.

    For what cannot send a header, a browser's WebSocket or EventSource. See ``memory_tickets``.

    >>> "challenge" in ticket(lambda ticket: None)
    False
    """
    ask = asking(redeem)

    async def identify(request: Any) -> Any:
        query = request.get("query_string", b"")
        found = parse_query(query).get(parameter, ()) if query else ()
        return await ask(request, found[0]) if len(found) == 1 else None

    return {"identify": identify}


def _credentials(request: Mapping[str, Any]) -> str:
    return str(request.get("headers", {}).get("authorization", ""))


def asking(function: Identify) -> Callable[..., Awaitable[Any]]:
    """``function`` as one that is awaited, the request before its arguments: a plain ``def`` runs in the app's threads, so a slow hash blocks nobody.

    >>> asyncio.run(asking(len)({}, "four"))
    4
    """
    if scheme := next((scheme for scheme in (basic, bearer, session, ticket) if function is scheme), None):  # asked, it would give somebody to everybody
        raise TypeError(f"wrap_auth: {scheme.__name__} makes a scheme; write {scheme.__name__}({'' if scheme is session else '...'})")
    if not callable(function):
        raise TypeError(f"wrap_auth: expected a function that gives an identity or None, not {function!r}")
    if iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__):

        async def ask(request: Any, *arguments: Any) -> Any:
            return await function(*arguments)

    else:

        async def ask(request: Any, *arguments: Any) -> Any:
            answer = await request.get("run_in_thread", asyncio.to_thread)(function, *arguments)
            return await answer if isawaitable(answer) else answer

    return ask
