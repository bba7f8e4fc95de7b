"""wrap_routes: the handler is chosen by a table of routes. url_for: the way back, from a route's name to a path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import isasyncgenfunction, iscoroutine, isgeneratorfunction
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from ..codec.matcher import Matcher, build_matcher, find
from ..codec.paths import CONVERTERS, Parse, Tag, format_path, parse_pattern
from ..codec.routes import Row, read_routes, show_row, walk_routes
from ..compose import apply_middleware, as_handler, check_call, middleware_factory
from ..limits import check_limits
from ..response import problem, with_header
from ..types import Handler, Middleware, NextMiddleware, Response, RouteMatch, Routes

__all__ = ["build_table", "routes_request", "url_for", "wrap_routes"]


@dataclass(slots=True, eq=False)
class Target:
    """What a request's path and method lead to."""

    handler: Handler
    route: RouteMatch
    name_values: Callable[[Sequence[Any]], dict[str, Any]]
    takes_rest: bool


Table: TypeAlias = Mapping[str, Matcher[Target]]
"""Per method, so that the most specific row *that has the method* is the first one found."""


@middleware_factory
def wrap_routes(
    routes: Routes | Sequence[tuple[object, ...]], *, converters: Mapping[str, Parse] | None = None, encoded_slash: Literal["reject", "decode"] = "reject"
) -> Middleware:
    """Call the handler of the row that matches the request's ``path`` and ``method``; where none does, the default handler.

    ``routes``         rows ``(path, methods, handler)`` or ``(path, methods, handler, data)``; nested ``(prefix, rows)`` or ``(prefix, rows, data)``
    ``converters``     your own, by name: ``{"hex": parse}``; ``parse(text)`` returns the value or raises ``ValueError`` (no match)
    ``encoded_slash``  ``"reject"`` (default): 400 where ``%2F`` stands inside what a one-segment tag reads; ``"decode"``: it is a separator like ``/``

    **Paths.** A tag is a whole segment; the values follow the request in path order (after the receiver for a WebSocket):

    ``{tag}``        ``str``, any text
    ``{tag:int}``    1 to 19 ASCII digits
    ``{tag:uuid}``   8-4-4-4-12 hexadecimal digits
    ``{tag:float}``  1 to 19 ASCII digits, and as many after a point
    ``{tag:path}``   all that is left, at least one segment; only as the last

    Trailing slashes are ignored, case is not; empty and dot segments match nothing. The most specific row that has the method wins: from the left,
    text goes before your own converters, then ``int``, ``uuid``, ``float``, ``str`` and ``path``.

    **Methods** are upper case; ``"WS"`` is a WebSocket. Unless a row has them, ``HEAD`` is answered by ``GET``'s row and ``OPTIONS`` by 204 with ``allow``.
    Where the path has rows but none with the method, the answer is 405 with ``allow`` (RFC 9110 15.5.6), 426 for HTTP where all rows are ``WS`` (15.5.22),
    and 404 for a WebSocket where no row is, which denies the handshake. These answers travel like a handler's: the middlewares inside of this one still
    run, and see no ``request["route"]``.

    **Data** is merged downwards, the inner key winning. Anything may stand there; these keys have a meaning here:

    ``name``         for ``url_for``; of one row, not of a prefix
    ``summary``      for documentation
    ``limits``       those of ``ConversationLimits``, merged key by key
    ``middlewares``  for this row only, inside all others; those of an outer prefix run outside those of an inner one

    Adds ``request["path_params"]``, the values by tag, and ``request["route"]``, ``{"path", "methods", "name", "data"}``: one dict for all requests of
    the row, to be read only. Of two ``wrap_routes`` in a pile the inner one decides where it knows the path.

    ``TypeError`` and ``ValueError`` at start print the rows: two that match the same requests or have one name; malformed paths, methods, data and limits;
    unknown converters; handlers that cannot take their row's values.

        >>> async def show(request, number):
        ...     return {"status": 200, "body": f"fruit {number + 1}".encode()}
        >>> fruits = apply_middleware(wrap_routes([("/fruits/{number:int}", ["GET"], show)]))
        >>> import asyncio
        >>> asyncio.run(fruits(show)({"method": "GET", "path": "/fruits/41"}))["body"]
        b'fruit 42'
    """
    if encoded_slash not in ("reject", "decode"):
        raise ValueError(f"wrap_routes: encoded_slash is 'reject' or 'decode', not {encoded_slash!r}")
    table = build_table(routes, converters)
    reject = encoded_slash == "reject"

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        def route(handler: Handler, request: Any) -> Any:  # no coroutine of its own: what comes next is awaited where this is
            found = routes_request(request, table, reject)
            return next_middleware(handler if found is None else found, request)

        return route

    return middleware


