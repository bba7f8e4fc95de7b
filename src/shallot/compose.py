"""apply_middleware: a pile of middlewares and a handler become one handler. Knows the shape of a middleware and of no middleware in particular."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from inspect import Parameter, isasyncgenfunction, isawaitable, iscoroutinefunction, isgeneratorfunction, signature
from typing import Any, ParamSpec, cast

from .types import Handler, Layer, Middleware, NextMiddleware, Refusal, Response, Spec

__all__ = ["apply_middleware", "as_handler", "chain_middleware", "check_call", "middleware_factory", "mismatch", "read_refusals", "read_spec"]

P = ParamSpec("P")

_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def middleware_factory(factory: Callable[P, Middleware]) -> Callable[P, Middleware]:
    """Mark ``wrap_x`` as a function of options that returns a middleware, which then carries ``.spec = {"name", "options"}``.

    A marked factory may stand in ``apply_middleware`` without parentheses: it is called there without arguments.
    """
    shape = signature(factory)

    @wraps(factory)
    def build(*args: P.args, **keywords: P.kwargs) -> Middleware:
        try:
            bound = shape.bind(*args, **keywords)
        except TypeError as error:
            raise TypeError(f"{factory.__name__}: {error}; its options are {', '.join(shape.parameters) or 'none'}") from None
        middleware = factory(*args, **keywords)
        bound.apply_defaults()
        setattr(middleware, "spec", Spec(name=factory.__name__, options=dict(bound.arguments)))  # noqa: B010  # a function has no typed attributes
        return middleware

    setattr(build, "is_middleware_factory", True)  # noqa: B010
    return build


def apply_middleware(*middlewares: Layer) -> Callable[[Handler], Callable[[Any], Awaitable[Response]]]:
    """Compose ``middlewares``, the outermost first, into a function that takes the default handler and gives a handler.

    Each is a function ``middleware(next_middleware)`` that returns ``async def x(handler, request)`` and awaits
    ``next_middleware(handler, request)``. A plain ``def`` handler runs in a thread. What was composed stands in ``.spec`` of the result.

    A middleware that has ``on_refusal``, a plain function ``(response, request) -> response``, changes by it the answers that none of them sees:
    those that the app itself gives to what it refuses, or to what a handler raised. One that has ``on_composed``, a function ``(outside, inside)`` of the
    specs of the layers around it and within it, is told them once the pile has its handler, and may raise: that is how it learns of the routes.

        >>> async def hello(request):
        ...     return {"status": 200, "body": b"hello"}
        >>> asyncio.run(apply_middleware()(hello)({}))
        {'status': 200, 'body': b'hello'}
    """
    pile = [_configured(middleware) for middleware in middlewares]
    chained: NextMiddleware = _execute
    for middleware in reversed(pile):
        chained = _chain(middleware, chained)
    spec = [_describe(middleware) for middleware in pile]
    refusals = [change for middleware in reversed(pile) if (change := _refusal(middleware)) is not None]

    def wrap(handler: Handler) -> Callable[[Any], Awaitable[Response]]:
        composed = partial(chained, as_handler(handler))  # not a subclass of partial: calling one costs twice as much
        whole = [*spec, *read_spec(handler)]
        for place, middleware in enumerate(pile):
            if learn := getattr(middleware, "on_composed", None):
                learn(whole[:place], whole[place + 1 :])
        setattr(composed, "spec", whole)  # noqa: B010
        setattr(composed, "refusals", [*read_refusals(handler), *refusals])  # noqa: B010
        return composed

    setattr(wrap, "spec", Spec(name="apply_middleware(...)", options={}))  # noqa: B010  # so that nobody takes it for a handler
    return wrap


chain_middleware = apply_middleware
"""``apply_middleware`` under the other name that the earlier package gives it."""


def as_handler(handler: Handler) -> Handler:
    """``handler`` as a function that is awaited: a plain ``def`` runs in the app's threads, and an awaitable that it returns is awaited here.

    Decided once, by whether the function (or its ``__call__``) is a coroutine function.
    """
    if not callable(handler):
        raise TypeError(f"a handler must be a function of the request, not {'a dict' if isinstance(handler, dict) else repr(handler)}")
    spec: object = getattr(handler, "spec", None)
    if isinstance(spec, dict):  # a middleware, or a pile without its handler: what is composed has a list
        name = cast(Spec, spec)["name"]
        raise TypeError(f"a handler must be a function of the request, and {name} takes a handler; write apply_middleware(...)(standard_not_found)")
    if isasyncgenfunction(handler) or isgeneratorfunction(handler):
        raise TypeError(f"a handler returns a response, but {_name(handler)} is a generator function; a conversation is decorated with @websocket")
    if iscoroutinefunction(handler) or iscoroutinefunction(type(handler).__call__) or _is_composed(handler):
        return handler

    @wraps(handler)
    async def in_thread(request: Any, *params: Any) -> Any:
        run_in_thread = request.get("run_in_thread", asyncio.to_thread)
        answer = await run_in_thread(handler, request, *params)
        return await answer if isawaitable(answer) else answer

    return in_thread


def check_call(where: str, handler: Handler, *tags: str, shown: str = "") -> None:
    """``TypeError`` unless ``handler`` takes the request (of a ``@websocket``: scope and receiver) and the values of ``tags``; ``shown`` is said at its end."""
    arguments = [*(("scope", "receiver") if getattr(handler, "is_websocket", False) else ("request",)), *tags]
    if complaint := mismatch(handler, *arguments):
        raise TypeError(f"{where}: the handler is called with ({', '.join(arguments)}): {complaint}{shown}")


def read_spec(handler: object) -> Sequence[Spec]:
    """What was composed into ``handler``, outermost first; empty for a bare one."""
    spec: Sequence[Spec] = getattr(handler, "spec", ())
    return spec


def read_refusals(handler: object) -> Sequence[Refusal]:
    """The ``on_refusal`` of all middlewares that were composed into ``handler``, innermost first."""
    refusals: Sequence[Refusal] = getattr(handler, "refusals", ())
    return refusals


def _is_composed(handler: Any) -> bool:
    return isinstance(handler, partial) and hasattr(cast(object, handler), "spec")


def _execute(handler: Handler, request: Any) -> Awaitable[Response]:
    """The innermost of each pile: call the handler with the values that the router found, in path order. No coroutine of its own: the handler's is awaited."""
    params = request.get("path_params")
    response: Awaitable[Response] = handler(request, *params.values()) if params else handler(request)
    return response


