"""JSON text (RFC 8259) <-> values: what may stand in it, and the two ways to read and write it. The one place that imports msgspec.

The standard library decides: values, bytes and errors are always those of the two functions ``*_standard``. Where msgspec is installed, the two
functions ``*_fast`` let it do the work and give its result back only where that is certain to be the same; else they ask the standard ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NoReturn

try:
    from msgspec.json import Decoder, Encoder
except ImportError:  # the extra "standard" is not installed
    _msgspec = None
else:
    _msgspec = Encoder().encode, Decoder().decode

__all__ = ["JSONError", "format_json", "parse_json"]

MAX_DEPTH = 64
MAX_DIGITS = 4300


class JSONError(ValueError):
    """Text that is not the JSON we take. ``position`` is the offset of the first wrong byte, or ``None``; the text itself is never shown."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} at byte {position}")
        self.position = position


def format_json(value: Any, *, ensure_ascii: bool = False) -> bytes:
    """``value`` as compact UTF-8; with ``ensure_ascii`` in ASCII, other characters as ``\\u`` escapes.

    ``TypeError`` for what JSON has no word for, ``ValueError`` for NaN, infinity, lone surrogates and circles. Keys that are numbers, ``bool``
    or ``None`` become text.

        >>> format_json({"name": "é", "scores": (1, 2.5, None)})
        b'{"name":"\\xc3\\xa9","scores":[1,2.5,null]}'
    """
    data = _format(value)
    return data if not ensure_ascii or data.isascii() else _encode_ascii(value).encode()


def parse_json(data: bytes) -> Any:
    """The value of ``data``, which must be UTF-8 without a byte order mark, at most 64 levels deep, without a key twice in one object, NaN, infinity,
    numbers beyond a float's range, integers of more than 4300 digits and lone surrogates: ``JSONError`` otherwise.

        >>> parse_json(b'{"a": [1, 2.5, null]}')
        {'a': [1, 2.5, None]}
        >>> parse_json(b'{"a": tru}')
        Traceback (most recent call last):
        ...
        shallot.codec.json.JSONError: malformed JSON at byte 6
    """
    return _parse(data)


# ---- the standard library's


def _refuse(value: Any) -> NoReturn:
    raise TypeError(f"JSON has no {type(value).__name__}: expected dict, list, str, int, float, bool or None; convert it first, e.g. with str()")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse).encode
_encode_ascii = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_refuse).encode


def format_standard(value: Any) -> bytes:
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        raise ValueError("JSON is UTF-8: a str holds a lone surrogate; replace it, e.g. text.encode('utf-8', 'replace').decode()") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise JSONError("JSON with a key twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise JSONError("JSON with NaN or Infinity")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise JSONError("JSON with a number out of range")
    return number


def _bounded(text: str) -> int:
    if len(text.removeprefix("-")) > MAX_DIGITS:
        raise JSONError(f"JSON with an integer of more than {MAX_DIGITS} digits")
    return int(text)


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite).decode
_decode_long = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded).decode


def parse_standard(data: bytes) -> Any:
    _check_depth(data)
    return _parse_checked(data)


def _parse_checked(data: bytes) -> Any:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise JSONError("JSON that is not UTF-8", error.start) from None
    try:
        value = (_decode_long if len(data) > MAX_DIGITS else _decode)(text)
        if b"\\ud" in data or b"\\uD" in data:
            _encode(value).encode()
    except json.JSONDecodeError as error:
        raise JSONError("malformed JSON", len(text[: error.pos].encode())) from None
    except UnicodeEncodeError:
        raise JSONError("JSON with a lone surrogate") from None
    except JSONError:
        raise
    except ValueError:  # the interpreter's own limit, where it was set lower (sys.set_int_max_str_digits)
        raise JSONError("JSON with an integer of too many digits") from None
    return value


_SKELETON = bytes.maketrans(b"{}", b"[]")
_FLESH = bytes(set(range(256)) - set(b'"[]{}'))
_STEPS = {ord("["): 1, ord("]"): -1}


def _check_depth(data: bytes) -> None:
    """Refuse valid JSON nested too deep, in linear time, before anything recursive reads it; malformed text it may refuse or not."""
    if len(data) <= 2 * MAX_DEPTH or data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes_and_brackets = data.translate(_SKELETON, _FLESH).replace(b'""', b"")
    brackets = b"".join(quotes_and_brackets.split(b'"')[::2])
    shallow = 4
    for _ in range(shallow):  # the innermost pairs, one level each time: little is left of most texts
        brackets = brackets.replace(b"[]", b"")
    if brackets and shallow + max(accumulate(map(_STEPS.__getitem__, brackets))) > MAX_DEPTH:
        raise JSONError(f"JSON nested deeper than {MAX_DEPTH} levels")


# ---- msgspec's, where it is the same

_SCALARS = frozenset((str, int, bool, type(None)))


def build_fast(encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """``(format_fast, parse_fast)`` from msgspec's two functions."""

    def format_fast(value: Any) -> bytes:
        try:
            data = encode(value)  # first: it stops at circles, which the look at the types would follow
        except Exception:  # whatever it refuses is for the other to decide, whose error then stands alone
            pass
        else:
            if _is_plain(value):
                return data
        return format_standard(value)

    def parse_fast(data: bytes) -> Any:
        _check_depth(data)
        try:
            value = decode(data)
            again = encode(value)
        except Exception:
            return _parse_checked(data)
        # A key that came twice is lost, and one colon with it. A colon inside a string is one in both, unless it was written as an escape.
        if again == data or (again.count(b":") == data.count(b":") and b"\\u003" not in data):
            return value
        return _parse_checked(data)

    return format_fast, parse_fast


def _is_plain(value: Any) -> bool:
    """Whether msgspec writes ``value`` as the standard library does: exact types, text as keys, floats that neither writes with an exponent."""
    containers: list[Any] = [value]
    for member in containers:
        kind = type(member)  # pyright: ignore[reportUnknownVariableType]  # of a value of any type
        if kind is dict:
            for key, inner in member.items():
                if type(key) is not str:
                    return False
                if type(inner) not in _SCALARS:
                    containers.append(inner)
        elif kind is list or kind is tuple:
            for inner in member:
                if type(inner) not in _SCALARS:
                    containers.append(inner)
        elif kind is float:
            if not (0.0001 <= abs(member) < 1e16 or member == 0):
                return False
        elif kind not in _SCALARS:
            return False
    return True


_format, _parse = build_fast(*_msgspec) if _msgspec else (format_standard, parse_standard)
