"""Preconditions (RFC 9110 chapter 13): is what the client has still what we have? Pure: header values in, a status out."""

from __future__ import annotations

from collections.abc import Mapping

from .dates import parse_date

__all__ = ["check_preconditions", "is_range_current", "parse_etags"]

_MAX_TAGS = 64
_ALL = -1
_SAFE = {"GET", "HEAD"}


def check_preconditions(method: str, headers: Mapping[str, str], etag: str | None, modified_s: float | None) -> int:
    """200: go on; 304: the client has it already; 412: what it has is not ours any more. In the order of RFC 9110 13.2.2.

    ``etag`` and ``modified_s`` (seconds since 1970) are of what would be sent now, or ``None`` where it has none; ``headers`` have lower case names.

    >>> check_preconditions("GET", {"if-none-match": 'W/"a", "b"'}, '"b"', 0)
    304
    >>> check_preconditions("PUT", {"if-match": '"a"'}, '"b"', 0)
    412
    """
    if_match, if_none_match = headers.get("if-match"), headers.get("if-none-match")
    most = _MAX_TAGS if method in _SAFE else _ALL  # beyond it a client only gets what it has; but a tag passed over would let it change what it must not
    if if_match is not None:
        if not _matches(if_match, etag, most, weak=False):
            return 412
    elif _is_before(headers.get("if-unmodified-since"), modified_s):
        return 412
    if if_none_match is not None:
        if _matches(if_none_match, etag, most, weak=True):
            return 304 if method in _SAFE else 412
    elif method in _SAFE and _is_before(headers.get("if-modified-since"), modified_s) is False:
        return 304
    return 200


def is_range_current(if_range: str | None, etag: str, modified_s: int | None) -> bool:
    """Whether a range of what we have fits to what the client has (RFC 9110 13.1.5): the same strong tag, or the very date; always without ``if-range``.

    ``modified_s`` is ``None`` where the date is no strong validator (8.8.2.2): what may change again within the same second has two contents of one date.
    """
    if if_range is None:
        return True
    if '"' in if_range:
        return if_range.strip(" \t") == etag and not etag.startswith("W/")
    return modified_s is not None and parse_date(if_range) == modified_s


def parse_etags(text: str, most: int = _MAX_TAGS) -> list[str]:
    """The first ``most`` entity tags of a list (-1: all), with their quotes and ``W/``; what is no tag is passed over.

    >>> parse_etags('"a", W/"b,c" , d')
    ['"a"', 'W/"b,c"']
    """
    pieces = text.split('"', 2 * most)
    return [f'W/"{tag}"' if before.endswith("W/") else f'"{tag}"' for before, tag in zip(pieces[::2], pieces[1:-1:2], strict=False)]


def _matches(text: str, etag: str | None, most: int, *, weak: bool) -> bool:
    if text.strip(" \t") == "*":
        return True
    if etag is None:
        return False
    if weak:
        return _opaque(etag) in map(_opaque, parse_etags(text, most))
    return not etag.startswith("W/") and etag in parse_etags(text, most)


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/")


def _is_before(date: str | None, modified_s: float | None) -> bool | None:
    """Whether ``date`` is before ``modified_s``; ``None`` where one of them is not there or no date: it says nothing then."""
    limit = None if date is None else parse_date(date)
    return None if limit is None or modified_s is None else limit < modified_s
