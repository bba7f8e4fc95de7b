"""shallot.codec.origins: which texts are origins, whose origin a request has, and which origins a list names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.codec.origins import format_origin, is_origin, origin_matcher


@pytest.mark.parametrize(
    "text", ["http://localhost:3000", "https://[::1]:8443", "app://local", "https://xn--bcher-kva.example", "http://127.0.0.1", "https://a_b"]
)
def test_origins(text):
    assert is_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "a.com",
        "https://",
        "https://A.com",
        "HTTPS://a.com",
        "https://a.com/",
        "https://a.com:123456",
        "https://a@b",
        "https://a.com\n",
        "https://a,b",
    ],
)
def test_no_origins(text):
    assert not is_origin(text)


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("http", "example.org", "http://example.org"),
        ("https", "Example.org:443", "https://example.org"),
        ("http", "example.org:443", "http://example.org:443"),
        ("ws", "localhost:8000", "http://localhost:8000"),
        ("ws", "localhost:80", "http://localhost"),
        ("wss", "[0::1]:443", "https://[::1]"),
        ("wss", "example.org.", "https://example.org."),
        ("http", "a~b_c", "http://a~b_c"),
        ("ftp", "example.org", None),
        ("https", "a b", None),
        ("https", "", None),
    ],
)
def test_whose_origin(scheme, host, origin):
    assert format_origin(scheme, host) == origin


@given(some.sampled_from(["http", "https", "ws", "wss"]), some.from_regex(r"[a-zA-Z0-9._~-]{1,30}(:[0-9]{1,4})?", fullmatch=True))
def test_what_is_formatted_is_one(scheme, host):
    assert is_origin(str(format_origin(scheme, host)))


TRUSTED = ["https://*.trusted.com", "https://*.other.com:8443", "https://a.com"]


@pytest.mark.parametrize(
    ("origin", "named"),
    [
        ("https://a.com", True),
        ("https://x.trusted.com", True),
        ("https://x-1.trusted.com", True),
        ("https://x.other.com:8443", True),
        ("https://x.other.com", False),
        ("https://a.com:8443", False),
        ("http://a.com", False),
        ("https://a.com.evil.io", False),
        ("https://evila.com", False),
        ("https://A.com", False),
        ("null", False),
        ("https://a.com,https://a.com", False),
        ("https://x.y.trusted.com", False),
        ("https://.trusted.com", False),
        ("https://trusted.com", False),
        ("https://x.trusted.com.attacker.io", False),
        ("https://xtrusted.com", False),
        ("https://trustedXcom", False),
        ("https://x.trusted.com:8443", False),
        ("http://x.trusted.com", False),
        ("https://attacker.io#.trusted.com", False),
        ("https://x.trusted.com\n", False),
        ("https://", False),
        ("", False),
    ],
)
def test_which_origins_are_named(origin, named):
    assert origin_matcher(TRUSTED)(origin) is named


@pytest.mark.parametrize("origin", ["*", "null", "https://*", "https://*a.com", "https://*.*.com", "https://A.com", "https://a.com/", "a.com", ".*"])
def test_what_names_no_origin(origin):
    with pytest.raises(ValueError) as caught:
        origin_matcher([origin])
    assert str(caught.value) == f"origins are like 'https://example.org:8443' or 'https://*.example.org', in lower case without a path, not {origin!r}"


def test_a_str_is_no_list_of_origins():
    with pytest.raises(TypeError) as caught:
        origin_matcher("https://a.com")
    assert str(caught.value) == "origins must be a collection of origins, not the str 'https://a.com'; write ['https://a.com']"


def test_a_long_origin_costs_nothing():
    matches = origin_matcher(TRUSTED)
    start = time.process_time()
    assert not matches("https://" + "a.trusted.com" * 100_000)
    assert time.process_time() - start < 1
