"""Constructors of responses: functions that make plain dicts, and changed copies of them. They touch no disk and know no request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Collection, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from .codec import headers as header_codec
from .codec.event_stream import KEEP_ALIVE, format_event
from .codec.json import format_json
from .codec.mime import OCTET_STREAM, guess_type
from .effects import ws_accept, ws_close, ws_send, ws_send_json
from .files import CHUNK_BYTES, open_reader
from .keepalive import KeptAlive
from .types import Response

__all__ = [
    "event_stream",
    "file",
    "filestream",
    "html",
    "json",
    "problem",
    "redirect",
    "respond400",
    "respond404",
    "respond_not_modified",
    "text",
    "with_cookie",
    "with_header",
    "ws_accept",
    "ws_close",
    "ws_send",
    "ws_send_json",
]

Headers = Mapping[str, str | list[str]]


def text(body: str = "", status: int = 200, encoding: str = "utf-8") -> Response:
    """Plain text, with ``content-type`` and ``content-length``. A character that ``encoding`` does not have is a ``UnicodeEncodeError``.

    >>> text("hi")
    {'status': 200, 'body': b'hi', 'headers': {'content-type': 'text/plain; charset=utf-8', 'content-length': '2'}}
    """
    if not isinstance(body, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever has no checker
        raise TypeError(f"text: expected str, got {type(body).__name__}; for bytes write {{'status': 200, 'body': ...}}, for data json(...)")
    if encoding == "utf-8":
        data, content_type = body.encode(), "text/plain; charset=utf-8"
    else:
        data, content_type = body.encode(encoding), f"text/plain; charset={encoding}"
    return {"status": status, "body": data, "headers": {"content-type": content_type, "content-length": f"{len(data)}"}}


def html(body: str, status: int = 200) -> Response:
    """A page in UTF-8. What stands in ``body`` is sent as it is: escape what users wrote.

    >>> html("<p>hi</p>")["headers"]["content-type"]
    'text/html; charset=utf-8'
    """
    data = body.encode()
    return {"status": status, "body": data, "headers": {"content-type": "text/html; charset=utf-8", "content-length": f"{len(data)}"}}


def json(data: Any, status: int = 200, ensure_ascii: bool = False, encoding: str = "utf-8") -> Response:
    """``data`` as compact JSON (RFC 8259); ``ensure_ascii=True`` escapes all that is not ASCII. What JSON cannot say is a ``TypeError`` or ``ValueError``.

    >>> json({"fruits": ["apple"]})["body"]
    b'{"fruits":["apple"]}'
    """
    body = format_json(data, ensure_ascii=True) if ensure_ascii else format_json(data)
    content_type = "application/json; charset=utf-8"
    if encoding != "utf-8":
        body, content_type = body.decode().encode(encoding), f"application/json; charset={encoding}"
    return {"status": status, "body": body, "headers": {"content-type": content_type, "content-length": f"{len(body)}"}}


def problem(status: int, title: str | None = None, **members: Any) -> Response:
    """An error as ``application/problem+json`` (RFC 9457). ``title`` is the status' own phrase (RFC 9110) by default.

    ``members`` are ``detail``, ``type`` (``about:blank`` by default), ``instance`` and any of your own.

    >>> problem(404)["body"]
    b'{"type":"about:blank","title":"Not Found","status":404}'
    >>> problem(422, "Bad fruit", detail="pears are out", stock=0)["body"]
    b'{"type":"about:blank","title":"Bad fruit","status":422,"detail":"pears are out","stock":0}'
    """
    phrase = title if title is not None else _PHRASES.get(status, "Error")
    body = format_json({"type": "about:blank", "title": phrase, "status": status, **members})
    return {"status": status, "body": body, "headers": {"content-type": "application/problem+json", "content-length": f"{len(body)}"}}


_RENAMED = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""By RFC 9110; Python before 3.13 has the older names."""
_PHRASES: Mapping[int, str] = {**{status.value: status.phrase for status in HTTPStatus}, **_RENAMED}


