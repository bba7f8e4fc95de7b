"""A table of routes, nested as it was written -> flat rows, checked. Knows rows, not requests; calls no handler."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeAlias

from ..types import Spec
from .paths import CONVERTERS, Pattern, format_pattern, parse_pattern

__all__ = ["Row", "check_seen", "layers_over", "read_routes", "rows_of", "show_row", "unseen_rows", "walk_routes"]

_METHOD = re.compile(r"[A-Z][A-Z0-9!#$%&'*+.^_`|~-]*")  # RFC 9110 9.1, and upper case as all registered ones are
_FORMS = "a row is (path, methods, handler), (path, methods, handler, data), (prefix, rows) or (prefix, rows, data)"


Data: TypeAlias = Mapping[str, Any]


class Row(NamedTuple):
    """A route as it is served: nesting resolved."""

    path: str
    pattern: Pattern
    methods: tuple[str, ...]
    handler: Any
    data: Data


def show_row(path: object, methods: object, handler: object) -> str:
    """A row as an error prints it."""
    return f"\n    ({path!r}, {methods!r}, {getattr(handler, '__qualname__', repr(handler))})"


def walk_routes(routes: Sequence[Any], prefix: str = "", outer: tuple[Data, ...] = ()) -> Iterator[tuple[str, Sequence[Any], tuple[Data, ...]]]:
    """Each row with its whole path and the ``data`` of the prefixes around it, the outermost first. Checks only what it needs to go on."""
    for row in routes:
        if not _is(row, tuple, list) or not 2 <= len(row) <= 4:
            _refuse(TypeError, _FORMS, f"\n    {row!r}")
        if not _is(row[0], str) or not row[0].startswith("/"):
            _refuse(ValueError, "a path is a str that begins with '/'", f"\n    {row!r}")
        path = prefix + row[0]
        if len(row) == 2 or (len(row) == 3 and _is(row[2], Mapping)):
            if not _is(row[1], Sequence) or any(_is(inner, str) for inner in row[1]):
                _refuse(TypeError, f"{_FORMS}; here the handler is missing, or is none", f"\n    {row!r}")
            data: Data = row[2] if len(row) == 3 else {}
            if "name" in data:
                _refuse(ValueError, "a name belongs to one row, not to a prefix", f"\n    {row!r}")
            yield from walk_routes(row[1], path.rstrip("/"), (*outer, data))
        else:
            yield path, row, outer


def read_routes(routes: Sequence[Any], converters: Collection[str] = CONVERTERS) -> list[Row]:
    """All rows, flat. ``TypeError`` or ``ValueError`` prints the rows that are wrong, name one thing twice or would match the same requests.

    >>> [row] = read_routes([("/fruits", [("/{number:int}", ["GET"], print, {"name": "fruit"})], {"public": True})])
    >>> row.path, row.methods, row.data
    ('/fruits/{number:int}', ('GET',), {'public': True, 'name': 'fruit'})
    """
    rows: list[Row] = []
    shapes: dict[tuple[object, ...], Row] = {}
    names: dict[object, Row] = {}
    for path, written, outer in walk_routes(routes):
        row = _read_row(path, written, outer, converters)
        shape = tuple(segment if isinstance(segment, str) else (segment.converter,) for segment in row.pattern)
        for method in row.methods:
            _claim(shapes, (method, *shape), row, f"both rows match the same {method} requests")
        if "name" in row.data:
            _claim(names, row.data["name"], row, f"both rows have the name {row.data['name']!r}")
        rows.append(row)
    return rows


def rows_of(specs: Sequence[Spec]) -> list[Row]:
    """All rows of the ``wrap_routes`` among ``specs``, which ``app.spec`` lists: for whoever must know the table before the first request.

    >>> [row.path for row in rows_of([{"name": "wrap_routes", "options": {"routes": [("/fruits", ["GET"], print)]}}, {"name": "wrap_x", "options": {}}])]
    ['/fruits']
    """
    tables = [spec["options"] for spec in specs if spec["name"] == "wrap_routes"]
    return [row for table in tables for row in read_routes(table["routes"], [*(table.get("converters") or ()), *CONVERTERS])]


def unseen_rows(specs: Sequence[Spec], layer: str, key: str) -> list[Row]:
    """The rows of an ``app.spec`` whose data says something under ``key``, be it ``None``, with no ``layer`` between the table and the handler, or in their own
    ``middlewares``, that would read it.

    >>> specs = [{"name": "wrap_routes", "options": {"routes": [("/a", ["GET"], print, {"auth": True})]}}]
    >>> len(unseen_rows(specs, "wrap_auth", "auth")), unseen_rows([*specs, {"name": "wrap_auth", "options": {}}], "wrap_auth", "auth")
    (1, [])
    """
    tables = [(specs[place:], rows_of([spec])) for place, spec in enumerate(specs)]
    return [row for inside, rows in tables for row in rows if key in row.data and not layers_over(inside, row, layer)]


def layers_over(specs: Sequence[Spec], row: Row, layer: str) -> list[Spec]:
    """Those of ``specs`` and of the row's own ``middlewares`` that have the name ``layer``."""
    own: list[Spec | None] = [getattr(middleware, "spec", None) for middleware in row.data.get("middlewares", ())]
    return [spec for spec in [*specs, *own] if spec is not None and spec["name"] == layer]


