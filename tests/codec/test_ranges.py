from __future__ import annotations

from email import message_from_bytes
from email.policy import HTTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.ranges import MAX_RANGES, format_byteranges, format_content_range, parse_ranges

from .costs import cpu_seconds

NOTHING = ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (range(1),)),
        ("bytes=0-4", (range(5),)),
        ("bytes=2-", (range(2, 10),)),
        ("bytes=-3", (range(7, 10),)),
        ("bytes=-10", (range(10),)),
        ("bytes=-11", (range(10),)),
        ("bytes=9-", (range(9, 10),)),
        ("bytes=5-99", (range(5, 10),)),
        ("bytes=0-9999999999999999999", (range(10),)),
        ("Bytes= 1-2 ", (range(1, 3),)),
        ("bytes =1-2", (range(1, 3),)),
        ("bytes=0-0,", (range(1),)),
        ("bytes=,,0-0", (range(1),)),
        ("bytes=0-1,3-4", (range(2), range(3, 5))),
        ("bytes=3-4 ,\t0-1", (range(3, 5), range(2))),
        ("bytes=0-1,0-1,-1", (range(2), range(2), range(9, 10))),
        ("bytes=0-4,5-", (range(5), range(5, 10))),
        ("bytes=0-1,10-,-0", (range(2),)),
        ("bytes=" + "0-0," * 10 + "5-", None),
        ("bytes=" + ",".join(["1-"] + ["99-"] * 15), (range(1, 10),)),
        ("bytes=" + ",".join(["1-"] + ["99-"] * 16), None),
        ("bytes=10-", NOTHING),
        ("bytes=10-12", NOTHING),
        ("bytes=10-,11-,-0", NOTHING),
        ("bytes=-0", NOTHING),
        ("bytes=9999999999999999999-", NOTHING),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=5", None),
        ("bytes=5-2", None),
        ("bytes=12-11", None),
        ("bytes=0-1,5-2", None),
        ("bytes=0-1,x", None),
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
        ("bytes=0-5,5-9", None),
        ("bytes=" + "0-0," * 17, None),
        ("bytes=" + "0-," * 10_000, None),
        ("bytes=" + "9" * 5_000 + "-", None),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_C5_ranges_of_ten_bytes(text: str, expected: Any) -> None:
    assert parse_ranges(text, 10) == expected


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-5", "bytes=0-0", "bytes=0-0,1-1"])
def test_nothing_is_cut_from_an_empty_file(text: str) -> None:
    assert parse_ranges(text, 0) is None


ONE = st.builds(lambda first, more: f"{first}-{first + more}", st.integers(0, 200), st.integers(0, 19)) | st.from_regex(
    r"1[0-9]{2}-|-[0-9]{1,2}", fullmatch=True
)
MEMBERS = st.lists(ONE, min_size=1, max_size=18) | st.lists(ONE | st.from_regex(r"[0-9]{0,3}-[0-9]{0,3}", fullmatch=True), max_size=20)


@given(st.text() | MEMBERS.map(lambda members: "bytes=" + ",".join(members)), st.integers(0, 200))
def test_ranges_lie_in_the_file_and_are_never_longer(text: str, size: int) -> None:
    parts = parse_ranges(text, size) or ()
    assert all(0 <= part.start < part.stop <= size and part.step == 1 for part in parts)
    assert len(parts) <= MAX_RANGES
    assert sum(map(len, parts)) <= size


@given(st.integers(1, 1000), st.data())
def test_what_was_asked_is_what_is_told(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, size - 1))
    assert [format_content_range(part, size) for part in parse_ranges(f"bytes={first}-{last}", size) or ()] == [f"bytes {first}-{last}/{size}"]


def test_format_content_range_of_nothing() -> None:
    assert format_content_range(range(0), 7) == "bytes */7"


@given(
    st.binary(min_size=20, max_size=60), st.lists(st.tuples(st.integers(0, 19), st.integers(1, 5)), min_size=1, max_size=4), st.sampled_from([None, "text/css"])
)
def test_byteranges_are_read_by_others(content: bytes, asked: Any, content_type: str | None) -> None:
    parts = [range(start, start + length) for start, length in asked if start + length <= 20] or [range(1)]
    pieces = format_byteranges(parts, len(content), "a_boundary_that_no_content_has", content_type)
    body = b"".join(piece if isinstance(piece, bytes) else content[piece.start : piece.stop] for piece in pieces)
    message = message_from_bytes(b"content-type: multipart/byteranges; boundary=a_boundary_that_no_content_has\r\n\r\n" + body, policy=HTTP)
    assert [part["content-range"] for part in message.iter_parts()] == [format_content_range(part, len(content)) for part in parts]
    assert {part["content-type"] for part in message.iter_parts()} == {content_type}
    assert body.count(b"--a_boundary_that_no_content_has") == len(parts) + 1


@pytest.mark.parametrize("unit", ["0-0,", "0", "-", ",", "="])
def test_reading_is_linear(unit: str) -> None:
    def seconds(times: int) -> float:
        text = "bytes=" + unit * times
        return cpu_seconds(lambda: [parse_ranges(text, 10) for _ in range(20)], attempts=7)

    assert seconds(80_000) / max(seconds(20_000), 1e-5) < 6
