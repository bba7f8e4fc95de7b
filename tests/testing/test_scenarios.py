"""Scenarios: rows and their text face each other, and a wrong one says where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot import ws_close
from shallot.testing.scenarios import Step, format_scenario, format_step, is_close, parse_scenario, read_scenario

TEXT = """
# a line for each that speaks
        -> "hi"
     2s <- {"n":1}
   2.5s -> bytes aGk=
        <- ["a",null]
    10s <- close 1001 "idle"
"""
ROWS: list[Any] = [
    ("->", "hi"),
    (2.0, "<-", {"n": 1}),
    (2.5, "->", b"hi"),
    ("<-", ["a", None]),
    (10.0, "<-", {"type": "websocket.close", "code": 1001, "reason": "idle"}),
]


def test_text_and_rows() -> None:
    assert parse_scenario(TEXT) == ROWS
    assert read_scenario(TEXT) == read_scenario(ROWS)
    assert format_scenario(ROWS) == TEXT.partition("speaks\n")[2]


@pytest.mark.parametrize(
    "text, what",
    [
        ("<- denied 401", 401),
        ("<- close 1000", ws_close()),
        ('<- close 4000 "a b"', ws_close(4000, "a b")),
        ('<- "close 1000"', "close 1000"),
        ('<- "bytes"', "bytes"),
        ("<- bytes ", b""),
    ],
)
def test_words(text: str, what: Any) -> None:
    assert parse_scenario(text) == [("<-", what)]


texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5)
whats = st.one_of(
    texts,
    st.binary(),
    st.lists(values),
    st.dictionaries(texts, values).filter(lambda what: not is_close(what)),
    st.builds(ws_close, st.integers(3000, 4999), st.text("abé ", max_size=20)),
)
times = st.none() | st.integers(0, 10**5).map(lambda number: number / 8)


@given(st.lists(st.tuples(times, st.sampled_from(["->", "<-"]), whats)))
def test_round_trip(rows: list[Any]) -> None:
    latest = 0.0
    steps: list[Any] = []
    for at, way, what in rows:
        latest = latest if at is None else max(at, latest)
        steps.append((way, what) if at is None else (float(f"{latest:g}"), way, what))
    assert parse_scenario(format_scenario(steps)) == steps


@pytest.mark.parametrize(
    "rows, message",
    [
        ([("hi",)], "row 1: expected"),
        ([("->", "a"), ("=>", "b")], "row 2: expected"),
        ([(-1, "->", "a")], "row 1: expected"),
        ([("->", None)], "row 1: what is said is"),
        ([("->", True)], "row 1: what is said is"),
        ([("->", 401)], "row 1: a number"),
        ([("<-", "a"), ("<-", 401)], "row 2: a number"),
        ([(2, "->", "a"), (1, "->", "b")], "row 2: 1 s comes after 2 s"),
    ],
)
def test_wrong_rows(rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_scenario(rows)


@pytest.mark.parametrize("line", ["hi", "->", "-> hi", "5 -> 1", "-> bytes !", "<- close", "<- close 1000 bye", "<- denied x", '-> "a" "b"'])
def test_wrong_text(line: str) -> None:
    with pytest.raises(ValueError, match="scenario, line 2: expected"):
        parse_scenario("\n" + line)


def test_a_step() -> None:
    assert format_step(Step(0.5, "<-", 401)) == "   0.5s <- denied 401"