def routes_request(request: Any, table: Table, reject: bool = True) -> Handler | None:
    """The handler for ``request`` (which gets ``route``, ``path_params``), or one that answers 405, 204, 426, 404 or 400; ``None``: no row has the path."""
    matcher = table.get(request["method"])
    if matcher is None:
        return _answer(request, table)
    path = request["path"]
    target = matcher.texts.get(path)
    if target is None:
        found = find(matcher, path)
        raw = request.get("raw_path")
        if raw and _PERCENT in raw and reject and _hides_slash(matcher, found, path, raw):
            return _BAD_PATH
        if found is None:
            return _answer(request, table)
        target, values = found
        request["path_params"] = target.name_values(values)
    else:
        request["path_params"] = {}
    request["route"] = target.route
    return target.handler


def url_for(routes: Routes | Sequence[tuple[object, ...]], name: str, /, **params: Any) -> str:
    """The path of the row with this ``name``, its tags filled from ``params`` and percent-encoded as UTF-8 (RFC 3986), without ``root_path``.

    ``LookupError`` lists the names there are, ``TypeError`` missing and unknown parameters; ``ValueError`` names a value that the row would not match.
    The value of an own converter is its text. Nothing is kept between calls: each walks the table.

        >>> url_for([("/fruits/{name}", ["GET"], print, {"name": "fruit"})], "fruit", name="crème brûlée")
        '/fruits/cr%C3%A8me%20br%C3%BBl%C3%A9e'
    """
    for path, row, _ in walk_routes(routes):
        if len(row) == 4 and row[3].get("name") == name:
            try:
                return format_path(parse_pattern(path, None), params)
            except (TypeError, ValueError) as error:
                raise type(error)(f"url_for: {name!r}: {error}") from None
    names = sorted(row[3]["name"] for _, row, _ in walk_routes(routes) if len(row) == 4 and "name" in row[3])
    raise LookupError(f"url_for: no route is named {name!r}; there are {', '.join(names) or 'none'}")


def build_table(routes: Routes | Sequence[tuple[object, ...]], converters: Mapping[str, Parse] | None = None) -> Table:
    """``routes`` checked and ready for ``routes_request``; see ``wrap_routes``."""
    own = dict(converters or {})
    for name, parse in own.items():
        if name in CONVERTERS:
            raise ValueError(f"wrap_routes: the converter {name!r} is built in; give yours another name")
        if not callable(parse):
            raise TypeError(f"wrap_routes: the converter {name!r} must be a function of the segment's text, not {parse!r}")
    rows = read_routes(routes, [*own, *CONVERTERS])
    targets = [(row, _target(row)) for row in rows]
    methods = {method for row in rows for method in row.methods}
    table = {method: build_matcher(_having(targets, method), own) for method in methods}
    if "GET" in methods:
        table["HEAD"] = build_matcher([*_having(targets, "GET"), *_having(targets, "HEAD")], own)  # in one place HEAD's own row stays: RFC 9110 9.3.2
    return table


def _having(targets: Iterable[tuple[Row, Target]], method: str) -> list[tuple[Any, Target]]:
    return [(row.pattern, target) for row, target in targets if method in row.methods]


