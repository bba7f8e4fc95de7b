from __future__ import annotations

import time
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.cookies import format_cookie, parse_cookies

from .costs import cpu_seconds


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("a=1; b=two", {"a": "1", "b": "two"}, id="two"),
        pytest.param("a=1;b=2 ;\tc = 3 ;", {"a": "1", "b": "2", "c": "3"}, id="blanks"),
        pytest.param("a=1; bad[x]=2; c=3", {"a": "1", "bad[x]": "2", "c": "3"}, id="brackets in a name"),
        pytest.param("a=1; flag; c=3", {"a": "1", "c": "3"}, id="no value"),
        pytest.param("=x; a=1; ==y", {"a": "1"}, id="no name"),
        pytest.param("a=1; a=2", {"a": "1"}, id="the first of two"),
        pytest.param("a=; a=2", {"a": ""}, id="the first of two is empty"),
        pytest.param('a="x;y"; b=2', {"a": '"x', "b": "2"}, id="a semicolon ends a pair, quoted or not"),
        pytest.param('a="; session=s; b="', {"a": '"', "session": "s", "b": '"'}, id="a quote hides no neighbour"),
        pytest.param('a={"q":1}; b=x y; c=3', {"a": '{"q":1}', "b": "x y", "c": "3"}, id="quotes and blanks in values"),
        pytest.param('a="two words"; b=""', {"a": "two words", "b": ""}, id="quoted"),
        pytest.param('a="q\\"\\\\\\054\\351\\9\\400"', {"a": 'q"\\,é9400'}, id="escapes"),
        pytest.param("x\x0b=\xa0x", {"x\x0b": "\xa0x"}, id="nothing but blanks and tabs is taken off"),
        pytest.param("a=b=c==", {"a": "b=c=="}, id="= in a value"),
        pytest.param("a=%C3%A9%3B; b=100%; c=%FF; d=%zz", {"a": "é;", "b": "100%", "c": "%FF", "d": "%zz"}, id="percent"),
        pytest.param('a="%22"', {"a": '"'}, id="percent in quotes"),
        pytest.param("expires=tomorrow; a=1", {"expires": "tomorrow", "a": "1"}, id="names of attributes"),
        pytest.param("a=\xe9\xff; \xe9=1", {"a": "\xe9\xff", "\xe9": "1"}, id="latin-1"),
        pytest.param("; ".join(f"c{i}={i}" for i in range(180)), {f"c{i}": str(i) for i in range(180)}, id="180 cookies"),
    ],
)
def test_parse(header: str, cookies: dict[str, str]) -> None:
    assert parse_cookies(header) == cookies


@given(st.text(st.sampled_from('ab=;"\\ %C3\xe9\t\n0')) | st.text())
def test_parse_never_raises(header: str) -> None:
    assert "" not in parse_cookies(header)


@pytest.mark.parametrize("piece", ['\\"', "\\123", "\\", '"', ";", "=", "; a=1", "%", "%4", " "], ids=repr)
def test_cookies_are_read_in_linear_time(piece: str) -> None:
    start = time.process_time()
    parse_cookies('a="' + piece * 200_000)
    parse_cookies('a="' + piece * 200_000 + '"')
    assert time.process_time() - start < 2


EXPIRED = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"