def check_seen(specs: Sequence[Spec], layer: str, *keys: str) -> None:
    """``ValueError`` where a row inside of ``layer`` says something under one of ``keys`` that nobody reads: what a row asks for is never left out silently."""
    for key in keys:
        if rows := unseen_rows(specs, layer, key):
            raise ValueError(f"{layer}: the row {rows[0].path!r} has {key}, which only a {layer} inside wrap_routes sees; put it behind")


def _read_row(path: str, written: Sequence[Any], outer: Sequence[Data], converters: Collection[str]) -> Row:
    methods, handler = written[1:3]
    shown = show_row(path, methods, handler)
    try:
        pattern = parse_pattern(path, converters)
    except ValueError as error:
        _refuse(ValueError, str(error), shown)
    if _is(methods, str, bytes) or not _is(methods, Collection):
        _refuse(TypeError, f"methods are a list: write [{methods!r}]", shown)
    if not methods:
        _refuse(ValueError, "a row needs at least one method", shown)
    for method in methods:
        if not _is(method, str) or not _METHOD.fullmatch(method) or method == "WEBSOCKET":
            _refuse(ValueError, f"{method!r} is no method; they are upper case, 'GET', and 'WS' is a WebSocket", shown)
    data: Data = written[3] if len(written) == 4 else {}
    if not _is(data, Mapping):
        _refuse(TypeError, f"a row's data is a dict, not {data!r}", shown)
    merged = _merge((*outer, data), shown)
    if not _is(merged.get("name", ""), str):
        _refuse(TypeError, f"a name is a str, not {merged['name']!r}", shown)
    return Row(format_pattern(pattern), pattern, tuple(methods), handler, merged)


def _merge(datas: Sequence[Data], shown: str) -> dict[str, Any]:
    """Data of a row: the inner key wins; ``middlewares`` are all of them, the outermost first; ``limits`` are merged like data."""
    merged: dict[str, Any] = {}
    for data in datas:
        inner = dict(data)
        if "middleware" in inner:
            _refuse(ValueError, "the data has 'middleware', which nobody reads; write 'middlewares'", shown)
        if "middlewares" in inner:
            if not _is(inner["middlewares"], list, tuple):
                _refuse(TypeError, f"middlewares are a list, not {inner['middlewares']!r}", shown)
            inner["middlewares"] = [*merged.get("middlewares", ()), *inner["middlewares"]]
        if "limits" in inner:
            if not _is(inner["limits"], Mapping):
                _refuse(TypeError, f"limits are a dict, not {inner['limits']!r}", shown)
            inner["limits"] = {**merged.get("limits", {}), **inner["limits"]}
        merged.update(inner)
    return merged


def _claim(taken: dict[Any, Row], key: object, row: Row, complaint: str) -> None:
    other = taken.setdefault(key, row)
    if other is not row:
        _refuse(ValueError, complaint, show_row(*_shown(other)) + show_row(*_shown(row)))


def _shown(row: Row) -> tuple[str, list[str], Any]:
    return row.path, list(row.methods), row.handler


def _is(value: object, *kinds: type) -> bool:
    """``isinstance`` that tells a type checker nothing: what users write is checked here, not trusted."""
    return isinstance(value, kinds)


def _refuse(kind: type[Exception], complaint: str, shown: str) -> NoReturn:
    raise kind(f"routes: {complaint}{shown}")
