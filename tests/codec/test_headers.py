from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.headers import find_header, format_headers, parse_headers, parse_media_type, parse_parameters, with_header, with_vary

TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([(b"host", b"x"), (b"x-own", b"1")], {"host": "x", "x-own": "1"}, id="common and own names"),
        pytest.param([(b"Host", b"x"), (b"X-OWN", b"1")], {"host": "x", "x-own": "1"}, id="lower case"),
        pytest.param([(b"accept", b"a"), (b"host", b"x"), (b"Accept", b"b"), (b"accept", b"")], {"accept": "a,b,", "host": "x"}, id="repeats in order"),
        pytest.param([(b"cookie", b"a=1"), (b"cookie", b"b=2; c=3")], {"cookie": "a=1; b=2; c=3"}, id="cookies"),
        pytest.param([(b"x-a", b"\xff\xe9\x80\x00")], {"x-a": "\xff\xe9\x80\x00"}, id="latin-1"),
        pytest.param([(b"x_user", b"1"), (b"x-user", b"2")], {"x_user": "1", "x-user": "2"}, id="underscores are kept apart"),
        pytest.param([(b"\xc9", b"1"), (b"", b"2")], {"\xe9": "1", "": "2"}, id="odd names"),
    ],
)
def test_parse(raw: Any, expected: dict[str, str]) -> None:
    assert parse_headers(raw) == expected


@given(st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=8))))
def test_parse_never_raises_and_keeps_all(raw: list[tuple[bytes, bytes]]) -> None:
    headers = parse_headers(raw)
    assert sum(map(len, headers.values())) >= sum(len(value) for _, value in raw)


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"content-type": "text/plain", "x-own": "1"}, [(b"content-type", b"text/plain"), (b"x-own", b"1")], id="common and own names"),
        pytest.param({"Content-Type": "a/b", "X-Own": "1"}, [(b"content-type", b"a/b"), (b"x-own", b"1")], id="lower case"),
        pytest.param({"set-cookie": ["a=1", "b=2"]}, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")], id="a list"),
        pytest.param({"set-cookie": ("a=1",)}, [(b"set-cookie", b"a=1")], id="a tuple"),
        pytest.param({"set-cookie": []}, [], id="an empty list"),
        pytest.param({"x": "é\xa0\xad\x80"}, [(b"x", b"\xe9\xa0\xad\x80")], id="latin-1"),
        pytest.param({"x": " \ta\tb \t"}, [(b"x", b"a\tb")], id="tab inside, blanks around"),
        pytest.param({"x": ""}, [(b"x", b"")], id="empty"),
        pytest.param({TOKEN: "1"}, [(TOKEN.lower().encode(), b"1")], id="all characters of a name"),
    ],
)
def test_format(headers: Any, lines: list[tuple[bytes, bytes]]) -> None:
    assert format_headers(headers) == lines


@pytest.mark.parametrize(
    ("headers", "kind", "error"),
    [
        pytest.param({"": "1"}, ValueError, "a header's name must be letters, digits and !#$%&'*+-.^_`|~, got ''; take out the other characters", id="no name"),
        pytest.param({"a b": "1"}, ValueError, "got 'a b'; ", id="blank in a name"),
        pytest.param({"a" * 60 + "\n": "1"}, ValueError, f"got '{'a' * 40}'; ", id="a long name is cut"),
        pytest.param({"ä": "1"}, ValueError, "got 'ä'; ", id="a name outside ASCII"),
        pytest.param({b"a": "1"}, TypeError, "a header's name must be a str, got bytes; write it as text, like 'content-type'", id="name as bytes"),
        pytest.param({"a": 1}, TypeError, "header 'a': expected a str or a list of str, got int; write str(...) around it", id="a number"),
        pytest.param({"a": None}, TypeError, "header 'a': expected a str or a list of str, got NoneType; ", id="none"),
        pytest.param({"a": b"secret"}, TypeError, "header 'a': expected a str or a list of str, got bytes; ", id="bytes"),
        pytest.param({"a": ["1", 2]}, TypeError, "header 'a': expected a list of str, got a member of type int; ", id="a number in a list"),
        pytest.param({"a": "x\r\nb: 1"}, ValueError, "header 'a': the value holds the control character '\\r' at 1; ", id="another header"),
        pytest.param({"a": ["ok", "x\x00"]}, ValueError, "header 'a': the value holds the control character '\\x00' at 1; ", id="NUL in a list"),
        pytest.param({"a": "\n"}, ValueError, "header 'a': the value holds the control character '\\n' at 0; ", id="a line feed alone"),
        pytest.param({"a": "x€"}, ValueError, "header 'a': the character at 1 is outside latin-1; percent-encode the value, ", id="outside latin-1"),
        pytest.param({"A": "1", "a": "2"}, ValueError, "headers 'A' and 'a' are one name in two spellings; keep one, ", id="two spellings"),
        pytest.param({"Vary": "1", "vary": "2"}, ValueError, "headers 'Vary' and 'vary' are one name in two spellings; keep one, ", id="two of a common name"),
    ],
)
def test_format_refuses(headers: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        format_headers(headers)
    assert type(caught.value) is kind
    assert error in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("code", range(256))
def test_each_character_of_a_value(code: int) -> None:
    legal = code == 9 or (code >= 32 and code != 127)
    try:
        assert format_headers({"a": f"x{chr(code)}y"}) == [(b"a", b"x" + bytes([code]) + b"y")]
        assert legal
    except ValueError:
        assert not legal


@pytest.mark.parametrize("code", range(256))
def test_each_character_of_a_name(code: int) -> None:
    try:
        format_headers({f"x{chr(code)}y": "1"})
        assert chr(code) in TOKEN
    except ValueError:
        assert chr(code) not in TOKEN


@given(st.dictionaries(st.text(TOKEN.lower().replace("A", ""), min_size=1).map(str.lower), st.text(st.characters(min_codepoint=33, max_codepoint=126))))
def test_what_is_formatted_reads_the_same(headers: dict[str, str]) -> None:
    assert parse_headers(format_headers(headers)) == headers


@pytest.mark.parametrize(
    ("headers", "found"),
    [({"vary": "a"}, "a"), ({"x": "1", "VARY": ["a"]}, ["a"]), ({"x": "1"}, None), ({}, None)],
    ids=["lower case", "capitals", "absent", "empty"],
)
def test_find(headers: Any, found: Any) -> None:
    assert find_header(headers, "vary") == found


def test_with_header_takes_the_place_of_all_spellings() -> None:
    headers: dict[str, str | list[str]] = {"Vary": "a", "x": "1", "VARY": "b"}
    assert with_header(headers, "vary", ["c"]) == {"x": "1", "vary": ["c"]}
    assert headers == {"Vary": "a", "x": "1", "VARY": "b"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, {"vary": "origin"}, id="none"),
        pytest.param({"vary": "accept"}, {"vary": "accept, origin"}, id="another"),
        pytest.param({"Vary": ["accept", "cookie"]}, {"vary": "accept, cookie, origin"}, id="a list"),
        pytest.param({"vary": "Origin"}, {"vary": "Origin"}, id="there already"),
        pytest.param({"Vary": "*"}, {"Vary": "*"}, id="everything"),
        pytest.param({"vary": " , "}, {"vary": "origin"}, id="empty members"),
    ],
)
def test_with_vary(headers: Any, expected: Any) -> None:
    assert with_vary(headers, "origin") == expected