@pytest.mark.parametrize(
    ("name", "attributes", "line"),
    [
        pytest.param("a", {"value": 1}, "a=1", id="a number"),
        pytest.param("a", {"value": ""}, "a=", id="empty"),
        pytest.param("a", {"value": None}, "a=None", id="whatever str gives"),
        pytest.param("a", {"value": "x y;\r\n,é%/=\x00"}, "a=x%20y%3B%0D%0A%2C%C3%A9%25/%3D%00", id="percent-encoded"),
        pytest.param("a", {"value": "v", "expires": 1545335438.5}, "a=v; Expires=Thu, 20 Dec 2018 19:50:38 GMT", id="expires as a timestamp"),
        pytest.param("a", {"value": "v", "expires": 0}, "a=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT", id="expires at zero"),
        pytest.param("a", {"value": "v", "expires": "whenever"}, "a=v; Expires=whenever", id="expires as text"),
        pytest.param("a", {"value": "v", "max-age": 0}, "a=v; Max-Age=0", id="max-age zero"),
        pytest.param("a", {"value": "v", "max-age": "-60"}, "a=v; Max-Age=-60", id="max-age as text"),
        pytest.param("a", {"value": "v", "max-age": 10**18}, "a=v; Max-Age=34560000", id="max-age of more than 400 days"),
        pytest.param("a", {"domain": "x.y", "path": "/p", "value": "v"}, "a=v; Path=/p; Domain=x.y", id="path and domain"),
        pytest.param("a", {"value": "v", "comment": "so", "version": 0}, "a=v; Comment=so; Version=0", id="comment and version"),
        pytest.param("a", {"value": "v", "secure": True, "httponly": 1, "partitioned": True}, "a=v; Secure; HttpOnly; Partitioned", id="flags"),
        pytest.param("a", {"value": "v", "secure": False, "path": None, "domain": "", "httponly": 0, "max-age": False}, "a=v", id="left out"),
        pytest.param("a", {"Value": "v", "Max-Age": 1, "SameSite": "LAX"}, "a=v; Max-Age=1; SameSite=Lax", id="capitals"),
        pytest.param("a", {"value": "v", "samesite": "strict"}, "a=v; SameSite=Strict", id="samesite strict"),
        pytest.param("a", {"value": "v", "samesite": "none", "secure": True}, "a=v; Secure; SameSite=None", id="samesite none"),
        pytest.param("__Host-a", {"value": "v", "secure": True, "path": "/"}, "__Host-a=v; Path=/; Secure", id="__Host-"),
        pytest.param("__Secure-a", {"value": "v", "secure": True, "domain": "x.y"}, "__Secure-a=v; Domain=x.y; Secure", id="__Secure-"),
        pytest.param("a", None, f"a=; {EXPIRED}", id="deleted"),
        pytest.param("__Host-a", None, f"__Host-a=; {EXPIRED}; Path=/; Secure", id="__Host- deleted"),
        pytest.param("__secure-a", None, f"__secure-a=; {EXPIRED}; Secure", id="__Secure- deleted"),
        pytest.param("a", {"value": "x" * 4095}, "a=" + "x" * 4095, id="4096 bytes"),
    ],
)
def test_format(name: str, attributes: Any, line: str) -> None:
    assert format_cookie(name, attributes) == line


