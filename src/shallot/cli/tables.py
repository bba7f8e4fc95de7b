"""Rows of text -> lines in columns; numbers of things -> words."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["format_count", "format_table"]


def format_count(count: int, word: str) -> str:
    """The number and the word, in the plural where that is right.

    >>> format_count(1, "error"), format_count(2, "error")
    ('1 error', '2 errors')
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the last has no padding.

    >>> print(format_table(["id", "fix"], [["a", "x y"], ["long", "z"]]))
    id    fix
    a     x y
    long  z
    """
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) - 1)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip() for line in lines)
