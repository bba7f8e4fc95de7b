"""shallot.codec.authorization: credentials and challenges."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.codec.authorization import format_challenge, is_ambient, is_same_secret, parse_authorization, parse_basic, parse_bearer


def basic(text: str | bytes) -> str:
    return "Basic " + b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("Bearer abc", ("bearer", "abc")),
        (" BEARER   a b\t", ("bearer", "a b")),
        ("Negotiate", ("negotiate", "")),
        ("", ("", "")),
        ("   ", ("", "")),
        ("a@b c", ("", "")),
        ("Bearer\tabc", ("", "")),
    ],
)
def test_authorization(text, parsed):
    assert parse_authorization(text) == parsed


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (basic("ann:secret"), ("ann", "secret")),
        (basic("ann:a:b"), ("ann", "a:b")),
        (basic(":"), ("", "")),
        (basic("käse:ö").replace("Basic", "bASIC"), ("käse", "ö")),
        (basic("ann"), None),
        (basic("ann\n:x"), None),
        (basic("ann:\x00"), None),
        (basic(b"\xff:\xff"), None),
        ("Basic YTpi\x00", None),
        ("Basic YTp", None),
        ("Basic YTpi YTpi", None),
        ("Basic ä", None),
        ("Basic", None),
        ("Bearer YTpi", None),
        ("", None),
    ],
)
def test_basic(text, parsed):
    assert parse_basic(text) == parsed


WORDS = some.text(some.characters(exclude_categories=["Cs", "Cc"]))


@given(WORDS.filter(lambda user: ":" not in user), WORDS)
def test_basic_there_and_back(user, password):
    assert parse_basic(basic(f"{user}:{password}")) == (user, password)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("Bearer abc.DEF-1_~+/==", "abc.DEF-1_~+/=="),
        ("bearer a", "a"),
        *((text, None) for text in ("", "Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer ä", "Bearera", "Basic a", "Bearer a\n")),
    ],
)
def test_bearer(text, token):
    assert parse_bearer(text) == token


def test_challenges():
    assert format_challenge("Negotiate") == "Negotiate"
    assert format_challenge("Basic", realm='a"b\\c', charset="UTF-8") == 'Basic realm="a\\"b\\\\c", charset="UTF-8"'


@pytest.mark.parametrize("realm", ["a\r\nx: y", "\x00", "käse"])
def test_challenges_that_cannot_be_written(realm):
    with pytest.raises(ValueError) as caught:
        format_challenge("Basic", realm=realm)
    assert str(caught.value) == f"realm must be printable ASCII, not {realm!r}"


@pytest.mark.parametrize(
    ("given_", "expected", "same"),
    [
        ("a", "a", True),
        ("a", b"a", True),
        (b"\xff", b"\xff", True),
        ("", "", True),
        ("ä", "ä", True),
        ("\ud800", "\ud800", True),
        ("a", "b", False),
        ("a", "aa", False),
    ],
)
def test_D19_secrets(given_, expected, same):
    assert is_same_secret(given_, expected) is same


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"cookie": ""}, True),
        ({"authorization": "Basic YTpi"}, True),
        ({"authorization": "Negotiate x"}, True),
        ({"authorization": "Digest username=a"}, True),
        ({"authorization": "bearer t"}, False),
        ({"authorization": ""}, False),
        ({"authorization": "Bearer t", "cookie": "a=1"}, True),
    ],
)
def test_what_a_browser_adds_by_itself(headers, expected):
    assert is_ambient(headers) is expected
