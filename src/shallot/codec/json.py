"""JSON text (RFC 8259) <-> values. The one place that imports msgspec, where it is installed."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["format_json", "parse_json"]

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def format_json(value: Any) -> bytes:
    """``value`` as compact UTF-8."""
    return _encode(value).encode()


def parse_json(data: bytes) -> Any:
    return json.loads(data)
