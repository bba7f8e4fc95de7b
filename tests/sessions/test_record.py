from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.sessions.record import Record, format_record, is_same, merge, new_id, parse_record, stored_name

RECORD: Record = {"id": "a", "version": 1, "created": 2, "seen": 3, "data": {"user": "ann"}}
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
DATA = st.dictionaries(st.sampled_from("abcde"), JSON)


def test_there_and_back() -> None:
    text = b'{"id":"a","version":1,"created":2,"seen":3,"data":{"user":"ann"}}'
    assert format_record(RECORD) == text
    assert parse_record(text) == RECORD


@given(st.text(), st.integers(1, 2**53), DATA)
def test_round_trip(identity: str, version: int, data: Any) -> None:
    record: Record = {"id": identity, "version": version, "created": 2, "seen": 3, "data": data}
    try:
        text = format_record(record)
    except ValueError:  # a lone surrogate
        return
    assert parse_record(text) == record


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x04user\x94\x8c\x03ann\x94s.", id="a pickle"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no keys"),
        pytest.param(json.dumps({**RECORD, "more": 1}).encode(), id="a key more"),
        pytest.param(json.dumps({**RECORD, "data": []}).encode(), id="data is a list"),
        pytest.param(json.dumps({**RECORD, "version": True}).encode(), id="version is a bool"),
        pytest.param(json.dumps({**RECORD, "created": 1.5}).encode(), id="a time with a fraction"),
        pytest.param(json.dumps({**RECORD, "id": None}).encode(), id="no id"),
        pytest.param(b'{"id":' + b"[" * 1000, id="deep"),
        pytest.param(b"\xff", id="no UTF-8"),
    ],
)
def test_D8_what_is_no_record_is_none(text: bytes) -> None:
    assert parse_record(text) is None


NEARLY = st.fixed_dictionaries({"id": st.text() | JSON, "version": st.integers() | JSON, "created": st.just(2) | JSON, "seen": st.just(3), "data": DATA | JSON})


@given(NEARLY.map(json.dumps).map(str.encode) | st.binary())
def test_parse_never_raises(text: bytes) -> None:
    record = parse_record(text)
    assert record is None or [type(record[key]) for key in RECORD] == [str, int, int, int, dict]


def test_too_large() -> None:
    with pytest.raises(ValueError, match=r"^the session is \d+ bytes, this store keeps 60; keep less in it, or raise max_bytes$"):
        format_record(RECORD, 60)


@pytest.mark.parametrize("spare", [0, 1])
def test_as_large_as_it_may_be(spare: int) -> None:
    size = len(format_record(RECORD))
    assert format_record(RECORD, size + spare) == format_record(RECORD)
    with pytest.raises(ValueError, match=f"^the session is {size} bytes, this store keeps {size - 1};"):
        format_record(RECORD, size - 1)


def test_ids_are_256_random_bits_each() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(urlsafe_b64decode(one + "=")) == 32 for one in ids)


def test_a_stored_name_tells_nothing_of_the_key() -> None:
    assert stored_name("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(stored_name("\udcff")) == 64


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, True, False), (1, 1.0, False), ((1, 2), [1, 2], True), ({"a": [1]}, {"a": [1]}, True), (None, 0, False), ("1", 1, False)],
)
def test_is_same(one: Any, other: Any, same: bool) -> None:
    assert is_same(one, other) is same


@pytest.mark.parametrize(
    ("before", "after", "current", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, {"b": 1}, {"b": 1}, id="nothing changed here"),
        pytest.param({}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}, id="different keys"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}, id="the same key: the last writer's"),
        pytest.param({"a": 1}, {}, {"a": 3, "b": 1}, {"b": 1}, id="removed here, changed there"),
        pytest.param({"a": 1}, {"a": 1, "b": 1}, {}, {"b": 1}, id="removed there"),
        pytest.param({"a": 1}, {"a": 2}, {}, {"a": 2}, id="removed there, changed here"),
        pytest.param({"a": 1}, {"a": True}, {"a": 1}, {"a": True}, id="another JSON"),
        pytest.param({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1}, {"a": 1, "b": 2}, id="what nobody changed stays"),
    ],
)
def test_merge(before: Any, after: Any, current: Any, expected: Any) -> None:
    merged = merge(before, after, current)
    assert merged == expected
    assert is_same(sorted(merged.items()), sorted(expected.items()))


@given(DATA, DATA)
def test_merge_of_one_writer(before: Any, after: Any) -> None:
    try:
        assert merge(before, after, before) == after
        assert merge(before, before, after) == after
    except ValueError:  # a lone surrogate
        return
