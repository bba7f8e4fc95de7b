"""Any text as the header ``range``: what comes out lies in the file, and is never longer than it."""

from __future__ import annotations

from shallot.codec.ranges import MAX_RANGES, format_byteranges, parse_ranges

SEEDS = [b"\x00\x64bytes=0-4,-5", b"\x01\x00bytes=0-9, 20-29,200-", b"\x00\x0abytes=5-3", b"\x00\x64bytes=100-"]
"""The size, and what is asked for."""


def fuzz(data: bytes) -> None:
    size = int.from_bytes(data[:2], "big")
    parts = parse_ranges(data[2:].decode("latin-1"), size) or ()
    inside = all(0 <= part.start < part.stop <= size for part in parts)
    if not inside or len(parts) > MAX_RANGES or sum(map(len, parts)) > size:
        raise AssertionError(f"not in {size} bytes: {parts}")
    pieces = format_byteranges(parts, size, "x")
    if [piece for piece in pieces if isinstance(piece, range)] != list(parts):
        raise AssertionError(f"not what was asked for: {pieces}")
