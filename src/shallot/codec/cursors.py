"""One text for the places in several channels: ``format_places`` and ``cursor_for`` face each other. Knows no channel, and nothing of what a cursor holds."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

__all__ = ["END", "MAX_PLACES_BYTES", "UNKNOWN", "cursor_for", "format_places"]

END = "end"
"""No cursor, but the id of the last event of a conversation that is over: whoever comes again with it is answered 204, and an ``EventSource`` gives up."""
MAX_PLACES_BYTES = 2048
"""No text for several channels is longer: it travels in a header."""
UNKNOWN = "?"
"""Stands for a cursor that there was no room for. It is none, so whoever goes on from it is told of one gap: never a silent hole."""

_OTHERS = urlencode({"": UNKNOWN})


def format_places(places: Mapping[str, str]) -> str:
    """``places``, cursors by channel, those that moved last at the end. Of a single channel it is its cursor; of several, ``name=cursor&name=cursor``.

    Where that would be more than ``MAX_PLACES_BYTES``, the first ones are left out, and ``=?`` says so for them.

        >>> format_places({"chat:a": "e7.12.x"})
        'e7.12.x'
        >>> format_places({"chat:a": "e7.12.x", "news": "e7.3.y"})
        'chat%3Aa=e7.12.x&news=e7.3.y'
    """
    if len(places) == 1:
        return next(iter(places.values()))
    text = urlencode(places)
    if len(text) <= MAX_PLACES_BYTES:
        return text
    kept, rest = [_OTHERS], list(places.items())
    room = MAX_PLACES_BYTES - len(_OTHERS)
    while (room := room - 1 - len(pair := urlencode([rest.pop()]))) >= 0:
        kept.append(pair)
    return "&".join(kept)


def cursor_for(text: str, channel: str) -> str | None:
    """Where ``text`` says that ``channel`` goes on: a cursor is any channel's; ``None``: it was not among the channels. Whatever came, nothing is raised.

    >>> cursor_for("chat%3Aa=e7.12.x&news=e7.3.y", "news"), cursor_for("chat%3Aa=e7.12.x", "weather"), cursor_for("e7.12.x", "news")
    ('e7.3.y', None, 'e7.12.x')
    """
    if "=" not in text:
        return text
    if len(text) > MAX_PLACES_BYTES:
        return UNKNOWN
    places = dict(parse_qsl(text, errors="replace", keep_blank_values=True))
    return places.get(channel, places.get(""))