def respond404(message: str = "Not Found") -> Response:
    """``text(message, 404)``."""
    return text(message, 404)


def respond400(message: str = "") -> Response:
    """``text(message, 400)``."""
    return text(message, 400)


_NOT_IN_304 = {"content-length", "content-range"}


def respond_not_modified(headers: Headers) -> Response:
    """304 with a copy of ``headers`` and no body (RFC 9110 15.4.5); ``content-length`` and ``content-range`` are left out.

    >>> respond_not_modified({"etag": '"1"', "content-length": "5"})
    {'status': 304, 'body': b'', 'headers': {'etag': '"1"'}}
    """
    return {"status": 304, "body": b"", "headers": {name: value for name, value in headers.items() if name.lower() not in _NOT_IN_304}}


_REDIRECTS = {301, 302, 303, 307, 308}
_SAFE_IN_URL = "/?#[]@!$&'()*+,;=:%~"


def redirect(to: str, status: int = 303, *, allow_hosts: Collection[str] = ()) -> Response:
    """Send the client to ``to``: a path of this site, which begins with one ``/``, or an ``http(s)`` URL whose host (and port, if any) is in ``allow_hosts``.

    All else (``//host``, backslashes, control characters, other schemes) is a ``ValueError``: a target that a user may choose leads nowhere else.
    What is not ASCII is percent-encoded. 303 asks with GET, 307 and 308 repeat the method; 301 and 308 are for ever (RFC 9110 15.4).

    >>> redirect("/käse")
    {'status': 303, 'body': b'', 'headers': {'location': '/k%C3%A4se', 'content-length': '0'}}
    """
    if status not in _REDIRECTS:
        raise ValueError(f"redirect: status must be one of {sorted(_REDIRECTS)}, not {status!r}")
    if isinstance(allow_hosts, str):
        raise TypeError(f"redirect: allow_hosts must be a collection of hosts, not the str {allow_hosts!r}; write [{allow_hosts!r}]")
    if "\\" in to or not to.isprintable() or not (_is_local(to) or _host_of(to) in {host.lower() for host in allow_hosts}):
        raise ValueError(f"redirect: expected a path that begins with one '/', or a URL whose host is in allow_hosts, got {to!r}")
    return {"status": status, "body": b"", "headers": {"location": quote(to, safe=_SAFE_IN_URL), "content-length": "0"}}


def _is_local(to: str) -> bool:
    return to.startswith("/") and not to.startswith("//")


def _host_of(to: str) -> str | None:
    """The whole authority of an ``http(s)`` URL, lower case: user names and ports make it another one."""
    scheme, separator, rest = to.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return None
    end = min((at for at in (rest.find(mark) for mark in "/?#") if at >= 0), default=len(rest))
    return rest[:end].lower()


def file(path: str | os.PathLike[str], status: int = 200, *, content_type: str | None = None, download: str | None = None) -> Response:
    """The file at ``path``, sent by the server itself where it can (``http.response.pathsend``), else read in threads; its length is measured when it is sent.

    | option | meaning | default |
    |---|---|---|
    | ``content_type`` | the media type | by the extension, else ``application/octet-stream``; text is taken as UTF-8 |
    | ``download`` | save it under this name instead of showing it (RFC 6266) | show it |

    ``path`` is trusted: never build it from a request (``wrap_static`` does that safely).

    >>> file("report.pdf", download="Käse.pdf")["headers"]["content-disposition"]
    "attachment; filename*=UTF-8''K%C3%A4se.pdf"
    """
    headers = {"content-type": content_type or _type_of(path)}
    if download is not None:
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(download, safe='')}"  # RFC 8187
    return {"status": status, "headers": headers, "file": path}


