"""shallot.channels.cursor: positions go out as text and come back as they were; what we did not write is no cursor."""

from __future__ import annotations

from urllib.parse import quote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.channels.contract import Position
from shallot.channels.cursor import MAX_CURSOR_BYTES, check_channel, check_id, format_cursor, parse_cursor

epochs = st.text("0123456789abcdefABCXYZ", min_size=1, max_size=32)
ids = st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(lambda text: text.encode()[:128].decode(errors="ignore"))


@given(epochs, st.integers(0, 2**63 - 1), ids)
def test_round_trip(epoch, offset, identity):
    cursor = format_cursor(Position(epoch, offset, identity))
    assert parse_cursor(cursor) == Position(epoch, offset, identity)
    assert cursor.isascii() and len(cursor) <= MAX_CURSOR_BYTES
    assert unquote_plus(cursor) == quote(cursor, safe="") == cursor, "it may stand in a query string as it is"


@given(st.text() | st.from_regex(r"[0-9a-z]{1,3}\.[0-9]{1,20}\.[~0-9A-Fa-z]{0,9}", fullmatch=True))
def test_whatever_is_read_is_what_would_be_written(text):
    position = parse_cursor(text)
    assert position is None or format_cursor(position) == text


@pytest.mark.parametrize(
    "forged",
    [
        *("", ".", "..", "e.1", "e.-1.x", "e.01.x", "e.1.x y", "e.1.~4", "e.1.~41", "e.1.~e9", "e.1.~7e", "e.1.%20", "e.1.é", "é.1.x", "e.1.x\n", "\x00"),
        *(f"e.{2**63}.x", f"e.{10**40}.x", "e" * 33 + ".1.x", "e.1." + "x" * 400, "x" * 100_000, None, 7, b"e.1.x", "e.1.~FF", "e.1.~25FF~", "e.\u0661.x"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_forged(forged):
    assert parse_cursor(forged) is None


@pytest.mark.parametrize("name", ["a", "a" * 255, "漢" * 85, "\x00", "*", " "], ids=lambda name: repr(name)[:10])
def test_names_of_channels(name):
    assert check_channel(name) == name


@pytest.mark.parametrize(
    ("name", "error", "complaint"),
    [
        (None, TypeError, "a channel's name is a str like 'chat:lobby', got NoneType"),
        (b"a", TypeError, "got bytes"),
        ("", ValueError, "a channel's name has 1 to 255 bytes of UTF-8, this one has 0"),
        ("a" * 256, ValueError, "this one has 256"),
        ("漢" * 86, ValueError, "this one has 258"),
        ("a\ud800", ValueError, "a channel's name is UTF-8: 'a\\ud800' holds a lone surrogate"),
    ],
    ids=["none", "bytes", "empty", "long", "long-in-bytes", "surrogate"],
)
def test_no_names(name, error, complaint):
    with pytest.raises(error) as raised:
        check_channel(name)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("identity", "error", "complaint"),
    [
        (7, TypeError, "a message's id is a str, got int"),
        ("", ValueError, "a message's id has 1 to 128 bytes of UTF-8, this one has 0"),
        ("é" * 65, ValueError, "this one has 130"),
        ("a\n", ValueError, "a message's id has no control characters, this one is 'a\\n'"),
        ("\ud800", ValueError, "lone surrogate"),
    ],
    ids=["int", "empty", "long", "control", "surrogate"],
)
def test_no_ids(identity, error, complaint):
    with pytest.raises(error) as raised:
        check_id(identity)
    assert complaint in str(raised.value)


def test_ids():
    assert check_id("é" * 64, "x") == "é" * 64
