"""What may go over the wire: the shapes of the two ASGI messages that a conversation yields, and legal close codes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from ..types import AnyEffect, Event

__all__ = ["check_close", "close_event", "is_dict", "kind_of", "send_event", "source_key"]

LEGAL_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""RFC 6455 7.4 and the IANA registry: 1004-1006 and 1015 never go over the wire, 1016-2999 mean nothing yet."""
MAX_REASON_BYTES = 123
"""A control frame holds 125 bytes (RFC 6455 5.5), two of them the code."""


def is_dict(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Can ``value`` be an effect, an answer or a response at all?"""
    return isinstance(value, Mapping)


def kind_of(effect: object) -> str:
    """The ``type`` of an effect; ``TypeError`` for what is none.

    >>> kind_of({"type": "websocket.send", "text": "hi"})
    'websocket.send'
    """
    if not is_dict(effect):
        raise TypeError(f"a conversation yields effects, dicts like ws_send('...'); got {_shown(effect)}")
    kind: object = effect.get("type")
    if not isinstance(kind, str):
        raise TypeError(f"an effect needs a 'type' (str), like {{'type': 'websocket.send', 'text': '...'}}; got the keys {sorted(map(str, effect))}")
    return kind


def send_event(effect: AnyEffect) -> Event:
    """The ASGI event of a ``websocket.send``: exactly one of ``text`` (``str``) and ``bytes`` (``bytes``)."""
    text, data = effect.get("text"), effect.get("bytes")
    if text is not None and data is None:
        if not isinstance(text, str):
            raise TypeError(f"websocket.send: 'text' must be a str, got {_shown(text)}; for JSON there is ws_send_json")
        if not text.isascii():
            text.encode()  # a lone surrogate is no text: UnicodeEncodeError, a ValueError, here and not in the server
        return {"type": "websocket.send", "text": text}
    if data is not None and text is None:
        if not isinstance(data, bytes):
            raise TypeError(f"websocket.send: 'bytes' must be bytes, got {_shown(data)}")
        return {"type": "websocket.send", "bytes": data}
    raise TypeError(f"websocket.send: expected exactly one of 'text' and 'bytes', got the keys {sorted(effect)}")


def close_event(effect: AnyEffect) -> tuple[int, str]:
    """Code (default 1000) and reason (default none) of a ``websocket.close``."""
    code, reason = effect.get("code", 1000), effect.get("reason")
    return check_close(code, "" if reason is None else reason)


def check_close(code: Any, reason: Any) -> tuple[int, str]:
    """``code`` and ``reason`` if a close frame may carry them; else ``TypeError`` or ``ValueError``.

    >>> check_close(4000, "bye")
    (4000, 'bye')
    >>> check_close(1006, "")
    Traceback (most recent call last):
    ...
    ValueError: websocket.close: code 1006 may not be sent; legal are 1000-1003, 1007-1014 and 3000-4999
    """
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"websocket.close: 'code' must be an int, got {_shown(code)}")
    if not any(code in legal for legal in LEGAL_CODES):
        raise ValueError(f"websocket.close: code {code} may not be sent; legal are 1000-1003, 1007-1014 and 3000-4999")
    if not isinstance(reason, str):
        raise TypeError(f"websocket.close: 'reason' must be a str, got {_shown(reason)}")
    size = len(reason.encode())
    if size > MAX_REASON_BYTES:
        raise ValueError(f"websocket.close: a reason has at most {MAX_REASON_BYTES} bytes of UTF-8, this one has {size}")
    return int(code), reason


def source_key(effect: AnyEffect) -> tuple[str, str]:
    """Under which key a timer or a feed joins the mailbox: its family and its name.

    >>> source_key({"type": "timer.cancel", "name": "tick"})
    ('timer', 'tick')
    """
    name = effect.get("name")
    if not isinstance(name, str):
        raise TypeError(f"{effect['type']}: 'name' must be a str, got {_shown(name)}")
    return str(effect["type"]).partition(".")[0], name


def _shown(value: object) -> str:
    """A value in an error's text: its type, and no more of it than fits a line."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