def _type_of(path: str | os.PathLike[str]) -> str:
    media_type = guess_type(os.fspath(path).replace(os.sep, "/")) or OCTET_STREAM
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def filestream(path: str | os.PathLike[str], headers: Headers | None = None, chunk_size: int = CHUNK_BYTES) -> Response:
    """The file at ``path`` as a stream of chunks of at most ``chunk_size`` bytes, read in threads and closed on every path.

    The file is opened when the stream is iterated first: a missing one is a ``FileNotFoundError`` there. ``path`` is trusted, as in ``file``.
    """
    if chunk_size < 1:
        raise ValueError(f"filestream: chunk_size must be at least 1, got {chunk_size!r}")
    return {"status": 200, "body": b"", "stream": _read_chunks(path, chunk_size), "headers": dict(headers or {})}


async def _read_chunks(path: str | os.PathLike[str], chunk_size: int) -> AsyncIterator[bytes]:
    reader = await asyncio.to_thread(open_reader, path)
    try:
        while chunk := await asyncio.to_thread(reader.read, chunk_size):
            yield chunk
    finally:
        reader.close()


def event_stream(events: AsyncIterable[str | Mapping[str, object]], *, keepalive_s: float | None = 15) -> Response:
    """Server-Sent Events (WHATWG HTML 9.2), one for each item: a ``str`` is its data, a dict has ``data``, ``event``, ``id``, ``retry``, ``comment``.

    | option | meaning | default |
    |---|---|---|
    | ``keepalive_s`` | seconds without an event after which a comment is sent, so that nobody between takes the silence for an end; ``None``: never | 15 |

    ``events`` is iterated as a ``stream`` is: each event is sent at once, and the iterator closed on every path. A first comment goes out with the
    headers, so that the client knows that it is connected. A client that comes again says the last ``id`` in the header ``last-event-id``.
    What is no event (``codec.event_stream``) is a ``TypeError`` or ``ValueError`` where it is iterated, which cuts the stream.

        >>> async def ticks():
        ...     yield {"event": "tick", "id": "1", "data": {"n": 1}}
        >>> async def chunks():
        ...     return [chunk async for chunk in event_stream(ticks())["stream"]]
        >>> asyncio.run(chunks())
        [b':\\n\\n', b'event: tick\\nid: 1\\ndata: {"n":1}\\n\\n']
    """
    if not hasattr(events, "__aiter__"):
        raise TypeError(f"event_stream: events must be an async iterable, like a call of an async generator function, not {type(events).__name__}")
    if keepalive_s is not None and not keepalive_s > 0:
        raise ValueError(f"event_stream: keepalive_s must be more than 0 seconds, or None, not {keepalive_s!r}")
    headers = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}  # the last for nginx
    return {"status": 200, "headers": headers, "stream": KeptAlive(events, format_event, KEEP_ALIVE, keepalive_s)}


def with_header(response: Response, name: str, value: str | list[str]) -> Response:
    """A copy of ``response`` with this header and no other of its name, however that was spelled; a list sends it several times.

    >>> with_header({"status": 200, "headers": {"X-A": "1"}}, "x-a", "2")
    {'status': 200, 'headers': {'x-a': '2'}}
    """
    return {**response, "headers": header_codec.with_header(response.get("headers", {}), name.lower(), value)}


def with_cookie(response: Response, name: str, value: Any, **attributes: Any) -> Response:
    """A copy of ``response`` that sets this cookie (``wrap_cookies`` sends it); ``None`` deletes it. An underscore in an attribute stands for a hyphen.

    >>> with_cookie({"status": 200}, "seen", "1", max_age=60, secure=True)
    {'status': 200, 'cookies': {'seen': {'value': '1', 'max-age': 60, 'secure': True}}}
    """
    cookie = None if value is None else {"value": value, **{key.replace("_", "-"): setting for key, setting in attributes.items()}}
    return {**response, "cookies": {**response.get("cookies", {}), name: cookie}}
