"""Transcripts: values and JSON lines face each other, and no secret is written."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.query import format_query
from shallot.codec.transcripts import (
    REDACTED,
    SECRETS,
    Exchange,
    decode_value,
    drop_objects,
    encode_value,
    format_record,
    parse_transcript,
    redact,
    redact_query,
    secret_matcher,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts | st.binary()
keys = st.one_of(texts, st.sampled_from(["$bytes", "$dict", "$object", "$"]))
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8)


@given(values)
def test_round_trip(value: Any) -> None:
    assert decode_value(json.loads(format_record({"value": encode_value(value)}))["value"]) == value


@pytest.mark.parametrize(
    "value, encoded",
    [
        ((1, "a"), [1, "a"]),
        (bytearray(b"hi"), {"$bytes": "aGk="}),
        ({1: 2}, {"1": 2}),
        ({"$bytes": 1}, {"$dict": {"$bytes": 1}}),
        (float("nan"), {"$object": "nan"}),
        (object(), {"$object": "object"}),
    ],
    ids=["tuple", "bytearray", "number as key", "a key like ours", "nan", "object"],
)
def test_encoding(value: Any, encoded: Any) -> None:
    assert encode_value(value) == encoded


@given(values)
def test_data_has_no_objects_to_drop(value: Any) -> None:
    encoded = encode_value(value)
    assert drop_objects(encoded) == encoded or "$object" in repr(value)


def test_what_is_no_data_does_not_come_back() -> None:
    with pytest.raises(ValueError, match="a generator is no data"):
        decode_value([encode_value(number for number in ())])


@pytest.mark.parametrize(
    "value, clean",
    [
        ({"authorization": "Bearer x", "x-a": "1"}, {"authorization": REDACTED, "x-a": "1"}),
        ({"cookies": {"a": "1", "b": None}}, {"cookies": {"a": REDACTED, "b": None}}),
        ({"session": {"user": 1, "roles": ["x", True]}}, {"session": {"user": REDACTED, "roles": [REDACTED, True]}}),
        ([{"X-CSRF-Token": "x"}], [{"X-CSRF-Token": REDACTED}]),
        ('{"password": "x"}', '{"password":"[redacted]"}'),
        ('{"a": "x"}', '{"a": "x"}'),
        ('["a", {"token": 1}]', '["a",{"token":"[redacted]"}]'),
        ("{no json", "{no json"),
        ("{\ud800", "{\ud800"),
        ("password=x", "password=x"),
        (b"\0", b"\0"),
        ({1: "a"}, {1: "a"}),
    ],
)
def test_redacting(value: Any, clean: Any) -> None:
    assert redact(value) == clean


def test_rules_of_ones_own() -> None:
    assert redact({"card": "4111", "token": "x"}, ["card"]) == {"card": REDACTED, "token": "x"}
    assert redact({"token": "x"}, []) == {"token": "x"}


@pytest.mark.parametrize("name", ["a", "token", "Access-Token", "tokens\n", "pin", "pint", "session-id", "x-session", "x" * 600, "x" * 600 + "token", "*"])
def test_a_matcher_is_its_patterns(name: str) -> None:
    is_secret = secret_matcher(SECRETS)
    assert is_secret(name) is is_secret(name) is any(fnmatchcase(name.lower(), pattern) for pattern in SECRETS)
    assert redact_query(format_query({name: "x"}).encode(), is_secret) == format_query({name: REDACTED if is_secret(name) else "x"}).encode()


@pytest.mark.parametrize(
    "query, clean",
    [(b"", b""), (b"a=1&b=2", b"a=1&b=2"), (b"a=1&token=x&token=y", b"a=1&token=%5Bredacted%5D&token=%5Bredacted%5D"), (b"%ff=token", b"[redacted]")],
)
def test_redacting_a_query(query: bytes, clean: bytes) -> None:
    assert redact_query(query) == clean


OPEN = {"id": "1", "kind": "open", "at": 0, "handler": "chat:chat", "params": ["lobby"], "request": {"path": "/"}}


def lines(*records: Any) -> list[str]:
    return [json.dumps(record) for record in records]


def test_parsing() -> None:
    first, second = parse_transcript(
        [
            *lines(OPEN, {"id": "1", "kind": "in", "at": 1, "message": "hi"}, {**OPEN, "id": "2"}),
            "\n",
            *lines(
                {"id": "1", "kind": "out", "at": 1.5, "effect": {"type": "a"}},
                {"id": "1", "kind": "result", "at": 2, "value": 7},
                {"id": "1", "kind": "out", "at": 2.5, "effect": {"type": "b"}},
                {"id": "1", "kind": "in", "at": 2.5, "message": {"$bytes": "aGk="}},
                {"id": "1", "kind": "result", "at": 2.75, "error": "Forbidden: no"},
                {"id": "1", "kind": "end", "at": 3, "close": {"code": 1000, "reason": "", "by": "client"}},
            ),
        ]
    )
    assert (first.id, first.handler, first.params, first.request) == ("1", "chat:chat", ["lobby"], {"path": "/"})
    assert first.exchanges == [
        Exchange("in", "hi", at=1),
        Exchange("out", {"type": "a"}, 7, None, 1.5),
        Exchange("out", {"type": "b"}, None, "Forbidden: no", 2.5),
        Exchange("in", {"$bytes": "aGk="}, at=2.5),
    ]
    assert first.close == {"code": 1000, "reason": "", "by": "client"}
    assert (second.id, second.exchanges, second.close) == ("2", [], None)


@pytest.mark.parametrize(
    "line",
    ["hi", "[]", "{}", *lines({**OPEN, "kind": "odd"}, {"id": "2", "kind": "in", "at": 0, "message": ""}, {"id": "1", "kind": "result", "at": 0})],
    ids=["no json", "no object", "nothing in it", "unknown kind", "never opened", "result of nothing"],
)
def test_wrong_lines(line: str) -> None:
    with pytest.raises(ValueError, match="transcript, line 2: expected a record"):
        parse_transcript([*lines(OPEN), line])
