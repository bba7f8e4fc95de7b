"""shallot.codec.hosts: which values of ``host`` are hosts, and which hosts a list names."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.codec.hosts import host_matcher, is_host, parse_host


@pytest.mark.parametrize(
    "value", ["localhost", "a.b:8000", "EXAMPLE.com.", "127.0.0.1:1", "a_b-c~d", "[::1]", "[::1]:80", "[::ffff:1.2.3.4]:65535", "a:", "a:0", "x" * 255]
)
def test_hosts(value):
    assert is_host(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", ":", ":80", "a b", "a,b", "a;b", "a@b", "a/b", "localhost/health?", "evil.com/x?", "a\\b", "a%41", "a#b", "ä", "\x00", "a\n", "a:80\n"),
        *("a:99999", "a:65536", "a:123456", "a:x", "a:-1", "a:١", "a:80:80", "[::1", "::1", "[]", "[::1]x", "[:::]", "[1.2.3.4]", "[::1%25eth0]", "x" * 256),
    ],
)
def test_no_hosts(value):
    assert not is_host(value)


@given(some.ip_addresses(), some.integers(0, 65535))
def test_every_address_is_a_host(address, port):
    assert is_host(f"[{address}]:{port}" if isinstance(address, IPv6Address) else f"{address}:{port}")


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("Example.ORG:8000", ("example.org", 8000)),
        ("example.org.", ("example.org.", None)),
        ("a:", ("a", None)),
        ("a:0", ("a", 0)),
        ("[0:0::1]", ("[::1]", None)),
        ("[2001:DB8::1]:443", ("[2001:db8::1]", 443)),
        ("[:::]", None),
        ("a:65536", None),
        ("a b", None),
    ],
)
def test_parse_host(value, host):
    assert parse_host(value) == host


@given(some.from_regex(r"[a-zA-Z0-9.-]{1,30}", fullmatch=True), some.integers(0, 65535) | some.none())
def test_parse_host_and_back(name, port):
    assert parse_host(name if port is None else f"{name}:{port}") == (name.lower(), port)


@pytest.mark.parametrize(
    ("hosts", "value", "ours"),
    [
        (["example.com"], "example.com", True),
        (["example.com"], "example.com:8000", True),
        (["example.com"], "EXAMPLE.com.", True),
        (["Example.com."], "example.com", True),
        (["example.com"], "a.example.com", False),
        (["example.com"], "evil.com", False),
        (["example.com"], "example.com.evil.com", False),
        (["example.com"], "notexample.com", False),
        (["example.com"], "example.com@evil.com", False),
        (["example.com"], "example.com,evil.com", False),
        (["example.com"], "", False),
        ([".example.com"], "example.com", True),
        ([".example.com"], "A.example.com:80", True),
        ([".example.com"], "a.b.example.com.", True),
        ([".example.com"], "notexample.com", False),
        ([".example.com"], "example.com.evil.com", False),
        (["[0::1]"], "[::1]:80", True),
        (["[::1]"], "[::2]", False),
        (["127.0.0.1"], "127.0.0.1:1", True),
        (["*"], "anything", True),
        (["*"], "a b", False),
        ([], "example.com", False),
    ],
)
def test_which_hosts_are_named(hosts, value, ours):
    assert host_matcher(hosts)(value) is ours


LIKE = "a host is like 'example.org', '.example.org' (with all below it), '[::1]' or '*', without scheme, port and path; not "


@pytest.mark.parametrize("host", ["", ".", "a:80", "https://a", "a/b", "::1", "*.example.org", "..a", "a..b"])
def test_what_names_no_host(host):
    with pytest.raises(ValueError) as caught:
        host_matcher([host])
    assert str(caught.value) == f"{LIKE}{host!r}"


def test_a_str_is_no_list_of_hosts():
    with pytest.raises(TypeError) as caught:
        host_matcher("example.org")
    assert str(caught.value) == "hosts must be a collection of hosts, not the str 'example.org'; write ['example.org']"
