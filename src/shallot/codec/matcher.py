"""From many patterns to the one that matches a path: a trie of segments. Knows no methods, requests or handlers.

What it costs depends on the path and on how many *kinds* of segment stand in one place, never on the number of patterns:
a segment of text is one look in a dict, and of each converter there is at most one branch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .paths import CONVERTERS, UNMATCHABLE, Parse, Pattern, format_pattern, parse_rest

__all__ = ["Matcher", "build_matcher", "find"]

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Node(Generic[T]):
    """What stands in one place of the path."""

    texts: dict[str, Node[T]] = field(default_factory=dict[str, "Node[T]"])
    branches: dict[str, Node[T]] = field(default_factory=dict[str, "Node[T]"])
    """By converter, while the trie is built."""
    tags: Sequence[tuple[Parse | None, Node[T]]] = ()
    """The branches in the order in which they are tried; ``None``: any text."""
    only_texts: bool = True
    only: tuple[Parse | None, Node[T]] | None = None
    """The one branch, where there is no other and no rest: then no way back is needed."""
    rest: T | None = None
    entry: T | None = None


@dataclass(slots=True, eq=False)
class Matcher(Generic[T]):
    """Patterns ready to be searched. ``texts``: the paths without tags, each with and without its trailing slash."""

    texts: dict[str, T]
    root: Node[T]
    depth: int


def build_matcher(entries: Iterable[tuple[Pattern, T]], own: Mapping[str, Parse] | None = None) -> Matcher[T]:
    """A matcher for ``entries``; of two with patterns of the same shape the last one stays. ``own`` are further converters, tried first, in their order.

    >>> from .paths import parse_pattern
    >>> matcher = build_matcher([(parse_pattern("/users/{name}"), "a user"), (parse_pattern("/users/me"), "myself")])
    >>> find(matcher, "/users/ann"), find(matcher, "/users/me"), find(matcher, "/")
    (('a user', ['ann']), ('myself', []), None)
    """
    parsers: dict[str, Parse | None] = {**(own or {}), **{name: converter.parse for name, converter in CONVERTERS.items()}, "str": None}
    texts: dict[str, T] = {}
    root: Node[T] = Node()
    depth = 0
    for pattern, entry in entries:
        depth = max(depth, len(pattern))
        _insert(root, pattern, entry)
        if all(isinstance(segment, str) for segment in pattern):
            path = format_pattern(pattern)
            texts[path] = entry
            texts[path.rstrip("/") + "/"] = entry
    _freeze(root, parsers)
    return Matcher(texts, root, depth)


def _insert(node: Node[T], pattern: Pattern, entry: T) -> None:
    for segment in pattern:
        if isinstance(segment, str):
            node = node.texts.setdefault(segment, Node())
        elif segment.converter == "path":
            node.rest = entry
            return
        else:
            node = node.branches.setdefault(segment.converter, Node())
    node.entry = entry


def _freeze(node: Node[T], parsers: Mapping[str, Parse | None]) -> None:
    node.tags = [(parse, node.branches[name]) for name, parse in parsers.items() if name in node.branches]
    node.only_texts = not node.tags and node.rest is None
    node.only = node.tags[0] if len(node.tags) == 1 and node.rest is None else None
    for child in (*node.texts.values(), *node.branches.values()):
        _freeze(child, parsers)


def find(matcher: Matcher[T], path: str) -> tuple[T, list[Any]] | None:
    """The most specific entry that matches, with the values of its tags in path order; ``None`` if there is none.

    Most specific: segment by segment from the left, text before converters before ``str`` before ``path``. Trailing slashes are ignored.
    """
    segments = path.rstrip("/").split("/", matcher.depth + 1)  # what is deeper than every pattern stays in one piece
    if segments[0]:
        return None
    values: list[Any] = []
    entry = _find(matcher.root, segments, 1, values)
    return None if entry is None else (entry, values)


def _find(node: Node[T], segments: list[str], at: int, values: list[Any]) -> T | None:
    """The entry below ``node`` for ``segments[at:]``; ``values`` grows by those of the tags on the way, on a way that fails too."""
    while at < len(segments):
        segment = segments[at]
        child = node.texts.get(segment)
        if not node.only_texts:
            if child is not None or node.only is None:
                return _choose(node, child, segments, at, values)
            if segment in UNMATCHABLE:
                return None
            parse, child = node.only
            try:
                values.append(segment if parse is None else parse(segment))
            except ValueError:
                return None
        elif child is None:
            return None
        node, at = child, at + 1
    return node.entry


def _choose(node: Node[T], child: Node[T] | None, segments: list[str], at: int, values: list[Any]) -> T | None:
    """As ``_find``, where more than one way may lead on: each in turn, the most specific first."""
    before = len(values)
    if child is not None:
        entry = _find(child, segments, at + 1, values)
        if entry is not None:
            return entry
        del values[before:]
    segment = segments[at]
    if segment not in UNMATCHABLE:
        for parse, child in node.tags:
            try:
                values.append(segment if parse is None else parse(segment))
            except ValueError:
                continue
            entry = _find(child, segments, at + 1, values)
            if entry is not None:
                return entry
            del values[before:]
    if node.rest is None:
        return None
    try:
        values.append(parse_rest("/".join(segments[at:])))
    except ValueError:
        return None
    return node.rest
