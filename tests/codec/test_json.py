from __future__ import annotations

import enum
import json
import sys
import time
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shallot.codec import json as codec
from shallot.codec.json import JSONError, build_fast, format_json, format_standard, parse_json, parse_standard

from ..worlds import load_again

format_fast, parse_fast = build_fast(msgspec.json.Encoder().encode, msgspec.json.Decoder().decode)

parsers = pytest.mark.parametrize("parse", [parse_standard, parse_fast], ids=["standard", "msgspec"])
formatters = pytest.mark.parametrize("format_", [format_standard, format_fast], ids=["standard", "msgspec"])


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


def dict_of(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


# ---- reading

VALUES: list[Any] = [
    pytest.param(b"null", None, id="null"),
    pytest.param(b" \t\r\n1 ", 1, id="blanks around"),
    pytest.param(b"-0", 0, id="minus zero"),
    pytest.param(b"1E5", 100000.0, id="exponent"),
    pytest.param(b"0.1", 0.1, id="fraction"),
    pytest.param(b"1e-999", 0.0, id="underflow"),
    pytest.param(b"0e999", 0.0, id="zero with a large exponent"),
    pytest.param(b"18446744073709551616", 2**64, id="integer of 65 bits"),
    pytest.param(b"1" * 4300, int("1" * 4300), id="integer of 4300 digits"),
    pytest.param(b"-" + b"1" * 4300, -int("1" * 4300), id="negative integer of 4300 digits"),
    pytest.param(b"[" + b"1," * 5000 + b"1]", [1] * 5001, id="long text, short integers"),
    pytest.param(b'"\\u00e9\\n\\/"', "é\n/", id="escapes"),
    pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="escaped pair of surrogates"),
    pytest.param(b'"\\\\ud800"', "\\ud800", id="escaped backslash before ud800"),
    pytest.param("é\U0001f600\u2028".join('""').encode(), "é\U0001f600\u2028", id="UTF-8"),
    pytest.param(b'{"a": {"a": 1}, "b": {"a": 1}}', {"a": {"a": 1}, "b": {"a": 1}}, id="a key in several objects"),
    pytest.param(b'{"a:b": ":", "c": "::"}', {"a:b": ":", "c": "::"}, id="colons in text"),
    pytest.param(b'{"a": "\\u003a", "b": "\\u003A"}', {"a": ":", "b": ":"}, id="escaped colons"),
    pytest.param(b'{"a": 1e5, "b": "\\u0061"}', {"a": 1e5, "b": "a"}, id="not written as we write"),
    pytest.param(b'["' + b"[{" * 199 + b'"]', ["[{" * 199], id="brackets in text"),
    pytest.param(b'["\\"' + b"[" * 199 + b'\\\\", "\\\\"]', ['"' + "[" * 199 + "\\", "\\"], id="brackets behind escaped quotes"),
    pytest.param(b"[" + b"[]," * 99 + b"1]", [[]] * 99 + [1], id="brackets side by side"),
    pytest.param(nested(64), json.loads(nested(64)), id="64 levels"),
    pytest.param(dict_of(64), json.loads(dict_of(64)), id="64 levels of objects"),
]


@parsers
@pytest.mark.parametrize(("data", "value"), VALUES)
def test_parse(parse: Callable[[bytes], Any], data: bytes, value: Any) -> None:
    assert repr(parse(data)) == repr(value)


