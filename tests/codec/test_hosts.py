"""shallot.codec.hosts: which values of ``host`` are hosts."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.codec.hosts import is_host


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
