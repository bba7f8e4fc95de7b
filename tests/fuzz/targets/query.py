"""Query strings and forms: values or ``BadRequest``; what was read, written again, reads the same; nesting loses no value."""

from __future__ import annotations

from typing import Any

from shallot.codec.query import format_query, nest_params, parse_query
from shallot.errors import BadRequest


def fuzz(data: bytes) -> None:
    try:
        params = parse_query(data, keep_blank_values=True)
    except BadRequest:
        return
    assert all(values for values in params.values())
    assert parse_query(format_query(params), keep_blank_values=True) == params
    try:
        nested = nest_params(params)
    except BadRequest:
        return
    assert _count(nested) == sum(map(len, params.values()))


def _count(inner: Any) -> int:
    if isinstance(inner, str):
        return 1
    return sum(map(_count, inner.values() if isinstance(inner, dict) else inner))