@pytest.mark.parametrize(
    ("name", "attributes", "kind", "error"),
    [
        pytest.param("", {"value": 1}, ValueError, "a cookie's name must be letters, digits and !#$%&'*+-.^_`|~, got ''; ", id="no name"),
        pytest.param("a=b", {"value": 1}, ValueError, "got 'a=b'; take out the other characters", id="= in the name"),
        pytest.param("a\r\nb", None, ValueError, "got 'a\\r\\nb'; ", id="a line in the name"),
        pytest.param("é" * 99, None, ValueError, f"got '{'é' * 40}'; ", id="a long name is cut"),
        pytest.param("a", "b", TypeError, "cookie 'a': expected a dict like {\"value\": ...}, or None to delete the cookie, got str", id="text alone"),
        pytest.param("a", {}, ValueError, 'cookie \'a\': no "value"; write {"value": ...}, or None in place of the dict to delete the cookie', id="no value"),
        pytest.param("a", {"value": "x" * 4096}, ValueError, "cookie 'a': name and value are 4097 bytes, browsers keep 4096; ", id="4097 bytes"),
        pytest.param("a", {"value": "é" * 700}, ValueError, "cookie 'a': name and value are 4201 bytes, ", id="bytes after encoding count"),
        pytest.param("a", {"value": 1, "max_age": 1}, ValueError, "cookie 'a': no attribute is named 'max_age'; there are value, expires, ", id="unknown"),
        pytest.param("a", {"value": 1, "path": "/;x"}, ValueError, "cookie 'a': Path may hold ASCII without ; and control characters only; ", id="; in path"),
        pytest.param("a", {"value": 1, "path": "/\n"}, ValueError, "cookie 'a': Path may hold ", id="line feed in path"),
        pytest.param("a", {"value": 1, "domain": "x\x00"}, ValueError, "cookie 'a': Domain may hold ", id="NUL in domain"),
        pytest.param("a", {"value": 1, "expires": "x; Domain=evil"}, ValueError, "cookie 'a': Expires may hold ", id="; in expires"),
        pytest.param("a", {"value": 1, "comment": "é"}, ValueError, "cookie 'a': Comment may hold ", id="comment outside ASCII"),
        pytest.param("a", {"value": 1, "version": "1\r\nset-cookie: e=1"}, ValueError, "cookie 'a': Version may hold ", id="another header"),
        pytest.param("a", {"value": 1, "expires": [1]}, TypeError, "expires must be seconds since 1970 or a date as text, got list", id="expires as a list"),
        pytest.param("a", {"value": 1, "expires": True}, TypeError, "expires must be seconds since 1970 or a date as text, got bool", id="expires as a flag"),
        pytest.param("a", {"value": 1, "max-age": 1.5}, TypeError, "cookie 'a': max-age must be an int, in seconds, got float", id="max-age as a fraction"),
        pytest.param("a", {"value": 1, "max-age": True}, TypeError, "cookie 'a': max-age must be an int, in seconds, got bool", id="max-age as a flag"),
        pytest.param("a", {"value": 1, "max-age": "1;x"}, TypeError, "cookie 'a': max-age must be an int, in seconds, got str", id="; in max-age"),
        pytest.param("a", {"value": 1, "samesite": "yes"}, ValueError, 'cookie \'a\': samesite must be "strict", "lax" or "none"', id="samesite"),
        pytest.param("a", {"value": 1, "samesite": "None"}, ValueError, '"samesite": "none" needs "secure": True', id="samesite none without secure"),
        pytest.param("a", {"value": 1, "partitioned": True}, ValueError, '"partitioned" needs "secure": True', id="partitioned without secure"),
        pytest.param("__Secure-a", {"value": 1}, ValueError, 'the prefix of its name needs "secure": True; ', id="__Secure- without secure"),
        pytest.param("__HOST-a", {"value": 1, "path": "/"}, ValueError, 'the prefix of its name needs "secure": True; ', id="__Host- without secure"),
        pytest.param("__Host-a", {"value": 1, "secure": True}, ValueError, '__Host- needs "path": "/"; ', id="__Host- without path"),
        pytest.param("__Host-a", {"value": 1, "secure": True, "path": "/x"}, ValueError, '__Host- needs "path": "/"; ', id="__Host- with another path"),
    ],
)
def test_format_refuses(name: str, attributes: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        format_cookie(name, attributes)
    assert type(caught.value) is kind
    assert error in str(caught.value)


@pytest.mark.parametrize("header", ["a=1; bad[x]=2; c=3", 'a=1; b={"x":1}; c=3', "a=1; b=x y; c=3", "a=1; flag; c=3", "a=1; \xff; c=3; a=2"])
def test_D1_an_odd_cookie_hides_no_other(header: str) -> None:
    cookies = parse_cookies(header)
    assert (cookies["a"], cookies["c"]) == ("1", "3")


def worst(piece: str, size: int) -> float:
    header = 'a="' + piece * (size // len(piece))
    return cpu_seconds(lambda: (parse_cookies(header), parse_cookies(header + '"')))


@pytest.mark.parametrize("piece", ['\\"', "\\123", "%41", '; a="'], ids=repr)
def test_D2_sixteen_kilobytes_of_escapes(piece: str) -> None:
    """CVE-2024-7592"""
    assert worst(piece, 4 * 16_384) < 6 * worst(piece, 16_384) + 0.05


@pytest.mark.parametrize("value", ["x\r\nset-cookie: e=1", "a; Domain=evil", "\x00", "a,b"], ids=["header", "attribute", "NUL", "comma"])
def test_D4_no_value_smuggles_anything_in(value: str) -> None:
    line = format_cookie("a", {"value": value})
    assert line.isprintable() and not set(line) & set(";, ")


@pytest.mark.parametrize(
    ("name", "attributes"),
    [("a=b", {}), ("a b", {}), ("", {}), ("a", {"path": "/;x"}), ("a", {"domain": "e\x00vil"}), ("a", {"path": "/\r\nx: y"}), ("a", {"samesite": "lax; x"})],
)
def test_D4_names_and_attributes_are_checked(name: str, attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a cookie's name must be |(Path|Domain) may hold ASCII without ; |samesite must be "):
        format_cookie(name, {"value": 1, **attributes})


HOST: dict[str, Any] = {"value": 1, "secure": True, "path": "/"}


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("__Host-a", {**HOST, "secure": False}),
        ("__Host-a", {**HOST, "path": "/a"}),
        ("__Host-a", {**HOST, "domain": "x.y"}),
        ("__host-a", {**HOST, "domain": "x.y"}),
        ("__Secure-a", {**HOST, "secure": False}),
        ("a", {"value": 1, "samesite": "none"}),
        ("a", {"value": 1, "partitioned": True}),
        ("a", {"value": "x" * 4096}),
    ],
)
def test_D5_what_browsers_would_drop_is_an_error(name: str, attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="browsers"):
        format_cookie(name, attributes)


def test_attributes_are_not_changed() -> None:
    attributes = {"value": 1, "path": "/"}
    format_cookie("a", attributes)
    assert attributes == {"value": 1, "path": "/"}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_value_survives_the_round_trip(value: str) -> None:
    line = format_cookie("a", {"value": value, "path": "/"})
    pair, _, attributes = line.partition("; ")
    assert line.isprintable() and attributes == "Path=/"
    assert parse_cookies(f"b=1; {pair}; a=2") == {"b": "1", "a": value}


@given(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=30))
def test_values_quoted_by_the_standard_library_are_read(value: str) -> None:
    """It quotes a ``;`` as ``\\073``, so the pair stays whole."""
    morsel: SimpleCookie = SimpleCookie()
    morsel["a"] = value
    if "%" not in value:
        assert parse_cookies(morsel["a"].OutputString()) == {"a": value}