ERRORS: list[Any] = [
    pytest.param(b"", "malformed JSON at byte 0", id="empty"),
    pytest.param(b" ", "malformed JSON at byte 1", id="blank"),
    pytest.param(b"{", "malformed JSON at byte 1", id="open"),
    pytest.param(b"]", "malformed JSON at byte 0", id="closed"),
    pytest.param(b"tru", "malformed JSON at byte 0", id="half a word"),
    pytest.param(b'{"a":1}x', "malformed JSON at byte 7", id="more behind"),
    pytest.param('["é\U0001f600", x'.encode(), "malformed JSON at byte 11", id="bytes are counted"),
    pytest.param(b"{1:2}", "malformed JSON at byte 1", id="a key that is no text"),
    pytest.param(b"01", "malformed JSON at byte 1", id="leading zero"),
    pytest.param(b'"\x01"', "malformed JSON at byte 1", id="control character"),
    pytest.param(b"\x0b1", "malformed JSON at byte 0", id="vertical tab"),
    pytest.param(b"1\x00", "malformed JSON at byte 1", id="NUL"),
    pytest.param(b"\xef\xbb\xbf1", "malformed JSON at byte 0", id="byte order mark"),
    pytest.param("1".encode("utf-16-le"), "malformed JSON at byte 1", id="UTF-16"),
    pytest.param('"é"'.encode("utf-16"), "JSON that is not UTF-8 at byte 0", id="UTF-16 with a mark"),
    pytest.param(b'"\xff"', "JSON that is not UTF-8 at byte 1", id="latin-1"),
    pytest.param(b'"\xed\xa0\x80"', "JSON that is not UTF-8 at byte 1", id="surrogate as bytes"),
    pytest.param(b'"\\ud800"', "JSON with a lone surrogate", id="high surrogate"),
    pytest.param(b'{"\\uDC00": 1}', "JSON with a lone surrogate", id="low surrogate in a key"),
    pytest.param(b"[NaN]", "JSON with NaN or Infinity", id="NaN"),
    pytest.param(b"-Infinity", "JSON with NaN or Infinity", id="infinity"),
    pytest.param(b"1e999", "JSON with a number out of range", id="1e999"),
    pytest.param(b"-" + b"1" * 400 + b".0", "JSON with a number out of range", id="400 digits and a fraction"),
    pytest.param(b"1" * 4301, "JSON with an integer of more than 4300 digits", id="4301 digits"),
    pytest.param(b'{"a":1,"a":1}', "JSON with a key twice in one object", id="a key twice"),
    pytest.param(b'{"a":1,"\\u0061":2}', "JSON with a key twice in one object", id="a key twice in two spellings"),
    pytest.param(b'{"a":1,"a":2,"b":"\\u003a"}', "JSON with a key twice in one object", id="an escaped colon in the place of the lost one"),
    pytest.param(b'{"a":1,"a":2,"b":"\\u003A"}', "JSON with a key twice in one object", id="an escaped colon in capitals"),
    pytest.param(b'[{"b":{"a":{"c":2},"a":{"c":3}}}]', "JSON with a key twice in one object", id="a key twice deep inside"),
    pytest.param(nested(65), "JSON nested deeper than 64 levels", id="65 levels"),
    pytest.param(dict_of(65), "JSON nested deeper than 64 levels", id="65 levels of objects"),
    pytest.param(nested(100_000), "JSON nested deeper than 64 levels", id="100,000 levels"),
    pytest.param(b"[" * 100_000, "JSON nested deeper than 64 levels", id="100,000 opened"),
    pytest.param(b'["]",' * 65 + b"1" + b"]" * 65, "JSON nested deeper than 64 levels", id="closing brackets in text"),
    pytest.param(b'["\\\\",' + nested(64) + b',"\\"]"]', "JSON nested deeper than 64 levels", id="65 levels between backslashes"),
]


@parsers
@pytest.mark.parametrize(("data", "error"), ERRORS)
def test_parse_refuses(parse: Callable[[bytes], Any], data: bytes, error: str) -> None:
    with pytest.raises(JSONError) as caught:
        parse(data)
    assert str(caught.value) == error
    assert caught.value.position == (int(error.rpartition(" ")[2]) if " at byte " in error else None)


@pytest.fixture
def fewer_digits() -> Any:
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    yield
    sys.set_int_max_str_digits(usual)


@parsers
@pytest.mark.usefixtures("fewer_digits")
def test_the_interpreter_may_allow_fewer_digits(parse: Callable[[bytes], Any]) -> None:
    with pytest.raises(JSONError, match="^JSON with an integer of too many digits$"):
        parse(b"1" * 641)


