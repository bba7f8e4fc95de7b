"""JSON text (RFC 8259) <-> values. The one place that imports msgspec, where it is installed."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["JSONError", "format_json", "parse_json"]


class JSONError(ValueError):
    """Text that is not the JSON we take. ``position`` is the offset of the first wrong byte, or ``None``; the text itself is never shown."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} at byte {position}")
        self.position = position


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def format_json(value: Any, *, ensure_ascii: bool = False) -> bytes:
    """``value`` as compact UTF-8."""
    if ensure_ascii:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    return _encode(value).encode()


def parse_json(data: bytes) -> Any:
    try:
        return json.loads(data.decode())
    except ValueError:
        raise JSONError("malformed JSON") from None
