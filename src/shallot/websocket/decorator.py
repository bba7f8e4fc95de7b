"""@websocket: a generator function becomes an ordinary handler, whose answer is the handshake's response. Starts nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial, wraps
from inspect import isgeneratorfunction
from typing import Any, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from ..codec.cursors import END
from ..compose import as_handler, mismatch
from ..deadline import DeadlinePassed, within
from ..limits import check_limits
from ..resuming import read_cursor, wants_events
from ..types import Conversation, ConversationHandler, ConversationLimits, Farewell, Greeting, Hooks, Response
from .wire import is_dict

__all__ = ["Endpoint", "websocket"]

log = logging.getLogger("shallot.websocket")

P = ParamSpec("P")
S = TypeVar("S", bound=Mapping[str, Any])
S_contra = TypeVar("S_contra", bound=Mapping[str, Any], contravariant=True)


class Endpoint(Protocol[S, P]):
    """A handler like any other: called with a request, it answers with a response dict; 101 holds the conversation."""

    is_websocket: bool
    __wrapped__: ConversationHandler[S, P]

    def __call__(self, request: S, /, *params: P.args, **keywords: P.kwargs) -> Coroutine[Any, Any, Response]: ...


class OnConnect(Protocol[S_contra]):
    def __call__(self, scope: S_contra, /) -> Greeting: ...


class OnEnd(Protocol[S_contra]):
    def __call__(self, scope: S_contra, /) -> Farewell | Awaitable[Farewell]: ...


@overload
def websocket(handler: ConversationHandler[S, P], /) -> Endpoint[S, P]: ...


@overload
def websocket(
    *,
    on_connect: OnConnect[S] | None = None,
    on_disconnect: OnEnd[S] | None = None,
    on_close: OnEnd[S] | None = None,
    reads: bool = True,
    **limits: Unpack[ConversationLimits],
) -> Callable[[ConversationHandler[S, P]], Endpoint[S, P]]: ...


def websocket(
    handler: Any = None,
    on_connect: Any = None,
    on_disconnect: Any = None,
    on_close: Any = None,
    *,
    reads: bool = True,
    **limits: Unpack[ConversationLimits],
) -> Any:
    """Make an async generator ``handler(scope, receiver, *route_params)`` the handler of a WebSocket.

    The receiver yields ``str`` or ``bytes`` from the client and dicts from timers, feeds and channels; the handler yields
    effects. A coroutine that returns one effect, or ``None``, is fine too. Hooks may be ``async def`` or plain ``def``:

    ``on_connect(scope)``     returns ``ws_accept(...)``, ``ws_close()`` (refuses with 403) or any response (the denial); may add keys to the scope
    ``on_disconnect(scope)``  the client left; once, before ``on_close``
    ``on_close(scope)``       an accepted conversation ended, whoever ended it; once. ``scope["close"]`` is ``{"code", "reason", "by"}``.
    ``reads=False``           the handler only sends: what the client says is discarded, and its leaving noticed at once

    The last two may return an effect or a list of effects (not sends). Keyword ``limits``: those of ``ConversationLimits``;
    a route's ``data["limits"]`` goes before them.

    ``scope["cursor"]`` is where the client wants to go on (the header ``last-event-id``, or the query parameter ``cursor``), where it says so.
    A ``GET`` with ``accept: text/event-stream``, where the row lists ``GET`` beside ``WS``, gets the same conversation as Server-Sent Events: each text an
    event, whose id is where its channels go on; bytes are a ``TypeError``; nothing is ever heard from the client. Any other HTTP request gets 426
    (RFC 9110 15.5.22).

        >>> @websocket
        ... async def echo(scope, receiver):
        ...     async for message in receiver:
        ...         yield {"type": "websocket.send", "text": message}
    """
    decorate = partial(_endpoint, on_connect=on_connect, on_disconnect=on_disconnect, on_close=on_close, reads=reads, limits=limits)
    return decorate if handler is None else decorate(handler)


def _endpoint(handler: Any, *, on_connect: Any, on_disconnect: Any, on_close: Any, reads: bool, limits: ConversationLimits) -> Any:
    if not callable(handler):
        got = "a dict; does @websocket(...) stand above a function?" if isinstance(handler, dict) else repr(handler)
        raise TypeError(f"@websocket: expected an async generator function (scope, receiver, ...), got {got}")
    if isgeneratorfunction(handler):
        raise TypeError(f"@websocket: {handler.__qualname__} is a plain generator; write 'async def {handler.__name__}'")
    name = getattr(handler, "__qualname__", repr(handler))
    check_limits(cast("Mapping[str, object]", limits), where=f"@websocket {name}", local=True)
    for key, hook in {"on_connect": on_connect, "on_disconnect": on_disconnect, "on_close": on_close}.items():
        if hook is not None and not callable(hook):
            raise TypeError(f"@websocket {name}: {key} must be a function of the scope, got {hook!r}")
        if complaint := mismatch(hook, "scope") if hook is not None else None:
            raise TypeError(f"@websocket {name}: {key} is called with (scope): {complaint}")
    greet = None if on_connect is None else as_handler(on_connect)
    hooks = cast(Hooks, {key: as_handler(hook) for key, hook in (("on_disconnect", on_disconnect), ("on_close", on_close)) if hook is not None})
    told: set[str] = set()  # subprotocols already complained about

    @wraps(handler)
    async def endpoint(request: Any, *params: Any) -> Response:
        is_websocket = request["type"] == "websocket"
        if not is_websocket and not (wants_events(request) and "GET" in request.get("route", {}).get("methods", ())):
            return {"status": 426, "headers": {"upgrade": "websocket", "connection": "upgrade"}}
        cursor = read_cursor(request)
        if cursor == END and not is_websocket:
            return {"status": 204}  # this conversation is over: a browser asks no more
        if cursor is not None:
            request["cursor"] = cursor
        own = limits
        if "route" in request and "limits" in request["route"]["data"]:
            own = cast(ConversationLimits, {**limits, **request["route"]["data"]["limits"]})
        if own:
            request["conversation_limits"] = own  # the app, whose accept_s bounds all of the handshake, asks for them
        subprotocol: str | None = None
        headers: Mapping[str, str | list[str]] = {}
        if greet is not None:
            try:
                answer = await within(own.get("accept_s"), greet(request))
            except DeadlinePassed:
                log.warning("%s: on_connect took longer than accept_s; denied with 503", name)
                return {"status": 503}
            if not is_dict(answer) or answer.get("type") != "websocket.accept":
                return _denial(answer, name)
            subprotocol, headers = answer.get("subprotocol"), _as_headers(answer.get("headers"))
            offered: Sequence[str] = request.get("subprotocols") or ()
            if subprotocol is not None and subprotocol not in offered:
                if is_websocket and subprotocol not in told and len(told) < 16:
                    told.add(subprotocol)
                    log.warning("%s: on_connect chose the subprotocol %r, which the client did not offer (RFC 6455 4.2.2); left out", name, subprotocol)
                subprotocol = None
        conversation: Conversation = {"handler": handler, "params": params, "subprotocol": subprotocol, "limits": own, "hooks": hooks, "taps": []}
        if not reads:
            conversation["reads"] = False
        return {"status": 101, "headers": headers, "websocket": conversation}

    setattr(endpoint, "is_websocket", True)  # noqa: B010  # a function has no typed attributes
    return endpoint


def _denial(answer: object, name: str) -> Response:
    """What ``on_connect`` answered instead of an accept, as the response that refuses the handshake."""
    if is_dict(answer):
        if answer.get("type") == "websocket.close":
            return {"status": 403}
        if "status" in answer:
            return cast(Response, answer)
    raise TypeError(f"{name}: on_connect must return ws_accept(...), ws_close() or a response dict, got {answer!r}")


def _as_headers(headers: Any) -> Mapping[str, str | list[str]]:
    """Headers of a ``websocket.accept``: a dict like a response's, or ASGI's own pairs of bytes."""
    if headers is None:
        return {}
    if is_dict(headers):
        return headers
    gathered: dict[str, list[str]] = {}
    for key, value in headers:
        gathered.setdefault(key.decode("latin-1"), []).append(value.decode("latin-1"))
    return gathered