@parsers
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 500_000 + b"]" * 500_000, id="deep"),
        pytest.param((b"[" * 64 + b"]" * 64) * 4000, id="just not too deep, again and again"),
        pytest.param(b"[]" * 500_000, id="flat"),
        pytest.param(b'"\\"' * 300_000, id="escaped quotes"),
        pytest.param(b'"' * 1_000_000, id="quotes"),
        pytest.param(b"\\" * 1_000_000, id="backslashes"),
        pytest.param(b'["' * 300_000, id="brackets and quotes"),
        pytest.param(b'{"a":' * 200_000, id="open objects"),
    ],
)
def test_the_worst_megabyte_is_read_in_no_time(parse: Callable[[bytes], Any], data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(JSONError):
        parse(data)
    assert time.process_time() - start < 1


# ---- writing


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    HI = "hi"


class Plain(enum.Enum):
    ONE = 1


class Share(float, enum.Enum):
    HALF = 1


class Text(str):
    __slots__ = ()


class Float(float):
    __slots__ = ()


@dataclass
class Data:
    a: int = 1


Pair = namedtuple("Pair", "a b")

moved = OrderedDict(a=1, b=2)
moved.move_to_end("a")

TEXTS: list[Any] = [
    pytest.param({"a": [1, 2.5, None, True, False, "é\U0001f600\u2028"]}, '{"a":[1,2.5,null,true,false,"é\U0001f600\u2028"]}', id="all kinds"),
    pytest.param('"\\/\b\f\n\r\t\x00\x1f\x7f', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"', id="escapes"),
    pytest.param((1, (2,)), "[1,[2]]", id="tuples"),
    pytest.param(1e16, "1e+16", id="1e16"),
    pytest.param(-1e15, "-1000000000000000.0", id="1e15"),
    pytest.param([0.0001], "[0.0001]", id="0.0001"),
    pytest.param([{"a": 0.00001}], '[{"a":1e-05}]', id="0.00001"),
    pytest.param(-0.0, "-0.0", id="minus zero"),
    pytest.param(2**64, "18446744073709551616", id="integer of 65 bits"),
    pytest.param({1: 1, 2.5: 2, 1e16: 3, None: 4}, '{"1":1,"2.5":2,"1e+16":3,"null":4}', id="keys that are no text"),
    pytest.param({True: 1}, '{"true":1}', id="bool as a key"),
    pytest.param([Number.ONE, Word.HI, {Word.HI: 1}], '[1,"hi",{"hi":1}]', id="enums that are numbers and text"),
    pytest.param(Share.HALF, "1.0", id="enum that is a float"),
    pytest.param([Text("x"), Float(1e16), {Text("k"): 1}], '["x",1e+16,{"k":1}]', id="subclasses"),
    pytest.param(Pair(1, 2), "[1,2]", id="named tuple"),
    pytest.param([moved], '[{"b":2,"a":1}]', id="an ordered dict in its order"),
    pytest.param(json.loads(nested(300)), nested(300).decode(), id="300 levels"),
]


@formatters
@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_format(format_: Callable[[Any], bytes], value: Any, text: str) -> None:
    assert format_(value).decode() == text


circle: list[Any] = []
circle += [circle, circle]

REFUSED: list[Any] = [
    pytest.param({1}, TypeError, "JSON has no set: expected dict, list, str, int, float, bool or None; convert it first, e.g. with str()", id="set"),
    pytest.param([b"x"], TypeError, "JSON has no bytes: ", id="bytes"),
    pytest.param({"a": memoryview(b"x")}, TypeError, "JSON has no memoryview: ", id="memoryview"),
    pytest.param(date(2026, 1, 1), TypeError, "JSON has no date: ", id="date"),
    pytest.param(UUID(int=1), TypeError, "JSON has no UUID: ", id="UUID"),
    pytest.param(Decimal("1.5"), TypeError, "JSON has no Decimal: ", id="Decimal"),
    pytest.param([{"a": Data()}], TypeError, "JSON has no Data: ", id="dataclass"),
    pytest.param(Plain.ONE, TypeError, "JSON has no Plain: ", id="enum"),
    pytest.param(deque(), TypeError, "JSON has no deque: ", id="deque"),
    pytest.param({b"k": 1}, TypeError, "keys must be str, int, float, bool or None, not bytes", id="bytes as a key"),
    pytest.param({date(2026, 1, 1): 1}, TypeError, "keys must be str, int, float, bool or None, not date", id="date as a key"),
    pytest.param([float("nan")], ValueError, "Out of range float values are not JSON compliant", id="NaN"),
    pytest.param({"a": float("-inf")}, ValueError, "Out of range float values are not JSON compliant", id="infinity"),
    pytest.param({float("nan"): 1}, ValueError, "Out of range float values are not JSON compliant", id="NaN as a key"),
    pytest.param("\ud800", ValueError, "JSON is UTF-8: a str holds a lone surrogate; replace it, ", id="lone surrogate"),
    pytest.param({"\udc00": 1}, ValueError, "JSON is UTF-8: a str holds a lone surrogate; replace it, ", id="lone surrogate in a key"),
    pytest.param(circle, ValueError, "Circular reference detected", id="circle"),
]


@formatters
@pytest.mark.parametrize(("value", "kind", "error"), REFUSED)
def test_format_refuses(format_: Callable[[Any], bytes], value: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        format_(value)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    ("value", "text"),
    [({"a": 1}, b'{"a":1}'), ("é\U0001f600", b'"\\u00e9\\ud83d\\ude00"'), ("\x7f", b'"\x7f"')],
    ids=["ASCII already", "escapes", "delete"],
)
def test_format_ascii(value: Any, text: bytes) -> None:
    assert format_json(value, ensure_ascii=True) == text


def test_format_ascii_refuses_what_could_not_be_read_again() -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        format_json("\ud800", ensure_ascii=True)


# ---- both are the same

text = st.text(st.sampled_from('ab:"\\é\n[{\U0001f600\ud800\x00 '), max_size=5) | st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text | st.integers(-(10**40), 10**40) | st.floats(1e-7, 1e-3) | st.floats(1e15, 1e17)
oddities = st.binary(max_size=2) | st.dates() | st.decimals() | st.uuids() | st.sets(st.integers(), max_size=2)
oddities |= st.sampled_from([*Number, *Word, *Plain, *Share, moved, Data()])


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = text | st.integers() | st.floats() | st.none() | st.booleans()
    return st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4) | st.tuples(inner) | st.dictionaries(keys, inner, max_size=2)


values = st.recursive(scalars, containers, max_leaves=12)
strange = st.recursive(scalars | oddities, containers, max_leaves=6)

TOKENS = ["{", "}", "[", "]", ":", ",", '"', "\\", "\\u", "d8", "00", "3a", "\\u003A", "null", "NaN", "Infinity"]
TOKENS += ["-", "0", "1", "1e5", "1E400", ".5", "e", " ", "\n", "\x0b", "\x00", "é", '"a":', '"a":1,', '"b"', '""', "\ufeff", "9" * 20, "1.5", "true"]
near_json = st.lists(st.sampled_from(TOKENS), max_size=10).map("".join)


def outcome(function: Callable[[Any], Any], argument: Any) -> tuple[str, str]:
    try:
        return "gives", repr(function(argument))
    except (ValueError, TypeError) as error:
        return type(error).__name__, str(error)


@formatters
def test_what_cannot_be_written_is_told_by_one_error(format_: Callable[[Any], bytes]) -> None:
    with pytest.raises(TypeError, match="JSON has no set") as refused:
        format_({"a": {1}})
    assert refused.value.__context__ is None


@given(values | strange)
@example({"a": [0.00009999999999999999, 0.0001, 9999999999999998.0, 1e16]})
def test_both_write_the_same(value: Any) -> None:
    assert outcome(format_fast, value) == outcome(format_standard, value)


@given(values, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), ("\n,", " :\t")]), st.integers(0, 200), st.integers(0, 3), near_json)
def test_both_read_the_same(value: Any, ascii_only: bool, separators: tuple[str, str], at: int, cut: int, noise: str) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
    at = min(at, len(written))
    for candidate in (written, written[:at] + noise + written[at + cut :]):
        data = candidate.encode("utf-8", "surrogatepass")
        assert outcome(parse_fast, data) == outcome(parse_standard, data)


