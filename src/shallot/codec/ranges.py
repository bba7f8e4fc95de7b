"""``range`` and ``content-range`` (RFC 9110 chapter 14) <-> Python ranges of byte positions."""

from __future__ import annotations

__all__ = ["format_content_range", "parse_range"]

_MAX_DIGITS = 19


def parse_range(text: str, size: int) -> range | None:
    """The positions that ``text`` asks for of ``size`` bytes; an empty range where there are none (416); ``None`` where it is to be ignored: the whole is sent.

    Ignored is all that RFC 9110 lets a server ignore and that costs more than it gives: other units, several ranges at once, what is malformed,
    and any range of nothing.

    >>> parse_range("bytes=0-4", 10), parse_range("bytes=-3", 10), parse_range("bytes=7-", 10)
    (range(0, 5), range(7, 10), range(7, 10))
    >>> parse_range("bytes=10-", 10), parse_range("bytes=0-1,3-4", 10)
    (range(0, 0), None)
    """
    unit, _, asked = text.partition("=")
    first, hyphen, last = asked.strip(" \t").partition("-")
    if unit.strip(" \t").lower() != "bytes" or not hyphen or not size or not (_is_number(first) or not first) or not (_is_number(last) or not last):
        return None
    match first, last:
        case "", "":
            return None
        case "", _:
            begin, end = max(size - int(last), 0), size
        case _, "":
            begin, end = int(first), size
        case _:
            begin, end = int(first), min(int(last) + 1, size)
            if int(last) < begin:
                return None
    return range(begin, end) if begin < end else range(0)


def format_content_range(part: range, size: int) -> str:
    """The ``content-range`` of ``part`` in ``size`` bytes; of an empty one, what a 416 says.

    >>> format_content_range(range(0, 5), 10), format_content_range(range(0), 10)
    ('bytes 0-4/10', 'bytes */10')
    """
    return f"bytes {part.start}-{part.stop - 1}/{size}" if part else f"bytes */{size}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
