"""A compressed body (RFC 9110 8.4.1) -> its bytes, never more of them than allowed. The other direction is compression's own affair."""

from __future__ import annotations

import zlib

from ..errors import BadRequest, BodyTooLarge, UnsupportedMedia

__all__ = ["inflate"]

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Coding -> zlib's ``wbits``; ``deflate`` is zlib's format (RFC 9110 8.4.1.2)."""


def inflate(data: bytes, coding: str, *, max_bytes: int, max_ratio: int) -> bytes:
    """``data`` without its one ``content-encoding`` (``gzip`` or ``deflate``; ``identity`` leaves it).

    ``BodyTooLarge`` (413) as soon as more than ``max_bytes``, or ``max_ratio`` times the length of ``data``, come out: no bomb is ever held.
    ``BadRequest`` (400) for what is broken, ends early or has anything behind its end, ``UnsupportedMedia`` (415) for other codings and for several.

        >>> inflate(zlib.compress(b"hello"), "deflate", max_bytes=100, max_ratio=100)
        b'hello'
    """
    name = coding.strip(" \t").lower()
    if name in ("", "identity"):
        return data
    if name not in _WINDOWS:
        raise UnsupportedMedia("a body with another content-encoding than gzip or deflate")
    bound = min(max_bytes, max_ratio * len(data))
    inflater = zlib.decompressobj(_WINDOWS[name])
    try:
        inflated = inflater.decompress(data, bound + 1)
    except zlib.error:
        raise BadRequest("a compressed body that is broken") from None
    if len(inflated) > bound:
        raise BodyTooLarge(f"a compressed body that inflates to more than {bound} bytes")
    if not inflater.eof or inflater.unused_data:
        raise BadRequest("a compressed body that ends early, or goes on behind its end")
    return inflated
