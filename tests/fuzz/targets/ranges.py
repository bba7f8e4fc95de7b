"""Any text as the header ``range``: what comes out lies in the file, and is never longer than it."""

from __future__ import annotations

from shallot.codec.ranges import MAX_RANGES, format_byteranges, parse_ranges


def fuzz(data: bytes) -> None:
    size = int.from_bytes(data[:2], "big")
    parts = parse_ranges(data[2:].decode("latin-1"), size) or ()
    inside = all(0 <= part.start < part.stop <= size for part in parts)
    if not inside or len(parts) > MAX_RANGES or sum(map(len, parts)) > size:
        raise AssertionError(f"not in {size} bytes: {parts}")
    pieces = format_byteranges(parts, size, "x")
    if [piece for piece in pieces if isinstance(piece, range)] != list(parts):
        raise AssertionError(f"not what was asked for: {pieces}")
