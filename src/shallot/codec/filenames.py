"""A path from a client -> names below a folder. Looks at nothing but the text, so that a hostile name costs no look at the disk."""

from __future__ import annotations

import re

__all__ = ["parse_file_path"]

_HOSTILE = re.compile(r"[\x00-\x1f\x7f\\:\ud800-\udfff]")
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *(f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³")})
_WELL_KNOWN = ".well-known"  # RFC 8615


def parse_file_path(path: str) -> tuple[str, ...] | None:
    """The names in ``path`` (relative, ``/`` between them), or ``None`` unless each is harmless on every operating system.

    Refused: nothing at all, empty names, names that begin with a dot (``.well-known`` at the front excepted) or end with a dot or a space,
    backslashes, colons, control characters, and the names of Windows devices (``con``, ``nul.txt``, ``COM1``).

    >>> parse_file_path("css/site.css")
    ('css', 'site.css')
    >>> [parse_file_path(path) for path in ("../x", "a//b", ".git/config", "C:x", "nul.txt", "")]
    [None, None, None, None, None, None]
    """
    if _HOSTILE.search(path):
        return None
    names = tuple(path.split("/"))
    checked = names[1:] if len(names) > 1 and names[0] == _WELL_KNOWN else names
    return names if all(map(_is_harmless, checked)) else None


def _is_harmless(name: str) -> bool:
    return bool(name) and name[0] != "." and name[-1] not in ". " and name.partition(".")[0].rstrip(" ").upper() not in _DEVICES
