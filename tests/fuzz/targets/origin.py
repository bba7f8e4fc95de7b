"""``origin``: a list names nothing but its own members, and what a request's own origin is can be compared."""

from __future__ import annotations

from shallot.codec.origins import format_origin, is_origin, origin_matcher

_is_one = origin_matcher(["https://a.example", "https://*.a.example"])


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    if _is_one(text):
        assert is_origin(text)
        assert text == "https://a.example" or (text.startswith("https://") and text.endswith(".a.example") and text.count(".") == 2)
    for scheme in ("http", "https", "ws", "wss", text[:5]):
        origin = format_origin(scheme, text)
        assert origin is None or is_origin(origin)