@given(near_json.map(str.encode) | st.binary(max_size=8) | st.tuples(st.binary(max_size=3), near_json).map(lambda pair: b'"' + pair[0] + pair[1].encode()))
@example(b'{"a":1,"a":2,"\\u003a":1}')
def test_both_read_nonsense_the_same(data: bytes) -> None:
    assert outcome(parse_fast, data) == outcome(parse_standard, data)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_both_read_and_write_each_float_the_same(number: float) -> None:
    written = format_fast(number)
    assert written == repr(number).encode() == format_standard(number)
    assert repr(parse_fast(written)) == repr(number) == repr(parse_standard(written))


readable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(readable, st.booleans())
def test_what_is_written_reads_the_same(value: Any, ascii_only: bool) -> None:
    assert repr(parse_json(format_json(value, ensure_ascii=ascii_only))) == repr(value)


# ---- which of the two


def test_with_msgspec_it_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    again = load_again(monkeypatch, codec, {})
    monkeypatch.setattr(again, "_parse_checked", None)
    monkeypatch.setattr(again, "format_standard", None)
    data = b'{"id":1,"name":"ann","tags":["a","b"],"score":1.5,"address":{"zip":"1","geo":[52.5,13.4]}}'
    spaced = data.replace(b",", b", ")
    assert again.format_json(again.parse_json(data)) == data
    assert again.format_json(again.parse_json(spaced)) == data


