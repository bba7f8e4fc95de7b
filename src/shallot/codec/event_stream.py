"""``text/event-stream`` (WHATWG HTML 9.2) <-> events: ``format_event`` and ``parse_events`` face each other. Knows no response and no connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

from .json import format_json

__all__ = ["KEEP_ALIVE", "ServerSentEvent", "format_event", "parse_events"]

KEEP_ALIVE = b":\n\n"
"""A comment: no event, but a sign of life to all who stand between."""

_FIELDS = ("comment", "event", "id", "retry", "data")
_LINE_END = re.compile(r"\r\n|\r|\n")
_RAW_LINE_END = re.compile(rb"\r\n|\r|\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_RETRY_MS = 2**53 - 1  # what a browser's numbers hold exactly


class ServerSentEvent(TypedDict, total=False):
    """One event. All keys are optional, but one must be there."""

    data: Any
    """Text, as it is; any other value as JSON."""
    event: str
    """Its name; without one it is ``message``."""
    id: str
    """Where to go on: sent back as ``last-event-id`` by a client that comes again."""
    retry: int
    """Milliseconds that the client is to wait before it comes again."""
    comment: str
    """For nobody: clients leave it out."""


def format_event(event: str | Mapping[str, object]) -> bytes:
    """One event as UTF-8, blank line included; a ``str`` is its data.

    Text of several lines (LF, CR or CRLF) arrives with LF between them. An event with a name and no data is sent with empty data: without any no
    client would hear of it. A name or an id with a line break, an id with NUL, a ``retry`` that is no whole number of milliseconds, and keys that no
    event has are a ``ValueError`` or ``TypeError``: nothing that a user wrote can begin a field of its own.

        >>> format_event("one\\ntwo")
        b'data: one\\ndata: two\\n\\n'
        >>> format_event({"event": "fruit", "id": "7", "data": {"name": "apple"}})
        b'event: fruit\\nid: 7\\ndata: {"name":"apple"}\\n\\n'
    """
    if isinstance(event, str):
        return _format_lines("data", event).encode() + b"\n"
    if not isinstance(event, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever has no checker
        raise TypeError(f"an event must be a str or a dict of {', '.join(_FIELDS)}, not {type(event).__name__}; bytes are decoded first")
    if not event or not event.keys() <= set(_FIELDS):
        raise TypeError(f"an event has some of the keys {', '.join(_FIELDS)}, not {', '.join(map(repr, event)) or 'none'}; put your own into data")
    return "".join(_format_field(name, event[name]) for name in _FIELDS if name in event).encode() + (
        b"data: \n\n" if "event" in event and "data" not in event else b"\n"
    )


def _format_field(name: str, value: Any) -> str:
    match name:
        case "data":
            return _format_lines(name, value if isinstance(value, str) else format_json(value).decode())
        case "retry":
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_RETRY_MS:
                raise ValueError(f"an event's retry must be a whole number of milliseconds, not {value!r}")
            return f"retry: {value}\n"
        case _:
            if not isinstance(value, str):
                raise TypeError(f"an event's {name} must be a str, not {type(value).__name__}; write str(...) around it")
            if name == "comment":
                return _format_lines("", value)
            if _LINE_END.search(value) or "\0" in value:
                raise ValueError(f"an event's {name} is one line without NUL, not {value!r}")
            return f"{name}: {value}\n"


def _format_lines(name: str, text: str) -> str:
    return "".join(f"{name}: {line}\n" for line in _LINE_END.split(text))


def parse_events(stream: bytes) -> tuple[list[ServerSentEvent], bytes]:
    """The events that are complete in ``stream``, and the bytes after the last of them, to be put before the next ones. Never raises; linear.

    ``event`` is there where the event has a name. Comments and unknown fields are left out. What has no data is no event for a browser; it is one here
    only where it says an ``id`` or a ``retry``, and then has no ``data``. What is not UTF-8 becomes U+FFFD.

        >>> parse_events(b": hello\\n\\nid: 7\\ndata: a\\ndata: b\\n\\ndata: ha")
        ([{'data': 'a\\nb', 'id': '7'}], b'data: ha')
    """
    events: list[ServerSentEvent] = []
    begin = at = len(_BYTE_ORDER_MARK) if stream.startswith(_BYTE_ORDER_MARK) else 0
    data: list[str] = []
    fields: ServerSentEvent = {}
    for end in _RAW_LINE_END.finditer(stream, begin):
        line, at = stream[at : end.start()], end.end()
        if line:
            _take_field(line.decode(errors="replace"), data, fields)
            continue
        begin = at
        if data:
            events.append({"data": "\n".join(data), **fields})
        else:
            fields.pop("event", None)
            events += [fields] if fields else []
        data, fields = [], {}
    return events, stream[begin:]


def _take_field(line: str, data: list[str], fields: ServerSentEvent) -> None:
    name, _, value = line.partition(":")
    value = value.removeprefix(" ")
    match name:
        case "data":
            data.append(value)
        case "event":
            fields["event"] = value
            if not value:
                del fields["event"]
        case "id" if "\0" not in value:
            fields["id"] = value
        case "retry" if value.isascii() and value.isdigit() and len(value) <= 16:
            fields["retry"] = int(value)
        case _:
            pass
