"""apply_middleware: a pile of middlewares and a handler become one handler. Knows the shape of a middleware and of no middleware in particular."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from inspect import Parameter, isawaitable, iscoroutinefunction, signature
from typing import Any, ParamSpec, TypeVar

from .types import Handler, Middleware, NextMiddleware, Response, Spec

__all__ = ["apply_middleware", "as_handler", "chain_middleware", "middleware_factory", "read_spec"]

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


def middleware_factory(factory: Callable[P, Middleware]) -> Callable[P, Middleware]:
    """Mark ``wrap_x`` as a function of options that returns a middleware, which then carries ``.spec = {"name", "options"}``.

    A marked factory may stand in ``apply_middleware`` without parentheses: it is called there without arguments.
    """
    shape = signature(factory)

    @wraps(factory)
    def build(*args: P.args, **keywords: P.kwargs) -> Middleware:
        middleware = factory(*args, **keywords)
        bound = shape.bind(*args, **keywords)
        bound.apply_defaults()
        setattr(middleware, "spec", Spec(name=factory.__name__, options=dict(bound.arguments)))  # noqa: B010  # a function has no typed attributes
        return middleware

    setattr(build, "is_middleware_factory", True)  # noqa: B010
    return build


def apply_middleware(*middlewares: Middleware | Callable[..., Middleware]) -> Callable[[Handler], Callable[[Any], Awaitable[Response]]]:
    """Compose ``middlewares``, the outermost first, into a function that takes the default handler and gives a handler.

    Each is a function ``middleware(next_middleware)`` that returns ``async def x(handler, request)`` and awaits
    ``next_middleware(handler, request)``. A plain ``def`` handler runs in a thread. What was composed stands in ``.spec`` of the result.

        >>> async def hello(request):
        ...     return {"status": 200, "body": b"hello"}
        >>> asyncio.run(apply_middleware()(hello)({}))
        {'status': 200, 'body': b'hello'}
    """
    pile = [_configured(middleware) for middleware in middlewares]
    chained: NextMiddleware = _execute
    for middleware in reversed(pile):
        chained = middleware(chained)
    spec = [_describe(middleware) for middleware in pile]

    def wrap(handler: Handler) -> Callable[[Any], Awaitable[Response]]:
        composed = partial(chained, as_handler(handler))
        setattr(composed, "spec", [*spec, *read_spec(handler)])  # noqa: B010
        return composed

    return wrap


chain_middleware = apply_middleware


def as_handler(handler: Handler) -> Handler:
    """``handler`` as a function that is awaited: a plain ``def`` runs in the app's threads, and an awaitable that it returns is awaited here.

    Decided once, by whether the function (or its ``__call__``) is a coroutine function.
    """
    if not callable(handler):
        raise TypeError(f"a handler must be a function of the request, not {handler!r}")
    if iscoroutinefunction(handler) or iscoroutinefunction(getattr(handler, "__call__", None)) or hasattr(handler, "spec"):
        return handler

    @wraps(handler)
    async def in_thread(request: Any, *params: Any) -> Any:
        run_in_thread = request.get("run_in_thread", asyncio.to_thread)
        answer = await run_in_thread(handler, request, *params)
        return await answer if isawaitable(answer) else answer

    return in_thread


def read_spec(handler: object) -> Sequence[Spec]:
    """What was composed into ``handler``, outermost first; empty for a bare one."""
    spec: Sequence[Spec] = getattr(handler, "spec", ())
    return spec


async def _execute(handler: Handler, request: Any) -> Response:
    """The innermost of each pile: call the handler with the values that the router found, in path order."""
    params = request.get("path_params")
    response: Response = await (handler(request, *params.values()) if params else handler(request))
    return response


def _configured(middleware: Any) -> Middleware:
    if not callable(middleware):
        raise TypeError(f"apply_middleware: expected a middleware, got {middleware!r}")
    if not getattr(middleware, "is_middleware_factory", False):
        plain: Middleware = middleware
        return plain
    required = [
        name for name, option in signature(middleware).parameters.items() if option.default is Parameter.empty and option.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    ]
    if required:
        raise TypeError(f"apply_middleware: {middleware.__name__} needs {', '.join(required)}; write {middleware.__name__}({required[0]}=...)")
    built: Middleware = middleware()
    return built


def _describe(middleware: Any) -> Spec:
    spec: Spec | None = getattr(middleware, "spec", None)
    return spec or Spec(name=getattr(middleware, "__name__", repr(middleware)), options={})
