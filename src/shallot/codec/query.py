"""Query strings and urlencoded forms <-> dicts of lists (the WHATWG's application/x-www-form-urlencoded)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes, urlencode

from ..errors import BadRequest

__all__ = ["format_query", "parse_query"]

_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_query(
    data: bytes | str,
    *,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    encoding: str = "utf-8",
    max_params: int = 1000,
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