@pytest.mark.parametrize(
    ("headers", "names", "expected"),
    [
        pytest.param({}, ["accept", "origin"], {"vary": "accept, origin"}, id="several"),
        pytest.param({"Vary": "Accept"}, ["accept", "origin"], {"vary": "Accept, origin"}, id="one of them is there"),
        pytest.param({"Vary": ""}, ["accept"], {"vary": "accept"}, id="an empty one is no other"),
        pytest.param({"a": "b"}, [], {"a": "b"}, id="no names"),
        pytest.param({"vary": "accept"}, [], {"vary": "accept"}, id="none beside one"),
    ],
)
def test_with_vary_of_several(headers: Any, names: list[str], expected: Any) -> None:
    before = {**headers}
    varied = with_vary(headers, *names)
    assert varied == expected and varied is not headers and headers == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("application/json", ("application/json", {}), id="bare"),
        pytest.param(" Text/HTML ; Charset=UTF-8 ", ("text/html", {"charset": "UTF-8"}), id="blanks and capitals"),
        pytest.param("a/b;", ("a/b", {}), id="an end without a parameter"),
        pytest.param('a/b; x="1;2"; y="a\\"b\\\\c"; z=3', ("a/b", {"x": "1;2", "y": 'a"b\\c', "z": "3"}), id="quoted"),
        pytest.param("a/b; x=1; X=2", ("a/b", {"x": "1"}), id="the first of two"),
        pytest.param("a/b; x; =1; ;; y=", ("a/b", {"y": ""}), id="parts that are none"),
        pytest.param('a/b; x="open', ("a/b", {"x": "open"}), id="an open quote"),
        pytest.param('a/b; x="a\\', ("a/b", {"x": "a"}), id="an open quote and escape"),
        pytest.param('a/b; x="a" junk; y=1', ("a/b", {"x": "a", "y": "1"}), id="more behind a quote"),
        pytest.param("application/vnd.api+json; ext=1", ("application/vnd.api+json", {"ext": "1"}), id="a suffix"),
        pytest.param("", ("", {}), id="empty"),
        pytest.param("json", ("", {}), id="no slash"),
        pytest.param("a/b/c", ("", {}), id="two slashes"),
        pytest.param("a b/c", ("", {}), id="a blank inside"),
        pytest.param("text/plain, application/json", ("", {}), id="two types"),
        pytest.param("text/plain,x/y+json", ("", {}), id="two types without a blank"),
        pytest.param("application/json\n", ("", {}), id="line feed"),
    ],
)
def test_media_type(text: str, expected: Any) -> None:
    assert parse_media_type(text) == expected


@given(st.text(st.sampled_from('ab=";\\/ \t,é')))
def test_media_type_never_raises(text: str) -> None:
    kind, parameters = parse_media_type(f"a/b;{text}")
    assert (kind, parameters) == ("a/b", parse_parameters(text))
    assert "" not in parameters


@pytest.mark.parametrize("piece", [";", "; ", '"', '\\"', "\\", "=", ";a=", ';a="', ' ;a="\\', "a ", '="";'], ids=repr)
def test_parameters_are_read_in_linear_time(piece: str) -> None:
    start = time.process_time()
    parse_media_type("a/b;" + piece * 100_000)
    parse_media_type('a/b;x="' + piece * 100_000)
    assert time.process_time() - start < 2


def test_repeats_are_joined_in_linear_time() -> None:
    start = time.process_time()
    assert len(parse_headers([(b"a", b"b" * 100)] * 100_000)["a"]) == 100_000 * 101 - 1
    assert time.process_time() - start < 2
