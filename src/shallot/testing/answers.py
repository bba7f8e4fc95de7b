"""What a client makes of the events that an app sent: an answer as a plain dict, and the cookies it keeps. Waits for a file only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from time import time
from typing import Any, NotRequired, TypedDict

from ..codec.dates import parse_date
from ..codec.json import JSONError, parse_json
from ..request import is_json
from ..types import Event
from .conduct import WrongEvent
from .failures import Unexpected

__all__ = ["Answer", "Denied", "format_event_headers", "keep_cookies", "read_answer", "read_chunk"]


class Answer(TypedDict):
    """What a client saw of a response."""

    status: int
    headers: dict[str, str]
    """By lower-case name; repeats joined with ``, `` (for ``set-cookie`` see ``headers_list`` and the client's ``cookies``)."""
    headers_list: list[tuple[str, str]]
    """Each header line, as sent."""
    body: bytes
    """Empty for HEAD, as on the wire."""
    chunks: list[bytes]
    """The same bytes in the pieces that the app sent, empty pieces left out."""
    cut: bool
    """The app ended before its body did."""
    json: NotRequired[Any]
    """Where the content type is JSON and the body is too."""
    error: NotRequired[BaseException]
    """What escaped from the app."""


class Denied(Unexpected):
    """The app refused the WebSocket's handshake; ``response`` is its answer (a plain ``websocket.close`` is a 403, as on every server)."""

    def __init__(self, text: str, response: Answer) -> None:
        super().__init__(text)
        self.response = response


async def read_answer(events: Sequence[Event], *, method: str = "GET", error: BaseException | None = None) -> Answer:
    """The answer that ``events`` (a start, then its body) make. What the wire would not carry raises ``WrongEvent``."""
    status: int = events[0]["status"]
    headers, lines = format_event_headers(events[0].get("headers", ()))
    sent = [await read_chunk(event) for event in events[1:]]
    cut = len(events) < 2 or bool(events[-1].get("more_body"))
    chunks = [] if method == "HEAD" else [chunk for chunk in sent if chunk]
    body = b"".join(chunks)
    if not cut and error is None:
        _check_length(status, headers, body, method)
    answer: Answer = {"status": status, "headers": headers, "headers_list": lines, "body": body, "chunks": chunks, "cut": cut}
    if error is not None:
        answer["error"] = error
    if body and is_json({"headers": headers}):
        try:
            answer["json"] = parse_json(body)
        except JSONError:
            pass  # the body is there, as bytes
    return answer


def format_event_headers(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """An event's headers as a dict, repeats joined, and as a list of pairs of ``str``."""
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    joined: dict[str, str] = {}
    for name, value in lines:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined, lines


def keep_cookies(jar: MutableMapping[str, str], lines: Iterable[tuple[str, str]]) -> None:
    """Set and delete in ``jar`` what the ``set-cookie`` lines say. Domain, path and ``secure`` are not looked at: a test has one app.

    >>> jar = {"old": "1"}
    >>> keep_cookies(jar, [("set-cookie", "a=b; Path=/; HttpOnly"), ("set-cookie", "old=; Max-Age=0")])
    >>> jar
    {'a': 'b'}
    """
    for header, value in lines:
        if header == "set-cookie":
            pair, *attributes = value.split(";")
            name, _, content = (part.strip() for part in pair.partition("="))
            if _is_expired({key.strip().lower(): text.strip() for key, _, text in (attribute.partition("=") for attribute in attributes)}):
                jar.pop(name, None)
            else:
                jar[name] = content


def _is_expired(attributes: Mapping[str, str]) -> bool:
    """RFC 6265 5.2 and 5.3: ``max-age`` counts before ``expires``; what is malformed does not count."""
    seconds = attributes.get("max-age", "")
    if seconds.removeprefix("-").isdecimal():
        return int(seconds) <= 0
    expires = parse_date(attributes.get("expires", ""))
    return expires is not None and expires <= time()


async def read_chunk(event: Event) -> bytes:
    """The bytes of one event of a body; those of ``http.response.pathsend`` are read from the file, in a thread."""
    if "path" in event:
        return await asyncio.to_thread(Path(event["path"]).read_bytes)
    chunk: bytes = event.get("body", b"")
    return chunk


def _check_length(status: int, headers: Mapping[str, str], body: bytes, method: str) -> None:
    """RFC 9110 8.6 and 6.4.1: what servers cut, refuse, or write in spite of it."""
    if body and status in (204, 304):
        raise WrongEvent(f"a response with status {status} has no body, but {len(body)} bytes were sent")
    announced = headers.get("content-length")
    if announced is not None and method != "HEAD" and status != 304 and announced != str(len(body)):
        raise WrongEvent(f"content-length announces {announced} bytes, but {len(body)} were sent")
