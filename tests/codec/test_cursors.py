"""Places in several channels as one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.cursors import MAX_PLACES_BYTES, UNKNOWN, cursor_for, format_places

CURSORS = st.text("0123456789abcXYZ%._~-", min_size=1, max_size=60)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.dictionaries(NAMES, CURSORS, min_size=1, max_size=6))
def test_each_channel_finds_its_own_place(places):
    text = format_places(places)
    assert text.isascii() and text.isprintable() and len(text) <= MAX_PLACES_BYTES
    assert {name: cursor_for(text, name) for name in places} == places


@pytest.mark.parametrize(
    ("text", "channel", "cursor"),
    [
        ("e7.12.x", "any", "e7.12.x"),
        ("a=1&b=2", "b", "2"),
        ("a=1&b=2", "c", None),
        ("=%3F&b=2", "c", UNKNOWN),
        ("=%3F&b=2", "b", "2"),
        ("a=1&a=2", "a", "2"),
        ("a=%zz&%ff=1", "a", "%zz"),
        ("=" * 3000, "a", UNKNOWN),
        ("a=", "a", ""),
        ("", "a", ""),
    ],
)
def test_whatever_comes_is_read(text, channel, cursor):
    assert cursor_for(text, channel) == cursor


@given(
    st.lists(st.sampled_from(["a", "b", "=", "&", "%", "%61", "%ff", "%3F", "+", ";", "e7.1.x"]) | st.text(max_size=3)).map("".join),
    st.sampled_from("ab") | NAMES,
)
def test_nothing_is_raised(text, channel):
    assert isinstance(cursor_for(text, channel), str | None)


def test_what_there_is_no_room_for_is_not_forgotten():
    places = {f"room {number}": f"e7.{number}.{'x' * 100}" for number in range(40)}
    text = format_places(places)
    assert MAX_PLACES_BYTES - 150 < len(text) <= MAX_PLACES_BYTES
    found = [cursor_for(text, name) for name in places]
    kept = next(index for index, cursor in enumerate(found) if cursor != UNKNOWN)
    assert found[:kept] == [UNKNOWN] * kept
    assert found[kept:] == list(places.values())[kept:]
    assert 10 < 40 - kept < 20
