"""Cursors: positions as opaque text, for clients to keep and to bring back. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from .contract import Position

__all__ = ["MAX_CURSOR_BYTES", "MAX_ID_BYTES", "check_channel", "check_id", "format_cursor", "parse_cursor"]

MAX_CURSOR_BYTES = 512
"""No cursor is longer."""
MAX_ID_BYTES = 128
"""Nor an id: three characters for each of its bytes, at worst, leave room for the rest."""
MAX_CHANNEL_BYTES = 255

_SHAPE = re.compile(r"([0-9A-Za-z]{1,32})\.(0|[1-9][0-9]{0,18})\.([0-9A-Za-z._~-]{0,384})", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def format_cursor(position: Position) -> str:
    """``position`` as ASCII text that may stand in a query string and in a header as it is: letters, digits and ``. _ ~ -``, which a URL leaves alone
    (RFC 3986, section 2.3). The id is percent-encoded, but with ``~``.

    >>> format_cursor(Position("e7", 12, "order 9"))
    'e7.12.order~209'
    """
    identity = position.id
    return f"{position.epoch}.{position.offset}.{identity if identity.isalnum() and identity.isascii() else _quoted(identity)}"


def parse_cursor(text: object) -> Position | None:
    """The position that ``text`` stands for; ``None`` if no ``format_cursor`` has written it. It proves nothing: whoever holds it may have made it up.

    >>> parse_cursor("e7.12.order~209")
    Position(epoch='e7', offset=12, id='order 9')
    >>> parse_cursor("e7.012.x") is None
    True
    """
    found = _SHAPE.fullmatch(text) if isinstance(text, str) and len(text) <= MAX_CURSOR_BYTES else None
    if found is None:
        return None
    epoch, offset, quoted = found.groups()
    position = Position(epoch, int(offset), unquote(quoted.replace("~", "%"), errors="replace"))
    return position if position.offset < 2**63 and format_cursor(position) == text else None


def _quoted(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E").replace("%", "~")


def check_channel(channel: object) -> str:
    """``channel`` if it may be a channel's name: 1 to 255 bytes of UTF-8; else ``TypeError`` or ``ValueError``."""
    if not isinstance(channel, str):
        raise TypeError(f"a channel's name is a str like 'chat:lobby', got {type(channel).__name__}")
    if not 0 < _size(channel, "a channel's name") <= MAX_CHANNEL_BYTES:
        raise ValueError(f"a channel's name has 1 to {MAX_CHANNEL_BYTES} bytes of UTF-8, this one has {len(channel.encode())}")
    return channel


def check_id(identity: object, what: str = "a message's id") -> str:
    """``identity`` if it may be the id of a message or a member: 1 to 128 bytes of UTF-8, no control characters."""
    if not isinstance(identity, str):
        raise TypeError(f"{what} is a str, got {type(identity).__name__}")
    if not 0 < _size(identity, what) <= MAX_ID_BYTES:
        raise ValueError(f"{what} has 1 to {MAX_ID_BYTES} bytes of UTF-8, this one has {len(identity.encode())}")
    if _CONTROL.search(identity):
        raise ValueError(f"{what} has no control characters, this one is {identity!r}")
    return identity


def _size(text: str, what: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{what} is UTF-8: {text[:20]!r} holds a lone surrogate") from None
