"""What proxies write about a request: ``forwarded`` (RFC 7239) and the older ``x-forwarded-for``. Pure; whom to believe a middleware is told.

Each proxy appends at the right, so what stands further left may be anybody's invention: all here is read from the right end, piece by piece, and no piece
changes how another one is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

__all__ = ["Address", "parse_forwarded", "parse_list", "parse_node", "plain_address"]

Address: TypeAlias = IPv4Address | IPv6Address
"""Of a peer."""

_PAIR = re.compile(r"""([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"([^"\\,;]*)")""")
_NODE = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<ipv4>[0-9.]{7,15}))(?::(?P<port>[0-9]{1,5}))?|(?P<bare>[0-9A-Fa-f:.]{2,45})")


def parse_list(text: str) -> Iterator[str]:
    """The members of a list with commas from right to left, blanks cut off.

    >>> list(parse_list("evil, 192.0.2.1,198.51.100.2"))
    ['198.51.100.2', '192.0.2.1', 'evil']
    """
    return (member.strip(" \t") for member in reversed(text.split(",")))


def parse_forwarded(text: str) -> Iterator[Mapping[str, str] | None]:
    """The elements of ``forwarded`` from right to left, the nearest proxy's first: each a dict by lower-case name; ``None`` for one that is malformed.

    An element that names something twice is malformed, and so is a quoted text that holds a comma, a semicolon or a backslash: no address and no host
    does, and every reader shall cut at the same places.

        >>> list(parse_forwarded('for=a;host=b;host=c, for="[2001:db8::1]:80";Proto=https'))
        [{'for': '[2001:db8::1]:80', 'proto': 'https'}, None]
    """
    return (_parse_element(element) for element in parse_list(text))


def _parse_element(element: str) -> Mapping[str, str] | None:
    pairs: dict[str, str] = {}
    for piece in element.split(";"):
        found = _PAIR.fullmatch(piece.strip(" \t"))
        if found is None or found[1].lower() in pairs:
            return None
        pairs[found[1].lower()] = found[2] if found[3] is None else found[3]
    return pairs


def parse_node(text: str) -> tuple[Address, int] | None:
    """The address and the port (0 without one) of a peer: ``192.0.2.1``, ``192.0.2.1:80``, ``[2001:db8::1]:80``, ``2001:db8::1``. ``None`` for all else.

    ``unknown`` and the names of RFC 7239 6.3 that hide an address are no address.

        >>> parse_node("[2001:db8::1]:80"), parse_node("::ffff:192.0.2.1"), parse_node("_hidden")
        ((IPv6Address('2001:db8::1'), 80), (IPv4Address('192.0.2.1'), 0), None)
    """
    found = _NODE.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    if found is None or port > 65535:
        return None
    address = plain_address(found["ipv6"] or found["ipv4"] or found["bare"])
    if address is None or (found["ipv6"] and isinstance(address, IPv4Address) and ":" not in found["ipv6"]):
        return None  # the latter: [192.0.2.1]
    return address, port


def plain_address(text: str) -> Address | None:
    """``text`` as an address, ``None`` if it is none; an IPv4 address that is written as IPv6 (``::ffff:192.0.2.1``) as itself."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