def _target(row: Row) -> Target:
    tags = [segment for segment in row.pattern if isinstance(segment, Tag)]
    _check_handler(row, [tag.name for tag in tags])
    handler = as_handler(row.handler)
    if middlewares := row.data.get("middlewares"):
        handler = _wrapped(handler, apply_middleware(*middlewares)(handler))
    route = RouteMatch(path=row.path, methods=row.methods, name=row.data.get("name"), data=row.data)
    return Target(handler, route, _naming([tag.name for tag in tags]), bool(tags) and tags[-1].converter == "path")


def _naming(tags: Sequence[str]) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """Values -> values by tag. Written out for one and two, which nearly all rows have: that takes a third of the time."""
    if len(tags) == 1:
        (only,) = tags
        return lambda values: {only: values[0]}
    if len(tags) == 2:
        first, second = tags
        return lambda values: {first: values[0], second: values[1]}
    return lambda values: dict(zip(tags, values, strict=True))


def _wrapped(handler: Handler, composed: Handler) -> Handler:
    @wraps(handler)
    async def with_middlewares(request: Any, *params: Any) -> Any:
        return await composed(request)  # which takes the values from request["path_params"], as the row's own pile does

    return with_middlewares


def _check_handler(row: Row, tags: Sequence[str]) -> None:
    shown = show_row(row.path, list(row.methods), row.handler)
    check_limits(row.data.get("limits", {}), where=f"routes: {shown.strip()}", local=True)
    if getattr(row.handler, "is_websocket", False) and "WS" not in row.methods:
        raise ValueError(f"routes: a @websocket handler needs the method 'WS'{shown}")
    if not callable(row.handler):
        called = "; here it was called already: leave out the parentheses" if iscoroutine(row.handler) else ""
        raise TypeError(f"routes: a handler is a function of the request{called}{shown}")
    if isasyncgenfunction(row.handler) or isgeneratorfunction(row.handler):
        raise TypeError(f"routes: a handler returns a response, and this one is a generator function; a conversation is decorated with @websocket{shown}")
    check_call("routes", row.handler, *tags, shown=shown)


# ---- answers where the path has rows, but none with the method


def _answering(response: Response) -> Handler:
    headers = response.get("headers", {})

    async def answer(request: Any, *params: Any) -> Response:
        return {**response, "headers": {**headers}}  # a fresh one: what a middleware of the user's own does to it reaches no other request

    return answer


_BAD_PATH = _answering(problem(400))
_NOT_FOUND = _answering(problem(404))
_UPGRADE = _answering(with_header(with_header(problem(426), "upgrade", "websocket"), "connection", "upgrade"))


def _answer(request: Any, table: Table) -> Handler | None:
    methods = {method for method, matcher in table.items() if find(matcher, request["path"])}
    if not methods:
        return None
    if request["method"] == "WS":
        return _NOT_FOUND
    if methods == {"WS"}:
        return _UPGRADE
    allow = ", ".join(sorted({*methods, "OPTIONS"} - {"WS"}))
    return _answering(with_header({"status": 204} if request["method"] == "OPTIONS" else problem(405), "allow", allow))


_PERCENT = ord("%")
_SLASH = re.compile(rb"%2f", re.IGNORECASE)


def _hides_slash(matcher: Matcher[Target], found: tuple[Target, list[Any]] | None, path: str, raw: bytes) -> bool:
    """Whether an encoded slash, which is data (RFC 3986 2.2), became a separator where a one-segment tag reads, or kept one from reading."""
    told_apart = unquote_to_bytes(_SLASH.sub(b"%00", raw)).decode("utf-8", "replace")[-len(path) :]  # a path holds no NUL: the core refuses it
    if found is None:
        return "\0" in told_apart and find(matcher, told_apart) is not None
    target, values = found
    before_rest = len(path.rstrip("/")) - len(values[-1]) if target.takes_rest else len(path)
    return "\0" in told_apart[:before_rest]
