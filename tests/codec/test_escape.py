from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.escape import escape_text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param("/a b?c=d~", "/a b?c=d~", id="plain"),
        pytest.param("/a\r\nINFO fake", r"/a\x0d\x0aINFO fake", id="a forged line"),
        pytest.param("\x1b[2J", r"\x1b[2J", id="a terminal's command"),
        pytest.param("\u202egnp.exe", r"\u202egnp.exe", id="turned around"),
        pytest.param("\u2028\u2029\x85\x7f", r"\u2028\u2029\x85\x7f", id="other line ends"),
        pytest.param("\U0001f9c5é", r"\U0001f9c5\xe9", id="beyond ASCII"),
        pytest.param('"\\', r"\x22\x5c", id="quote and backslash"),
        pytest.param("\ud800", r"\ud800", id="a lone surrogate"),
    ],
)
def test_K2_what_could_leave_its_line(text: str, escaped: str) -> None:
    assert escape_text(text) == escaped


@pytest.mark.parametrize(("text", "cut"), [("x" * 200, "x" * 200), ("x" * 201, "x" * 197 + "..."), ("\n" * 100, (r"\x0a" * 50)[:197] + "...")])
def test_is_cut(text: str, cut: str) -> None:
    assert escape_text(text) == cut


@given(st.text(), st.integers(3, 50))
def test_is_short_and_printable(text: str, most: int) -> None:
    escaped = escape_text(text, most)
    assert len(escaped) <= most
    assert escaped.isascii() and (escaped.isprintable() or not escaped) and '"' not in escaped


def test_a_long_text_costs_nothing() -> None:
    text = "\n" * 10_000_000
    start = time.process_time()
    escape_text(text)
    assert time.process_time() - start < 0.1
