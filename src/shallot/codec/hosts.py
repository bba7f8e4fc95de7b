"""The ``host`` header's value (RFC 9110 7.2, RFC 3986 3.2.2). Knows no setting: which hosts are ours is a middleware's question."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

__all__ = ["is_host"]

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|[A-Za-z0-9._~-]{1,255})(?::(?P<port>[0-9]{0,5}))?")


def is_host(value: str) -> bool:
    """Whether ``value`` is a host with an optional port: a name or an IPv4 address of letters, digits and ``-._~``, or an IPv6 address in brackets.

    Narrower than RFC 3986, which lets a name hold ``%41``, ``,`` and ``;``: nobody's name does, and whoever builds a URL from it would be misled.

        >>> [is_host(value) for value in ("example.org", "a.b:8000", "[::1]:80", "", "a/b", "a@b", "a:99999", "[::1")]
        [True, True, True, False, False, False, False, False]
    """
    found = _HOST.fullmatch(value)
    return found is not None and int(found["port"] or 0) <= 65535 and (found["ipv6"] is None or _is_ipv6(found["ipv6"]))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
