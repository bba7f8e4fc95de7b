from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.dates import format_date, parse_date

NOW = datetime(2026, 11, 22, tzinfo=UTC).timestamp()

times = st.integers(-62135596800, 253402300799)
"""The years 1 to 9999."""


@given(times)
def test_what_is_formatted_reads_the_same(timestamp: int) -> None:
    assert parse_date(format_date(timestamp)) == timestamp


@given(st.floats(-62135596800, 253402300799))
def test_fractions_are_cut_off(timestamp: float) -> None:
    assert format_date(timestamp) == format_date(timestamp // 1)


@given(times)
def test_format_is_that_of_the_standard_library(timestamp: int) -> None:
    assert format_date(timestamp) == formatdate(timestamp, usegmt=True)


@pytest.mark.parametrize(
    ("timestamp", "error"),
    [
        pytest.param(float("inf"), "inf is not a time in seconds since 1970 that a date can hold", id="infinity"),
        pytest.param(float("nan"), "nan is not a time in seconds since 1970 that a date can hold", id="NaN"),
        pytest.param(1e30, "1e+30 is not a time in seconds since 1970 that a date can hold", id="too large for the clock"),
        pytest.param(253402300800, "253402300800 is in the year 10000; an HTTP date has four digits for it", id="year 10000"),
        pytest.param(-62167219201, "-62167219201 is in the year -1; an HTTP date has four digits for it", id="before year 0"),
    ],
)
def test_format_refuses(timestamp: float, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        format_date(timestamp)
    assert str(caught.value) == f"format_date: {error}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", 784111777, id="IMF-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", 784111777, id="RFC 850"),
        pytest.param("Sun Nov  6 08:49:37 1994", 784111777, id="asctime"),
        pytest.param("Sun Nov 06 08:49:37 1994", 784111777, id="asctime with a zero"),
        pytest.param("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800, id="leap second"),
        pytest.param("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800, id="leap day"),
        pytest.param("Sunday, 22-Nov-76 00:00:00 GMT", 3373228800, id="in 50 years"),
        pytest.param("Sunday, 22-Nov-77 00:00:00 GMT", 249004800, id="in 51 years, so 49 ago"),
        pytest.param("Saturday, 01-Jan-00 00:00:00 GMT", 946684800, id="the century begins"),
    ],
)
def test_parse(text: str, expected: int) -> None:
    assert parse_date(text, now=NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "-1", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC"),
        "Sun, 06 Nov 1994 08:49:37 +0000",
        *("Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 00 Nov 1994 08:49:37 GMT"),
        *("sun, 06 nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:37 GMT\n", "Sun, ٠٦ Nov 1994 08:49:37 GMT", "Sun, 01 Jan 0000 00:00:00 GMT"),
        *("Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov    6 08:49:37 1994", "Sun Nov   08:49:37 1994", "x" * 100_000, "Sun, " * 20_000),
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_all_else_is_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.text())
def test_any_text_is_none(text: str) -> None:
    assert parse_date(text) is None


nearly = st.from_regex(
    r"(Sun|Sunday|Son), [0-3][0-9][ -](Nov|Feb|Mai)[ -]([0-9]{4}|[0-9]{2}) [0-2][0-9]:[0-6][0-9]:[0-6][0-9] GMT"
    r"|Sun (Nov|Feb) [ 0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9] [0-9]{4}",
    fullmatch=True,
)


@given(nearly)
def test_what_looks_like_a_date_is_one_or_none(text: str) -> None:
    date = parse_date(text)
    assert date is None or parse_date(format_date(date)) == date


def test_two_digits_are_of_our_time() -> None:
    year = datetime.now(UTC).year
    date = parse_date(f"Sunday, 01-Jun-{year % 100:02} 00:00:00 GMT")
    assert date is not None and datetime.fromtimestamp(date, UTC).year == year