def test_without_msgspec_the_standard_library_does(monkeypatch: pytest.MonkeyPatch) -> None:
    again = load_again(monkeypatch, codec, {"msgspec": None, "msgspec.json": None})
    assert again.format_json({"a": [1.5]}) == b'{"a":[1.5]}'
    assert again.parse_json(b'{"a":[1.5]}') == {"a": [1.5]}
    assert (again._format, again._parse) == (again.format_standard, again.parse_standard)


# ---- the rows of the threat table, on both paths


@parsers
@pytest.mark.parametrize("data", [b"[" * 65, b"[" * 100_000, b'{"a":' * 65, nested(65), dict_of(65), nested(100_000)], ids=lambda data: f"{len(data)} bytes")
def test_E13_deep(parse: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(JSONError):
        parse(data)


@parsers
@pytest.mark.parametrize(
    "data", [b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"-1e999", b"1" * 4301, b"[-" + b"1" * 4301 + b"]"], ids=lambda data: repr(data[:9])
)
def test_E14_numbers(parse: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(JSONError):
        parse(data)


@formatters
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")], ids=repr)
def test_E14_numbers_out(format_: Callable[[Any], bytes], number: float) -> None:
    with pytest.raises(ValueError, match="^Out of range float values are not JSON compliant"):
        format_({"a": [number]})


@parsers
@pytest.mark.parametrize(
    "data", [b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-16-be"), b'"\\ud800"', b'"\xed\xa0\x80"'], ids=repr
)
def test_E15_texts(parse: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(JSONError):
        parse(data)


@parsers
@pytest.mark.parametrize(("data", "position"), [(b"", 0), (b" ", 1), (b"{", 1), (b"]", 0), (b"[tru", 1), (b'{"a":1}x', 7)], ids=repr)
def test_E16_the_error_names_the_place_and_not_the_text(parse: Callable[[bytes], Any], data: bytes, position: int) -> None:
    with pytest.raises(JSONError) as caught:
        parse(data)
    assert (str(caught.value), caught.value.position) == (f"malformed JSON at byte {position}", position)
