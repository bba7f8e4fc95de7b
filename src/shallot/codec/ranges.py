"""``range``, ``content-range`` and ``multipart/byteranges`` (RFC 9110 chapter 14) <-> Python ranges of byte positions."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MAX_RANGES", "format_byteranges", "format_content_range", "parse_ranges"]

MAX_RANGES = 16
"""More of them in one request are no client's need."""
_MAX_DIGITS = 19


def parse_ranges(text: str, size: int) -> tuple[range, ...] | None:
    """The positions that ``text`` asks for of ``size`` bytes, in its order; empty where there are none (416); ``None`` where it is to be ignored.

    Ignored, so that the whole is sent, is all that RFC 9110 14.2 lets a server ignore and that costs more than it gives: other units, what is
    malformed, any range of nothing, more than 16 members, and several ranges that are together longer than the whole.

    >>> parse_ranges("bytes=0-4", 10), parse_ranges("bytes=-3,0-1", 10), parse_ranges("bytes=7-", 10)
    ((range(0, 5),), (range(7, 10), range(0, 2)), (range(7, 10),))
    >>> parse_ranges("bytes=10-", 10), parse_ranges("bytes=0-,0-", 10)
    ((), None)
    """
    unit, _, asked = text.partition("=")
    members = [member.strip(" \t") for member in asked.split(",", MAX_RANGES)]
    if unit.strip(" \t").lower() != "bytes" or not size or len(members) > MAX_RANGES or not any(members):
        return None
    parts: list[range] = []
    for member in members:
        part = _parse_member(member, size) if member else range(0)
        if part is None:
            return None
        parts += [part] if part else []
    return None if len(parts) > 1 and sum(map(len, parts)) > size else tuple(parts)


def _parse_member(text: str, size: int) -> range | None:
    first, hyphen, last = text.partition("-")
    if not hyphen or not (_is_number(first) or not first) or not (_is_number(last) or not last):
        return None
    match first, last:
        case "", "":
            return None
        case "", _:
            return range(max(size - int(last), 0), size)
        case _, "":
            return range(int(first), size)
        case _:
            return range(int(first), min(int(last) + 1, size)) if int(first) <= int(last) else None


def format_content_range(part: range, size: int) -> str:
    """The ``content-range`` of ``part`` in ``size`` bytes; of an empty one, what a 416 says.

    >>> format_content_range(range(0, 5), 10), format_content_range(range(0), 10)
    ('bytes 0-4/10', 'bytes */10')
    """
    return f"bytes {part.start}-{part.stop - 1}/{size}" if part else f"bytes */{size}"


def format_byteranges(parts: Sequence[range], size: int, boundary: str, content_type: str | None = None) -> list[bytes | range]:
    """The body of a ``multipart/byteranges`` answer (RFC 9110 14.6): bytes to send as they are, and ranges for what stands at these positions.

    >>> format_byteranges([range(0, 2)], 10, "x")
    [b'\\r\\n--x\\r\\ncontent-range: bytes 0-1/10\\r\\n\\r\\n', range(0, 2), b'\\r\\n--x--\\r\\n']
    """
    kind = f"content-type: {content_type}\r\n" if content_type else ""
    pieces: list[bytes | range] = []
    for part in parts:
        pieces += [f"\r\n--{boundary}\r\n{kind}content-range: {format_content_range(part, size)}\r\n\r\n".encode(), part]
    return [*pieces, f"\r\n--{boundary}--\r\n".encode()]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
