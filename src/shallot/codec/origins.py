"""Origins as headers spell them (RFC 6454 6.2, the Fetch standard 3.2), and lists of origins that a setting names. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from .hosts import parse_host

__all__ = ["format_origin", "is_origin", "origin_matcher"]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]*://(?:[a-z0-9_~\-.]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_PATTERN = re.compile(r"[a-z][a-z0-9+.\-]*://\*\.[a-z0-9_~\-.]+(?::[0-9]{1,5})?")
_LABEL = re.compile(r"[a-z0-9_\-]+")
_SCHEMES = {"http": ("http", 80), "ws": ("http", 80), "https": ("https", 443), "wss": ("https", 443)}


def is_origin(text: str) -> bool:
    """Whether ``text`` is an origin as browsers write it: scheme, host and maybe a port, in lower case. ``null`` is none.

    >>> [is_origin(text) for text in ("https://example.org:8443", "https://[::1]", "https://Example.org", "https://example.org/", "null")]
    [True, True, False, False, False]
    """
    return _ORIGIN.fullmatch(text) is not None


def format_origin(scheme: str, host: str) -> str | None:
    """The origin of what is asked for by this ``scheme`` (``http``, ``https``, ``ws`` or ``wss``) at this ``host``, the header; ``None`` if they name none.

    A WebSocket has the origin of the page that may open it: ``ws`` is written ``http``. The scheme's own port is left out.

        >>> format_origin("wss", "Example.org:443"), format_origin("ws", "localhost:8000"), format_origin("http", "a b")
        ('https://example.org', 'http://localhost:8000', None)
    """
    found = parse_host(host)
    if found is None or scheme not in _SCHEMES:
        return None
    shown, own_port = _SCHEMES[scheme]
    return f"{shown}://{found.name}" if found.port in (None, own_port) else f"{shown}://{found.name}:{found.port}"


def origin_matcher(origins: Collection[str]) -> Callable[[str], bool]:
    """A function that tells whether an ``origin`` header is one of ``origins``, compared as a whole; ``"https://*.example.org"`` is any with one label more.

    ``TypeError`` or ``ValueError`` names the one that is no origin. The function takes linear time.

        >>> is_one = origin_matcher(["https://example.org", "https://*.example.org"])
        >>> [is_one(origin) for origin in ("https://example.org", "https://a.example.org", "https://a.b.example.org", "https://example.org.evil.net")]
        [True, True, False, False]
    """
    if isinstance(origins, str):
        raise TypeError(f"origins must be a collection of origins, not the str {origins!r}; write [{origins!r}]")
    for origin in origins:
        if not is_origin(origin) and not _PATTERN.fullmatch(origin):
            raise ValueError(f"origins are like 'https://example.org:8443' or 'https://*.example.org', in lower case without a path, not {origin!r}")
    exact = frozenset(origin for origin in origins if "*" not in origin)
    patterns = [origin.split("*") for origin in origins if "*" in origin]

    def matches(origin: str) -> bool:
        return origin in exact or any(_fits(origin, before, after) for before, after in patterns)

    return matches


def _fits(origin: str, before: str, after: str) -> bool:
    inner = len(origin) - len(after)
    return origin.startswith(before) and origin.endswith(after) and _LABEL.fullmatch(origin, len(before), inner) is not None
