"""Path patterns and paths: ``parse_pattern`` and ``format_path`` face each other. Knows neither requests nor handlers.

A pattern is a tuple of segments: text that must stand there, or a ``Tag`` whose converter reads one segment (``path``: all that are left).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote
from uuid import UUID

__all__ = ["CONVERTERS", "UNMATCHABLE", "Converter", "Parse", "Pattern", "Tag", "format_path", "format_pattern", "parse_pattern", "parse_rest", "parse_segment"]

Parse: TypeAlias = Callable[[str], Any]
"""A segment's text -> its value, or ``ValueError``: no match."""

UNMATCHABLE = frozenset({"", ".", ".."})
"""Segments that no pattern matches: empty, and RFC 3986's dot segments (5.2.4), which mean another path."""

_FLOAT = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,19})?")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_REFUSED = re.compile(r"[\x00-\x1f\x7f\ufffd\ud800-\udfff]")  # what a request's path never holds


class Tag(NamedTuple):
    """``{name}`` or ``{name:converter}``."""

    name: str
    converter: str


Pattern: TypeAlias = tuple[str | Tag, ...]
"""A path of a row, segment by segment: text as it stands, or a tag."""


class Converter(NamedTuple):
    """One segment's text <-> its value."""

    parse: Parse
    format: Callable[[Any], str]


def parse_segment(text: str) -> str:
    """One whole segment, as it is.

    >>> parse_segment("a b")
    'a b'
    """
    if text in UNMATCHABLE or "/" in text:
        raise ValueError(f"not a segment: {text!r}")
    return text


def parse_rest(text: str) -> str:
    """One or more segments. Never an absolute path, and never a dot segment: joined to a folder it stays inside.

    >>> parse_rest("css/site.css")
    'css/site.css'
    """
    segments = text.split("/")
    if not segments[0] or not segments[-1] or "." in segments or ".." in segments:
        raise ValueError(f"not the rest of a path: {text!r}")
    return text


def _parse_int(text: str) -> int:
    if len(text) <= 19 and text.isascii() and text.isdigit():
        return int(text)
    raise ValueError(f"not 1 to 19 ASCII digits: {text!r}")


def _parse_float(text: str) -> float:
    if _FLOAT.fullmatch(text):
        return float(text)
    raise ValueError(f"not 1 to 19 ASCII digits, with at most 19 after a point: {text!r}")


def _parse_uuid(text: str) -> UUID:
    if _UUID.fullmatch(text):
        return UUID(text)
    raise ValueError(f"not a UUID of the form 8-4-4-4-12: {text!r}")


def _format_text(value: object) -> str:
    if value is None or isinstance(value, bool):
        raise ValueError("it would stand there as a word; write the text you mean")
    return str(value)


def _format_own(value: object) -> str:
    raise ValueError("only wrap_routes knows this converter; give the text that it reads")


def _format_float(value: float) -> str:
    text = _format_text(value)
    if "e" not in text:
        return text
    text = f"{value:.19f}".rstrip("0").rstrip(".")
    if float(text) != value:
        raise ValueError(f"more than 19 digits after the point: {value!r}")
    return text


CONVERTERS: Mapping[str, Converter] = {
    "int": Converter(_parse_int, str),
    "uuid": Converter(_parse_uuid, str),
    "float": Converter(_parse_float, _format_float),
    "str": Converter(parse_segment, _format_text),
    "path": Converter(parse_rest, _format_text),
}
"""By name, the most specific first: where several match a segment, the first row of this table wins."""

_OWN = Converter(parse_segment, _format_own)


def parse_pattern(text: str, converters: Collection[str] | None = tuple(CONVERTERS)) -> Pattern:
    """The segments of a row's path; ``converters`` are the names that a tag may use (``None``: any). ``ValueError`` says what is wrong.

    Trailing slashes mean nothing.

    >>> parse_pattern("/users/{number:int}/")
    ('users', Tag(name='number', converter='int'))
    """
    if not text.startswith("/"):
        raise ValueError(f"a path begins with '/', not like {text!r}")
    bare = text.rstrip("/")
    pattern = tuple(_parse_part(part, converters) for part in bare.split("/")[1:])
    tags = [segment for segment in pattern if isinstance(segment, Tag)]
    for at, tag in enumerate(tags):
        if tag.name in [earlier.name for earlier in tags[:at]]:
            raise ValueError(f"the tag {tag.name!r} stands twice in {text!r}; each value needs a name of its own")
    if any(isinstance(segment, Tag) and segment.converter == "path" for segment in pattern[:-1]):
        raise ValueError(f"a path tag takes all that is left, so it must be the last segment of {text!r}")
    return pattern


def _parse_part(part: str, converters: Collection[str] | None) -> str | Tag:
    if "{" not in part and "}" not in part:
        if part in UNMATCHABLE or _REFUSED.search(part):
            raise ValueError(f"the segment {part!r} can never match: requests with such paths find no row")
        if part.startswith("<") and part.endswith(">"):
            raise ValueError(f"a tag is written '{{name}}' or '{{name:converter}}', not {part!r}")
        return part
    name, colon, converter = part[1:-1].partition(":")
    if not (part.startswith("{") and part.endswith("}")) or "{" in part[1:] or "}" in part[:-1]:
        raise ValueError(f"a tag is one whole segment, '{{name}}' or '{{name:converter}}', not {part!r}")
    if not name.strip():
        raise ValueError(f"the tag {part!r} has no name")
    if colon and converters is not None and converter not in converters:
        raise ValueError(f"no converter is named {converter!r} ({part}); there are {', '.join(converters)}; own ones: wrap_routes(routes, converters={{...}})")
    return Tag(name, converter or "str")


def format_pattern(pattern: Pattern) -> str:
    """The path of a row in its one spelling.

    >>> format_pattern(parse_pattern("/users/{name:str}/"))
    '/users/{name}'
    """
    return "/" + "/".join(segment if isinstance(segment, str) else _format_tag(segment) for segment in pattern)


def _format_tag(tag: Tag) -> str:
    return f"{{{tag.name}}}" if tag.converter == "str" else f"{{{tag.name}:{tag.converter}}}"


def format_path(pattern: Pattern, values: Mapping[str, Any]) -> str:
    """The path (RFC 3986 3.3) that ``pattern`` matches with just these ``values``, percent-encoded as UTF-8.

    The value of a tag with an own converter is its text. ``TypeError`` names missing and unknown values, ``ValueError`` those that would not match.

    >>> format_path(parse_pattern("/users/{name}/{rest:path}"), {"name": "Zoë", "rest": "a/b c"})
    '/users/Zo%C3%AB/a/b%20c'
    """
    names = [segment.name for segment in pattern if isinstance(segment, Tag)]
    if set(names) != set(values):
        missing = [name for name in names if name not in values]
        unknown = [name for name in values if name not in names]
        raise TypeError(f"{format_pattern(pattern)}: missing {', '.join(missing) or 'none'}; unknown {', '.join(unknown) or 'none'}")
    return "/" + "/".join(quote(segment, safe="") if isinstance(segment, str) else _format_value(segment, values[segment.name]) for segment in pattern)


def _format_value(tag: Tag, value: Any) -> str:
    converter = CONVERTERS.get(tag.converter, _OWN)
    try:
        text = value if isinstance(value, str) else converter.format(value)
        converter.parse(text)
        if _REFUSED.search(text):
            raise ValueError("no request's path holds such characters")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} does not fit {_format_tag(tag)}: {error}") from None
    return quote(text, safe="/" if tag.converter == "path" else "")
