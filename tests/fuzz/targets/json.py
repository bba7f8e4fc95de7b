"""JSON: a value or ``JSONError``, the same with and without msgspec; what was read is written and reads the same."""

from __future__ import annotations

from typing import Any

import msgspec

from shallot.codec.json import JSONError, build_fast, format_standard, parse_standard

format_fast, parse_fast = build_fast(msgspec.json.Encoder().encode, msgspec.json.Decoder().decode)


def fuzz(data: bytes) -> None:
    value = _outcome(parse_standard, data)
    assert repr(_outcome(parse_fast, data)) == repr(value)
    if not isinstance(value, JSONError):
        written = format_standard(value)
        assert format_fast(value) == written
        assert repr(parse_standard(written)) == repr(value)


def _outcome(parse: Any, data: bytes) -> Any:
    try:
        return parse(data)
    except JSONError as error:
        return error