def mismatch(function: Callable[..., Any], *arguments: str) -> str | None:
    """Why ``function`` cannot be called with just these positional arguments; ``None`` if it can, or does not say.

    >>> mismatch(len, "request", "number")
    'too many positional arguments'
    """
    try:
        signature(function).bind(*arguments)
    except TypeError as error:
        return str(error)
    except ValueError:  # some builtins have no signature
        return None
    return None


def _configured(middleware: Any) -> Middleware:
    plain: Middleware = middleware
    if not callable(middleware):
        cure = "; write apply_middleware(*layers)" if isinstance(middleware, (list, tuple)) else ""
        raise TypeError(f"apply_middleware: expected a middleware, got {middleware!r}{cure}")
    if iscoroutinefunction(middleware):
        name = _name(middleware)
        cure = f"a middleware is a plain def that returns async def x(handler, request); a handler stands behind: apply_middleware(...)({name})"
        raise TypeError(f"apply_middleware: {name} is an async function; {cure}")
    if not getattr(middleware, "is_middleware_factory", False):
        return plain
    required = [name for name, option in signature(middleware).parameters.items() if option.default is Parameter.empty and option.kind not in _VARIADIC]
    if required:
        options = ", ".join(f"{name}=..." for name in required)
        raise TypeError(f"apply_middleware: {_name(middleware)} needs {' and '.join(required)}; write {_name(middleware)}({options})")
    built: Any = middleware()
    return cast(Middleware, built)


def _refusal(middleware: Any) -> Refusal | None:
    change: Refusal | None = getattr(middleware, "on_refusal", None)
    if change is not None and (not callable(change) or iscoroutinefunction(change)):
        raise TypeError(f"apply_middleware: on_refusal of {_name(middleware)} must be a plain function of (response, request), not {change!r}")
    return change


def _chain(middleware: Middleware, following: NextMiddleware) -> NextMiddleware:
    chained = middleware(following)
    complaint = mismatch(chained, "handler", "request") if callable(chained) else "that is no function"
    if complaint:
        cure = f"if it takes options, write {_name(middleware)}(...)"
        raise TypeError(f"apply_middleware: {_name(middleware)} must return a function of (handler, request), not {chained!r}: {complaint}; {cure}")
    return chained


def _describe(middleware: Any) -> Spec:
    spec: Spec | None = getattr(middleware, "spec", None)
    return spec or Spec(name=_name(middleware), options={})


def _name(function: Any) -> str:
    return getattr(function, "__name__", None) or repr(function)
