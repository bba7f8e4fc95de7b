"""The ``host`` header's value (RFC 9110 7.2, RFC 3986 3.2.2), and lists of hosts that a setting names. Pure; which hosts are ours a middleware is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

__all__ = ["Host", "host_matcher", "is_host", "parse_host"]

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._~-]{1,255}))(?::(?P<port>[0-9]{0,5}))?")


class Host(NamedTuple):
    """A host and the port that was named beside it."""

    name: str
    """Lower case; an IPv6 address in brackets and in its shortest form."""
    port: int | None


def is_host(value: str) -> bool:
    """Whether ``value`` is a host with an optional port: a name or an IPv4 address of letters, digits and ``-._~``, or an IPv6 address in brackets.

    Narrower than RFC 3986, which lets a name hold ``%41``, ``,`` and ``;``: nobody's name does, and whoever builds a URL from it would be misled.

        >>> [is_host(value) for value in ("example.org", "a.b:8000", "[::1]:80", "", "a/b", "a@b", "a:99999", "[::1")]
        [True, True, True, False, False, False, False, False]
    """
    return parse_host(value) is not None


def parse_host(value: str) -> Host | None:
    """The host and the port in ``value``, or ``None`` for what ``is_host`` refuses. A dot at the end stays.

    >>> parse_host("Example.ORG:8000"), parse_host("[0::1]"), parse_host("a b")
    (Host(name='example.org', port=8000), Host(name='[::1]', port=None), None)
    """
    found = _HOST.fullmatch(value)
    if found is None:
        return None
    name, ipv6, port = found["name"], found["ipv6"], int(found["port"] or 0)
    if ipv6 is not None:
        address = _ipv6(ipv6)
        if address is None:
            return None
        name = f"[{address}]"
    return Host(name.lower(), port if found["port"] else None) if port <= 65535 else None


def host_matcher(hosts: Collection[str]) -> Callable[[str], bool]:
    """A function that tells whether a ``host`` header names one of ``hosts``: case, port and a dot at the end do not count.

    ``"example.org"`` is that host, ``".example.org"`` that host and all below it, ``"[::1]"`` an address, ``"*"`` every well-formed host.
    ``TypeError`` or ``ValueError`` names the one that is none.

        >>> is_ours = host_matcher(["example.org", ".example.com"])
        >>> [is_ours(host) for host in ("EXAMPLE.org.:80", "a.b.example.com", "example.org.evil.net", "a b")]
        [True, True, False, False]
    """
    if isinstance(hosts, str):
        raise TypeError(f"hosts must be a collection of hosts, not the str {hosts!r}; write [{hosts!r}]")
    names = [_parse_pattern(host) for host in hosts]
    exact = frozenset(name.removeprefix(".") for name in names)
    suffixes = tuple(name for name in names if name.startswith("."))
    every = "*" in exact

    def matches(value: str) -> bool:
        found = parse_host(value)
        if found is None:
            return False
        name = found.name.removesuffix(".")
        return every or name in exact or name.endswith(suffixes)

    return matches


def _parse_pattern(pattern: str) -> str:
    host = parse_host(pattern)
    if pattern == "*":
        return pattern
    if host is None or host.port is not None or ".." in pattern or not host.name.strip("."):
        raise ValueError(f"a host is like 'example.org', '.example.org' (with all below it), '[::1]' or '*', without scheme, port and path; not {pattern!r}")
    return host.name.removesuffix(".")


def _ipv6(text: str) -> IPv6Address | None:
    try:
        return IPv6Address(text)
    except AddressValueError:
        return None
