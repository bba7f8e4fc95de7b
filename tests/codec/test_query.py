from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shallot.codec.query import format_query, nest_params, parse_query
from shallot.errors import BadRequest

from .costs import cpu_seconds


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        pytest.param("", {}, {}, id="empty"),
        pytest.param("a=1&b=2&a=3", {}, {"a": ["1", "3"], "b": ["2"]}, id="repeats in order"),
        pytest.param("a=1;b=2", {}, {"a": ["1;b=2"]}, id="only & separates"),
        pytest.param("a=b=c", {}, {"a": ["b=c"]}, id="= in a value"),
        pytest.param("a=&b&c=1&&", {}, {"c": ["1"]}, id="blank values are left out"),
        pytest.param("a=&b&c=1&&", {"keep_blank_values": True}, {"a": [""], "b": [""], "c": ["1"]}, id="blank values are kept"),
        pytest.param("a=&b=1", {"strict_parsing": True}, {"b": ["1"]}, id="strict takes a blank value with ="),
        pytest.param("=1", {}, {"": ["1"]}, id="no name"),
        pytest.param("q=a+b&x+y=%2B", {}, {"q": ["a b"], "x y": ["+"]}, id="plus"),
        pytest.param("+", {"keep_blank_values": True}, {" ": [""]}, id="a plus alone"),
        pytest.param("q=%C3%A9%20&%C3%A9=x", {}, {"q": ["é "], "é": ["x"]}, id="percent"),
        pytest.param("a%26b=1%3D2%00", {}, {"a&b": ["1=2\x00"]}, id="percent-encoded separators"),
        pytest.param("q=é%C3%A9", {}, {"q": ["éé"]}, id="text beside percent"),
        pytest.param("q=%E9", {"encoding": "latin-1"}, {"q": ["é"]}, id="another encoding"),
        pytest.param("a[b]=1&a=2", {}, {"a[b]": ["1"], "a": ["2"]}, id="brackets mean nothing"),
        pytest.param("&".join(f"{i}={i}" for i in range(1000)), {}, {str(i): [str(i)] for i in range(1000)}, id="1000 parameters"),
    ],
)
@pytest.mark.parametrize("as_bytes", [True, False], ids=["bytes", "str"])
def test_parse(data: str, options: Any, expected: Any, as_bytes: bool) -> None:
    given_ = data.encode(options.get("encoding", "utf-8")) if as_bytes else data
    assert parse_query(given_, **options) == expected


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        pytest.param(b"&" * 1000, {}, "more than 1000 parameters", id="1001 parameters"),
        pytest.param(b"a=1&b=2&c=3", {"max_params": 2}, "more than 2 parameters", id="a bound of ours"),
        pytest.param(b"a=%", {}, "parameters: a % without two hexadecimal digits at character 2", id="percent at the end"),
        pytest.param(b"a=%G1", {}, "parameters: a % without two hexadecimal digits at character 2", id="percent and no digits"),
        pytest.param(b"secret=%4", {}, "parameters: a % without two hexadecimal digits at character 7", id="percent and one digit"),
        pytest.param(b"a=%FF", {}, "parameters: bytes that are not utf-8", id="percent-encoded latin-1"),
        pytest.param(b"a=%ED%A0%80", {}, "parameters: bytes that are not utf-8", id="percent-encoded surrogate"),
        pytest.param(b"a=%C0%AE", {}, "parameters: bytes that are not utf-8", id="overlong"),
        pytest.param(b"a=\xff", {}, "parameters: bytes that are not utf-8", id="raw latin-1"),
        pytest.param("a=\ud800%20", {}, "parameters: bytes that are not utf-8", id="surrogate in text"),
        pytest.param(b"a=%81", {"encoding": "cp1252"}, "parameters: bytes that are not cp1252", id="another encoding"),
        pytest.param(b"a=1&secret", {"strict_parsing": True}, "parameters: a pair without =", id="strict"),
        pytest.param(b"a=1&&b=2", {"strict_parsing": True}, "parameters: a pair without =", id="strict, an empty pair"),
    ],
)
def test_parse_refuses(data: bytes | str, options: Any, error: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_query(data, **options)
    assert str(caught.value) == error


queries = st.lists(st.sampled_from(["a", "b", "=", "&", "+", "%41", "%C3%A9", ";", "é", "%2B", "%26", " "]), max_size=12).map("".join)


@given(queries, st.booleans())
@example("&=", True)
def test_it_reads_as_the_standard_library(query: str, keep: bool) -> None:
    assert parse_query(query, keep_blank_values=keep) == parse_qs(query, keep_blank_values=keep)
    assert parse_query(query.encode(), keep_blank_values=keep) == parse_qs(query, keep_blank_values=keep)


@given(queries)
def test_it_is_as_strict_as_the_standard_library(query: str) -> None:
    try:
        expected = parse_qs(query, strict_parsing=True) if query else {}
    except ValueError:
        with pytest.raises(BadRequest):
            parse_query(query, strict_parsing=True)
    else:
        assert parse_query(query, strict_parsing=True) == expected


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(texts, st.lists(texts, min_size=1)))
def test_what_is_formatted_reads_the_same(params: dict[str, list[str]]) -> None:
    assert parse_query(format_query(params), keep_blank_values=True) == params


@pytest.mark.parametrize(
    ("params", "options", "expected"),
    [
        ({}, {}, ""),
        ({"a": "1", "b": ["x y", "&="], "n": 2}, {}, "a=1&b=x+y&b=%26%3D&n=2"),
        ({"a": []}, {}, ""),
        ({"q": "é"}, {"encoding": "latin-1"}, "q=%E9"),
    ],
    ids=["none", "several", "empty list", "another encoding"],
)
def test_format(params: Any, options: Any, expected: str) -> None:
    assert format_query(params, **options) == expected


