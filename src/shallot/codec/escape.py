"""What others wrote -> text that is safe in a line of a log. Nothing that could end the line, move a cursor or turn the reading around survives."""

from __future__ import annotations

import re

__all__ = ["MAX_CHARACTERS", "escape_text"]

MAX_CHARACTERS = 200
"""Of one text in a record."""
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII, and the quote and the backslash too


def escape_text(text: str, most: int = MAX_CHARACTERS) -> str:
    """``text`` in printable ASCII without ``"``, all else as ``\\x``, ``\\u`` and ``\\U`` escapes; at most ``most`` characters, the last three ``...`` if cut.

    A line break in a log is a forged record (CVE-2020-7694, CVE-2025-25184), an escape sequence is a command to the terminal that shows it, and a
    bidirectional control lets one name look like another.

        >>> escape_text("/a\\r\\nINFO fake")
        '/a\\\\x0d\\\\x0aINFO fake'
        >>> escape_text("x" * 300, 8)
        'xxxxx...'
    """
    if len(text) <= most and text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:  # most texts
        return text
    escaped = _UNSAFE.sub(_escape, text[: most + 1])
    return escaped if len(escaped) <= most else escaped[: most - 3] + "..."


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
