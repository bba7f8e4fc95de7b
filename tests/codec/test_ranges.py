from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.ranges import format_content_range, parse_range

NOTHING = range(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=0-4", range(5)),
        ("bytes=2-", range(2, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-10", range(10)),
        ("bytes=-11", range(10)),
        ("bytes=9-", range(9, 10)),
        ("bytes=5-99", range(5, 10)),
        ("bytes=0-9999999999999999999", range(10)),
        ("Bytes= 1-2 ", range(1, 3)),
        ("bytes =1-2", range(1, 3)),
        ("bytes=10-", NOTHING),
        ("bytes=10-12", NOTHING),
        ("bytes=-0", NOTHING),
        ("bytes=9999999999999999999-", NOTHING),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5", None),
        ("bytes=5-2", None),
        ("bytes=12-11", None),
        ("bytes=1-2-3", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=--1", None),
        ("bytes=1_0-", None),
        ("bytes=\u0661-\u0662", None),
        ("bytes=²-", None),
        ("bytes=-99999999999999999999", None),
        ("items=0-1", None),
        ("bytes=0-,0-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=0-0,", None),
        ("bytes=" + "0-," * 10_000, None),
        ("bytes=" + "9" * 5_000 + "-", None),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_parse_range_of_ten_bytes(text: str, expected: range | None) -> None:
    assert parse_range(text, 10) == expected


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-5", "bytes=0-0"])
def test_nothing_is_cut_from_an_empty_file(text: str) -> None:
    assert parse_range(text, 0) is None


@given(st.text() | st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True), st.integers(0, 200))
def test_a_range_lies_in_the_file(text: str, size: int) -> None:
    part = parse_range(text, size)
    assert part is None or part == NOTHING or (0 <= part.start < part.stop <= size and part.step == 1)


@given(st.integers(1, 1000), st.data())
def test_what_was_asked_is_what_is_told(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, size - 1))
    part = parse_range(f"bytes={first}-{last}", size)
    assert part is not None
    assert format_content_range(part, size) == f"bytes {first}-{last}/{size}"


def test_format_content_range_of_nothing() -> None:
    assert format_content_range(NOTHING, 7) == "bytes */7"
