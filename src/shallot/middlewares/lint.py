"""wrap_lint and lint_layers: the contract as code, to be worn by tests. It knows SPEC.md (``contract``) and of no layer what it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, cast

from ..compose import middleware_factory
from ..contract import effect_faults, message_faults, request_faults, response_faults
from ..outcomes import with_tap
from ..types import Handler, Layer, Middleware, NextMiddleware, Response, Tap

__all__ = ["lint_layers", "lint_request", "lint_response", "lint_tap", "wrap_lint"]


def lint_request(request: Any, blamed: str) -> Any:
    """``request``; ``TypeError`` says what ``blamed`` made of it that SPEC.md does not allow.

    >>> lint_request({"type": "http"}, "wrap_mine")
    Traceback (most recent call last):
    ...
    TypeError: lint: wrap_mine broke the contract: request: needs the key 'method'; ... and 5 more
    """
    _blame(request_faults(request), blamed)
    return request


def lint_response(response: Any, request: Mapping[str, Any], blamed: str) -> Response:
    """``response``; ``TypeError`` says what ``blamed`` made of it that SPEC.md does not allow.

    >>> lint_response(None, {"type": "http", "method": "GET"}, "wrap_mine")
    Traceback (most recent call last):
    ...
    TypeError: lint: wrap_mine broke the contract: expected a response, a dict like {'status': 200}, got None
    """
    _blame(response_faults(response, request), blamed)
    return cast(Response, response)


def lint_tap(heard: str, yielded: str) -> Tap:
    """A tap that lets everything pass which SPEC.md allows. ``heard`` is blamed for other messages, ``yielded`` for other effects."""

    def message(scope: Any, message: Any) -> Any:
        _blame(message_faults(message), heard)
        return message

    def effect(scope: Any, effect: Any) -> Any:
        _blame(effect_faults(effect), yielded)
        return effect

    return {"message": message, "effect": effect}


@middleware_factory
def wrap_lint(place: str = "") -> Middleware:
    """Check against SPEC.md all that passes here: the request on its way in, the response on its way out, and each message and effect of a conversation.

    ``place``  said in the error, to tell several of them apart: ``wrap_lint("inside wrap_session")``

    What breaks the contract is a ``TypeError`` that names the keys, and the side that did it: whoever is outside of here made the request, whoever is
    inside the response. To have the layer itself named, put ``lint_layers`` around all of them. It costs time with each request: it is for tests.

    WebSocket: the same for the handshake; messages and effects are checked by a tap. A wrong effect raises at its ``yield``, a wrong message in the
    receiver's iteration.

        >>> wrap_lint("outermost").spec
        {'name': 'wrap_lint', 'options': {'place': 'outermost'}}
    """
    here = f" ({place})" if place else ""
    outside, inside = f"a layer outside of wrap_lint{here}", f"the handler, or a layer inside of wrap_lint{here}"
    yielding = f"the handler, or the tap of a layer outside of wrap_lint{here}"

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def lint(handler: Handler, request: Any) -> Response:
            response = await next_middleware(handler, lint_request(request, outside))
            return with_tap(lint_response(response, request, inside), lint_tap(outside, yielding))

        return lint

    return middleware


def lint_layers(*layers: Layer) -> list[Middleware]:
    """``layers`` with a check between each two of them, so that the layer that breaks the contract is named, and not the one that stumbles.

    Beside SPEC.md it finds a layer that changes, in place, the response that it was given. Write it where the layers stand:

        >>> from shallot.compose import apply_middleware
        >>> def wrap_wrong(next_middleware):
        ...     async def wrong(handler, request):
        ...         await next_middleware(handler, request)
        ...     return wrong
        >>> async def hello(request):
        ...     return {"status": 200}
        >>> request = {"type": "http", "method": "GET", "path": "/", "headers": {}, "headers_list": [], "body": b"", "config": {}}
        >>> import asyncio
        >>> asyncio.run(apply_middleware(*lint_layers(wrap_lint(), wrap_wrong))(hello)(request))
        Traceback (most recent call last):
        ...
        TypeError: lint: wrap_wrong broke the contract: expected a response, a dict like {'status': 200}, got None

    What ``app.spec`` says of each layer stays; the first in the list is a ``wrap_lint`` that watches what the handler yields.

    WebSocket: as in ``wrap_lint``; what the tap of a layer makes of a message or an effect is checked too.
    """
    return [wrap_lint("outside of all"), *(_watched(cast(Middleware, layer)) for layer in layers)]


_GIVEN: ContextVar[list[tuple[Any, Any]]] = ContextVar("given")
"""What the layer that runs now was given by those inside of it: the responses, each with a copy from before it could touch them."""


def _watched(layer: Any) -> Middleware:
    middleware: Middleware = layer() if getattr(layer, "is_middleware_factory", False) else layer
    spec: Any = getattr(middleware, "spec", None)
    name: str = spec["name"] if spec else getattr(middleware, "__name__", repr(middleware))

    def watched(next_middleware: NextMiddleware) -> NextMiddleware:
        async def below(handler: Handler, request: Any) -> Response:
            """What the layer calls."""
            given = _GIVEN.get()
            response = await next_middleware(handler, lint_request(request, name))
            lint_response(response, request, f"the handler {_name(handler)}")  # layers between were watched: if it is wrong now, the handler did it
            given.append((response, _copy(response)))
            return response

        layered = middleware(below)
        if not callable(layered):  # pyright: ignore[reportUnnecessaryComparison]  # a user's own; apply_middleware has the words for it
            return layered

        async def above(handler: Handler, request: Any) -> Response:
            given: list[tuple[Any, Any]] = []
            token = _GIVEN.set(given)
            try:
                response: Response = await layered(handler, request)
            finally:
                _GIVEN.reset(token)
            for inner, before in given:
                _blame([f"it changed response[{key!r}] in place; a middleware returns a changed copy" for key in _changed(before, _copy(inner))], name)
            return _with_watched_taps(lint_response(response, request, name), given, name)

        return above

    vars(watched).update(vars(middleware) if hasattr(middleware, "__dict__") else {})  # its spec, and what else it carries
    watched.__name__ = name
    return watched


def _with_watched_taps(response: Response, given: list[tuple[Any, Any]], name: str) -> Response:
    """``response`` with a check behind each tap that this layer has added."""
    if "websocket" not in response:
        return response
    conversation = response["websocket"]
    others = [tap for inner, _ in given if "websocket" in inner for tap in inner["websocket"]["taps"]]
    taps = [tap if any(tap is other for other in others) else _watched_tap(tap, f"the tap of {name}") for tap in conversation["taps"]]
    return {**response, "websocket": {**conversation, "taps": taps}}


def _watched_tap(tap: Tap, name: str) -> Tap:
    def checked(key: str, faults: Callable[[Any], list[str]]) -> Callable[[Any, Any], Any]:
        change: Callable[[Any, Any], Any] = cast("dict[str, Any]", tap)[key]

        def watched(scope: Any, value: Any) -> Any:
            if (left := change(scope, value)) is not None:
                _blame(faults(left), name)
            return left

        return watched

    tables = {"message": message_faults, "effect": effect_faults}
    return cast(Tap, {**tap, **{key: checked(key, faults) for key, faults in tables.items() if key in tap}})


def _copy(response: Any) -> dict[str, Any]:
    """``response`` as it is now, down to where a layer might change it."""
    return {key: _copy_value(value) for key, value in response.items()}


def _copy_value(value: Any) -> Any:
    """Dicts and lists are copied; all else is compared as it is."""
    if type(value) is dict:
        return _copy(value)
    return list(map(_copy_value, value)) if type(value) is list else value  # pyright: ignore[reportUnknownArgumentType]


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [key for key in {**before, **after} if key not in before or key not in after or before[key] != after[key]]


def _blame(faults: list[str], blamed: str) -> None:
    if faults:
        others = f"; ... and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise TypeError(f"lint: {blamed} broke the contract: {faults[0]}{others}")


def _name(handler: Any) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)