def test_format_refuses_what_is_no_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        format_query({"q": "\ud800"})


@given(st.lists(st.sampled_from([b"a", b"b", b"=", b"=", b"&", b"+", b"%41", b"%C3%A9", b"%", b"%4", b"%ff", b"\0"])).map(b"".join) | st.binary())
def test_parse_raises_nothing_else(data: bytes) -> None:
    try:
        parse_query(data)
    except BadRequest:
        pass


@pytest.mark.parametrize(
    "data",
    [b"&" * 999 + b"%41" * 300_000, b"a=1&" * 999 + b"+" * 900_000, b"=" * 900_000, b"%" * 900_000],
    ids=["percent", "plus", "equals", "broken"],
)
def test_a_long_query_is_read_in_no_time(data: bytes) -> None:
    start = time.process_time()
    try:
        parse_query(data)
    except BadRequest:
        pass
    assert time.process_time() - start < 1


def test_A18_keys_that_collide_as_numbers_stay_text() -> None:
    colliding = [str(i * (2**61 - 1)) for i in range(1000)]
    start = time.process_time()
    assert list(parse_query("&".join(f"{key}=1" for key in colliding))) == colliding
    assert time.process_time() - start < 1


# ---- names that nest


@pytest.mark.parametrize(
    ("names", "nested"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["a", "b"], {"a": ["0"], "b": ["1"]}, id="flat"),
        pytest.param(["a[b]", "a[c]"], {"a": {"b": ["0"], "c": ["1"]}}, id="a dict"),
        pytest.param(["a[b][c][d][e]"], {"a": {"b": {"c": {"d": {"e": ["0"]}}}}}, id="5 levels"),
        pytest.param(["a[]"], {"a": ["0"]}, id="brackets at the end"),
        pytest.param(["a[b][]", "a[b]"], {"a": {"b": ["0", "1"]}}, id="brackets at the end say nothing"),
        pytest.param(["a[1][b]", "a[0][b]", "a[100]"], {"a": [{"b": ["1"]}, {"b": ["0"]}, ["2"]]}, id="a list in the order of its numbers"),
        pytest.param(["a[7]", "a[07]"], {"a": [["0", "1"]]}, id="a number in two spellings"),
        pytest.param(["0", "0[0]x"], {"0": ["0"], "0[0]x": ["1"]}, id="a number at the front is a name"),
        pytest.param(["a[b", "a]", "[a]", "a[][b]", "a[[b]]", "a[b]c", "", "[]"], None, id="names of another form"),
        pytest.param(["a[-1]", "a[+1]", "a[\u0661]"], {"a": {"-1": ["0"], "+1": ["1"], "\u0661": ["2"]}}, id="no numbers"),
    ],
)
def test_nest(names: list[str], nested: Any) -> None:
    params = {name: [str(number)] for number, name in enumerate(names)}
    assert nest_params(params) == (params if nested is None else nested)
    assert params == {name: [str(number)] for number, name in enumerate(names)}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("a[b][c][d][e][f]=1", "a name nested deeper than 5 levels"),
        ("a" + "[b]" * 5000 + "=1", "a name nested deeper than 5 levels"),
        ("a[999999999]=1", "an index above 100"),
        ("a[101]=1", "an index above 100"),
        ("a[" + "0" * 5000 + "]=1", "an index above 100"),
        ("a=1&a[b]=2", "one name is to be a value, a list and a dict at once"),
        ("a[b]=2&a=1", "one name is to be a value, a list and a dict at once"),
        ("a[b]=1&a[b][c][d]=2", "one name is to be a value, a list and a dict at once"),
        ("a[b]=1&a[0]=2", "one name is to be a value, a list and a dict at once"),
    ],
)
def test_A19_nesting_is_bounded(query: str, error: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest) as caught:
            nest_params(parse_query(query))
        assert tracemalloc.get_traced_memory()[1] < 1_048_576
    finally:
        tracemalloc.stop()
    assert str(caught.value) == f"parameters: {error}"


@given(st.dictionaries(st.lists(st.sampled_from(["a", "b", "[", "]", "[]", "[0]", "[a]", "[17]"]), max_size=6).map("".join), st.just(["1"]), max_size=5))
def test_nesting_loses_no_value(params: dict[str, list[str]]) -> None:
    def count(inner: Any) -> int:
        members = inner.values() if isinstance(inner, dict) else inner
        return 1 if inner == "1" else sum(map(count, members))

    try:
        nested = nest_params(params)
    except BadRequest:
        return
    assert count(nested) == len(params)


def worst(piece: str, size: int) -> float:
    params = {piece * (size // len(piece)): ["1"]}

    def nest() -> None:
        with suppress(BadRequest):
            nest_params(params)

    return cpu_seconds(nest)


@pytest.mark.parametrize("piece", ["[", "]", "a[", "[a]", "a[b]", "[]", "a"], ids=repr)
def test_names_are_taken_apart_in_linear_time(piece: str) -> None:
    assert worst(piece, 400_000) < 6 * worst(piece, 100_000) + 0.05


@pytest.mark.parametrize("query", ["a&" * 1000 + "a", "&".join(f"a{i}=1" for i in range(1001))], ids=["empty", "1001 pairs"])
def test_A16_pairs_are_counted(query: str) -> None:
    """CVE-2025-46727"""
    with pytest.raises(BadRequest):
        parse_query(query)
    assert parse_query("a=1;b=2") == {"a": ["1;b=2"]}


@pytest.mark.parametrize("query", [b"a=%", b"a=%G1", b"a=%FF", b"a=%ED%A0%80"])
def test_A17_what_cannot_be_decoded_is_refused(query: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_query(query)
    assert parse_query(b"+", keep_blank_values=True) == {" ": [""]}
