from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.conditional import check_preconditions, is_range_current, parse_etags
from shallot.codec.dates import format_date

from .costs import cpu_seconds

NOW = 1_700_000_000
BEFORE, THEN, LATER = format_date(NOW - 1), format_date(NOW), format_date(NOW + 1)
OURS = '"ours"'

ROWS = [
    # RFC 9110 13.2.2, step by step: headers, answer to GET, answer to PUT
    ({}, 200, 200),
    # 1: if-match
    ({"if-match": OURS}, 200, 200),
    ({"if-match": '"a", "ours"'}, 200, 200),
    ({"if-match": "*"}, 200, 200),
    ({"if-match": " * "}, 200, 200),
    ({"if-match": '"a"'}, 412, 412),
    ({"if-match": 'W/"ours"'}, 412, 412),
    ({"if-match": ""}, 412, 412),
    ({"if-match": "ours"}, 412, 412),
    ({"if-match": OURS, "if-unmodified-since": BEFORE}, 200, 200),
    ({"if-match": '"a"', "if-unmodified-since": LATER}, 412, 412),
    ({"if-match": '"a"', "if-none-match": OURS}, 412, 412),
    # 2: if-unmodified-since
    ({"if-unmodified-since": THEN}, 200, 200),
    ({"if-unmodified-since": LATER}, 200, 200),
    ({"if-unmodified-since": BEFORE}, 412, 412),
    ({"if-unmodified-since": "yesterday"}, 200, 200),
    ({"if-unmodified-since": BEFORE, "if-none-match": OURS}, 412, 412),
    # 3: if-none-match
    ({"if-none-match": OURS}, 304, 412),
    ({"if-none-match": 'W/"ours"'}, 304, 412),
    ({"if-none-match": '"a","b" , W/"ours"'}, 304, 412),
    ({"if-none-match": "*"}, 304, 412),
    ({"if-none-match": '"a"'}, 200, 200),
    ({"if-none-match": '"a,b", "our"'}, 200, 200),
    ({"if-none-match": "ours"}, 200, 200),
    ({"if-none-match": '"*"'}, 200, 200),
    ({"if-none-match": OURS, "if-match": OURS}, 304, 412),
    ({"if-none-match": '"a"', "if-modified-since": THEN}, 200, 200),
    ({"if-none-match": OURS, "if-modified-since": BEFORE}, 304, 412),
    # 4: if-modified-since
    ({"if-modified-since": THEN}, 304, 200),
    ({"if-modified-since": LATER}, 304, 200),
    ({"if-modified-since": BEFORE}, 200, 200),
    ({"if-modified-since": "never"}, 200, 200),
    ({"if-modified-since": THEN, "if-unmodified-since": THEN}, 304, 200),
]


@pytest.mark.parametrize(("headers", "get", "put"), ROWS, ids=lambda value: " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else None)
def test_check_preconditions(headers: dict[str, str], get: int, put: int) -> None:
    answers = {method: check_preconditions(method, headers, OURS, NOW) for method in ("GET", "HEAD", "PUT")}
    assert answers == {"GET": get, "HEAD": get, "PUT": put}


def test_a_weak_tag_of_ours_satisfies_no_strong_comparison() -> None:
    assert check_preconditions("PUT", {"if-match": 'W/"x"'}, 'W/"x"', NOW) == 412
    assert check_preconditions("GET", {"if-none-match": '"x"'}, 'W/"x"', NOW) == 304


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        (None, True),
        (OURS, True),
        (f" {OURS} ", True),
        ('"a"', False),
        ('W/"ours"', False),
        (THEN, True),
        (BEFORE, False),
        (LATER, False),
        ("ours", False),
        ("", False),
    ],
)
def test_is_range_current(if_range: str | None, expected: bool) -> None:
    assert is_range_current(if_range, OURS, NOW) is expected


@pytest.mark.parametrize(
    ("method", "asks", "status"),
    [("PUT", "if-none-match", 412), ("PUT", "if-match", 200), ("DELETE", "if-match", 200), ("GET", "if-none-match", 200), ("HEAD", "if-match", 412)],
)
def test_no_tag_is_passed_over_where_something_changes(method: str, asks: str, status: int) -> None:
    many = ", ".join(f'"{number}"' for number in range(1000))
    assert check_preconditions(method, {asks: f"{many}, {OURS}"}, OURS, None) == status


def test_tags_without_a_bound_are_read_in_linear_time() -> None:
    def seconds(size: int) -> float:
        return cpu_seconds(lambda: check_preconditions("PUT", {"if-none-match": '"a",' * size}, OURS, None), attempts=3)

    assert seconds(32_768) < 6 * seconds(8_192) + 0.02


def test_what_has_no_tag_matches_none() -> None:
    assert check_preconditions("GET", {"if-none-match": '"x"'}, None, None) == 200
    assert check_preconditions("GET", {"if-match": '"x"'}, None, None) == 412


@pytest.mark.parametrize("if_range", [THEN, "ours", ""])
def test_a_range_of_a_weak_date_is_never_current(if_range: str) -> None:
    assert not is_range_current(if_range, OURS, None)
    assert is_range_current(OURS, OURS, None)


def test_a_range_of_a_weak_tag_is_never_current() -> None:
    assert not is_range_current('W/"x"', 'W/"x"', NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ('"a"', ['"a"']),
        ('W/"a"', ['W/"a"']),
        ('w/"a"', ['"a"']),
        ('"a","b"', ['"a"', '"b"']),
        ('""', ['""']),
        ('"a', []),
        ('"a", "b', ['"a"']),
        ('a, b, "c"', ['"c"']),
        ('"a\\", "b"', ['"a\\"', '"b"']),
    ],
)
def test_parse_etags(text: str, expected: list[str]) -> None:
    assert parse_etags(text) == expected


def test_only_64_tags_are_looked_at() -> None:
    tags = [f'"{number}"' for number in range(10_000)]
    assert parse_etags(",".join(tags)) == tags[:64]


@given(st.lists(st.from_regex(r'(W/)?"[!#-~]*"', fullmatch=True), max_size=64))
def test_tags_round_trip(tags: list[str]) -> None:
    assert parse_etags(", ".join(tags)) == tags
