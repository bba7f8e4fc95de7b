"""Bytes from anywhere as an event stream: never an error, however they are cut."""

from __future__ import annotations

from shallot.codec.event_stream import format_event, parse_events


def fuzz(data: bytes) -> None:
    whole, rest = parse_events(data)
    if not data.endswith(rest):
        raise AssertionError(f"the rest is no end of the stream: {rest!r}")
    text = data.decode(errors="replace")
    events, rest = parse_events(format_event({"event": "only", "data": text}))
    if rest or [event.get("event") for event in events] != ["only"]:
        raise AssertionError(f"data became a field of its own: {text!r}")
    for event in whole:
        if parse_events(format_event(event)) != ([event], b""):
            raise AssertionError(f"read again it is another: {event!r}")
