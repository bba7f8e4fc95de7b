"""Query strings and urlencoded forms <-> dicts of lists (the WHATWG's application/x-www-form-urlencoded)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes, urlencode

from ..errors import BadRequest

__all__ = ["FORM_LIMITS", "FormLimits", "format_query", "nest_params", "parse_query"]


class FormLimits(NamedTuple):
    """The bounds of a form, of both kinds; those of files and parts hold for ``multipart/form-data`` alone. Beyond one is 413, with too many pairs 400."""

    max_bytes: int = 10 * 1024 * 1024
    max_fields: int = 1000
    max_files: int = 100
    max_text_bytes: int = 500_000
    """Of all values that are no files together."""
    max_part_headers: int = 8
    max_header_bytes: int = 4096
    """Of each header line of a part."""
    max_preamble_bytes: int = 16 * 1024


FORM_LIMITS = FormLimits()
"""The defaults."""

MAX_NESTING = 5
MAX_INDEX = 100

_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_query(
    data: bytes | str,
    *,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    encoding: str = "utf-8",
    max_params: int = FORM_LIMITS.max_fields,
) -> dict[str, list[str]]:
    """``a=1&b=2&a=3`` as ``{"a": ["1", "3"], "b": ["2"]}``: each name with all of its values in order; only ``&`` separates.

    keep_blank_values  False    also pairs without a value, as ``""``; else they are left out
    strict_parsing     False    a pair without ``=`` is an error; else it is a blank value
    encoding           "utf-8"  of the bytes, percent-encoded or not
    max_params         1000     pairs, empty ones included

    ``errors.BadRequest`` where there are more, where a ``%`` is not followed by two hexadecimal digits and where bytes are not of the encoding.

        >>> parse_query(b"q=a+b&q=%C3%A9&empty=")
        {'q': ['a b', 'é']}
    """
    try:
        text = data if isinstance(data, str) else data.decode(encoding)
        if not text:
            return {}
        if text.count("&") >= max_params:
            raise BadRequest(f"more than {max_params} parameters")
        if "+" in text:
            text = text.replace("+", " ")
        decode = "%" in text
        if decode and (broken := _BROKEN_PERCENT.search(text)):
            raise BadRequest(f"parameters: a % without two hexadecimal digits at character {broken.start()}")
        params: dict[str, list[str]] = {}
        for pair in text.split("&"):
            name, equals, value = pair.partition("=")
            if strict_parsing and not equals:
                raise BadRequest("parameters: a pair without =")
            if not (value or keep_blank_values) or not pair:
                continue
            if decode:
                name, value = _unquote(name, encoding), _unquote(value, encoding)
            if name in params:
                params[name].append(value)
            else:
                params[name] = [value]
    except UnicodeError:
        raise BadRequest(f"parameters: bytes that are not {encoding}") from None
    return params


def _unquote(text: str, encoding: str) -> str:
    return unquote_to_bytes(text.encode(encoding)).decode(encoding) if "%" in text else text


def format_query(params: Mapping[str, object | Iterable[object]], *, encoding: str = "utf-8") -> str:
    """The query string of ``params``, whose values are ``str``, numbers, or lists of them; the counterpart of ``parse_query``.

    >>> format_query({"q": ["a b", "é"], "page": 2})
    'q=a+b&q=%C3%A9&page=2'
    """
    return urlencode(params, doseq=True, encoding=encoding, errors="strict")


# ---- names that nest

_NESTED = re.compile(r"([^\[\]]++)((?:\[[^\[\]]++\])*+)(?:\[\])?")
_DIGITS = re.compile(r"[0-9]++")


def nest_params(params: Mapping[str, list[str]]) -> dict[str, Any]:
    """``{"a[b]": ["1"]}`` as ``{"a": {"b": ["1"]}}``. What stands at the end of a name is a list of values as it was.

    ``name[key]`` makes a dict, ``name[0]`` a list in the order of its numbers (0 to 100, gaps close up), and ``[]`` at the end of a name says nothing.
    A name of any other form (``a[b``, ``[a]``, ``a[][b]``) stays as it is. ``errors.BadRequest`` for more than 5 names in one, a larger number, and
    for a place that is to be two things at once (``a`` and ``a[b]``, ``a[0]`` and ``a[b]``).

        >>> nest_params({"item[0][name]": ["pear"], "item[1][name]": ["plum"], "tags[]": ["a", "b"]})
        {'item': [{'name': ['pear']}, {'name': ['plum']}], 'tags': ['a', 'b']}
    """
    tree: _Tree = {}
    for name, values in params.items():
        place = tree
        *outer, last = _keys_of(name)
        for key in outer:
            inner = place.setdefault(key, {})
            if isinstance(inner, list):
                raise _two_things()
            place = inner
        there = place.setdefault(last, [])
        if isinstance(there, dict):
            raise _two_things()
        there += values
    return {str(name): _with_lists(inner) for name, inner in tree.items()}


_Tree: TypeAlias = "dict[str | int, _Tree | list[str]]"


def _keys_of(name: str) -> list[str | int]:
    found = _NESTED.fullmatch(name)
    if not found:
        return [name]
    inner = found[2][1:-1].split("][") if found[2] else []
    if len(inner) >= MAX_NESTING:
        raise BadRequest(f"parameters: a name nested deeper than {MAX_NESTING} levels")
    return [found[1], *(_index(key) if _DIGITS.fullmatch(key) else key for key in inner)]


def _index(digits: str) -> int:
    if len(digits) > len(str(MAX_INDEX)) or int(digits) > MAX_INDEX:
        raise BadRequest(f"parameters: an index above {MAX_INDEX}")
    return int(digits)


def _with_lists(inner: _Tree | list[str]) -> Any:
    if isinstance(inner, list):
        return inner
    members = {key: _with_lists(member) for key, member in inner.items()}
    numbers = [key for key in members if isinstance(key, int)]
    if numbers and len(numbers) < len(members):
        raise _two_things()
    return [members[number] for number in sorted(numbers)] if numbers else members


def _two_things() -> BadRequest:
    return BadRequest("parameters: one name is to be a value, a list and a dict at once")
