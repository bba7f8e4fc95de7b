"""wrap_compress: bodies made smaller for who takes them so. It knows what must not be compressed, and nothing of how it is done (``codec.compression``)."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

from ..codec.compression import ENCODINGS, LEVELS, Encoder, open_encoder
from ..codec.headers import find_header, parse_media_type, with_header, with_vary
from ..codec.negotiation import best_encoding
from ..codec.remembered import remembered
from ..compose import middleware_factory
from ..files import FileStream
from ..sending import open_file
from ..types import Handler, Middleware, NextMiddleware, Response, RunInThread

__all__ = ["COMPRESSIBLE", "Compression", "choose_encoding", "compress_options", "compress_response", "wrap_compress"]

COMPRESSIBLE = frozenset(
    {
        *("text/*", "*/*+json", "*/*+xml", "application/json", "application/xml", "application/javascript", "application/wasm", "application/x-ndjson"),
        *("application/yaml", "application/toml", "application/vnd.ms-fontobject", "font/otf", "font/ttf", "image/bmp", "image/vnd.microsoft.icon"),
    }
)
"""Media types worth the work: ``main/*`` stands for all of a kind, ``*/*+suffix`` for all that end so (RFC 6839)."""

_NEVER_STATUS = {204, 205, 206, 304}
_NEVER_WITH = ("content-encoding", "content-range", "content-digest", "repr-digest", "set-cookie")
_EVENTS = "text/event-stream"
_IN_THREAD_BYTES = 16_384  # what takes longer than a change of threads


class Compression(NamedTuple):
    """What ``wrap_compress`` does, checked: made by ``compress_options``."""

    encodings: Sequence[str]
    min_bytes: int
    levels: Mapping[str, int]
    types: frozenset[str]
    padding_bytes: int
    best: Callable[[str | None], str | None]
    """``best_encoding`` of them, by ``accept-encoding``."""


def compress_options(
    encodings: Sequence[str] | None = None,
    *,
    min_bytes: int = 1024,
    levels: Mapping[str, int] | None = None,
    types: Collection[str] = COMPRESSIBLE,
    padding_bytes: int = 100,
) -> Compression:
    """``wrap_compress``'s options as one value, or the ``ValueError``, ``TypeError`` or ``ImportError`` that says what is wrong with them."""
    for option, names in {"encodings": encodings, "types": types}.items():
        if isinstance(names, str):
            raise TypeError(f"wrap_compress: {option} must be a collection of names, not the str {names!r}; write [{names!r}]")
    for name in (*(encodings or ()), *(levels or ())):
        if name not in LEVELS:
            raise ValueError(f"wrap_compress: there is no content coding {name!r}; there are {', '.join(LEVELS)}")
    if missing := [name for name in encodings or () if name not in ENCODINGS]:
        raise ImportError(f"wrap_compress: {' and '.join(missing)} need a library: pip install 'shallot[compress]', or leave them out")
    for name, level in (levels or {}).items():
        lowest, _, highest = LEVELS[name]
        if not lowest <= level <= highest:
            raise ValueError(f"wrap_compress: the level of {name} must be {lowest} to {highest}, not {level!r}")
    if min_bytes < 0:
        raise ValueError(f"wrap_compress: min_bytes must be at least 0, not {min_bytes!r}")
    if not 0 <= padding_bytes <= 256:
        raise ValueError(f"wrap_compress: padding_bytes must be 0 to 256, not {padding_bytes!r}")
    offers = tuple(encodings or ENCODINGS)
    return Compression(offers, min_bytes, dict(levels or {}), frozenset(types), padding_bytes, remembered(lambda header: best_encoding(header, offers)))


def choose_encoding(response: Response, request: Mapping[str, Any], options: Compression) -> str | None:
    """The coding in which ``response`` is to be sent; ``None``: as it is.

    >>> page = {"status": 200, "headers": {"content-type": "text/html"}, "body": bytes(2000)}
    >>> choose_encoding(page, {"method": "GET", "headers": {"accept-encoding": "gzip, deflate"}}, compress_options())
    'gzip'
    """
    accepted: str | None = request.get("headers", {}).get("accept-encoding")
    if not accepted or response["status"] in _NEVER_STATUS:
        return None
    size = _size(response, request)
    if size is not None and size < options.min_bytes and not (size and _refuses_plain(accepted)):
        return None
    encoding = options.best(accepted)
    return None if encoding == "identity" or _is_excluded(response, request, options) else encoding


def _refuses_plain(accepted: str) -> bool:
    return ("*" in accepted or "identity" in accepted.lower()) and best_encoding(accepted, ()) is None


def _is_excluded(response: Response, request: Mapping[str, Any], options: Compression) -> bool:
    headers = response.get("headers") or {}
    route: Mapping[str, Any] = request.get("route") or {"data": {}}
    if response.get("compress") is False or route["data"].get("compress") is False or response.get("cookies"):
        return True
    if any(find_header(headers, name) is not None for name in _NEVER_WITH) or "no-transform" in _text(headers, "cache-control").lower():
        return True
    kind = parse_media_type(_text(headers, "content-type"))[0]
    patterns = (kind, f"{kind.partition('/')[0]}/*", f"*/*+{kind.rpartition('+')[2]}")
    return kind == _EVENTS or options.types.isdisjoint(patterns)


def _size(response: Response, request: Mapping[str, Any]) -> int | None:
    """How many bytes the body has, or would have in the answer to GET; ``None`` where nobody knows yet."""
    announced = _text(response.get("headers") or {}, "content-length")
    length = int(announced) if announced.isascii() and announced.isdigit() else None
    if "stream" in response or "file" in response:
        return length
    return len(response.get("body", b"")) or (length if request["method"] == "HEAD" else 0) or 0


def _text(headers: Mapping[str, str | list[str]], name: str) -> str:
    value = find_header(headers, name) or ""
    return value if isinstance(value, str) else ", ".join(value)


def compress_response(response: Response, request: Mapping[str, Any], encoding: str | None, options: Compression) -> Response:
    """A copy of ``response`` in ``encoding``, or as it is, that says by ``vary`` what it depends on.

    A strong ``etag`` becomes a weak one (RFC 9110 8.8.3), and stays so on a 304; ``content-length`` and ``accept-ranges`` hold no more.
    """
    headers = with_vary(response.get("headers") or {}, "accept-encoding")
    if encoding is None and response["status"] != 304:
        return {**response, "headers": headers}
    etag = _text(headers, "etag")
    is_strong = etag.startswith('"')
    if encoding is None:
        is_kept_weak = is_strong and f"W/{etag}" in request.get("headers", {}).get("if-none-match", "")
        return {**response, "headers": with_header(headers, "etag", f"W/{etag}") if is_kept_weak else headers}
    coded = {name: value for name, value in headers.items() if name.lower() not in ("content-length", "accept-ranges")}
    coded["content-encoding"] = encoding
    if is_strong:
        coded = with_header(coded, "etag", f"W/{etag}")
    encoder = open_encoder(encoding, options.levels.get(encoding), secrets.randbelow(options.padding_bytes + 1))
    if "stream" in response:
        run_in_thread: RunInThread = request.get("run_in_thread", asyncio.to_thread)
        return {**response, "headers": coded, "stream": CompressedStream(response["stream"], encoder, run_in_thread, _size(response, request))}
    body = response.get("body", b"")
    if not body:
        return {**response, "headers": coded, "stream": _Nothing()}  # to HEAD, whose length only GET finds out
    smaller = encoder.compress(body) + encoder.finish()
    if len(smaller) >= len(body) >= options.min_bytes:
        return {**response, "headers": headers}
    return {**response, "headers": coded, "body": smaller}


class CompressedStream(AsyncIterator[bytes]):
    """``chunks`` through ``encoder``: each can be read when it is sent, unless the length of all was announced. ``aclose`` ends ``chunks``, begun or not.

    ``ValueError`` where they are not as long as ``length`` said: nobody behind us can find that out any more.
    """

    __slots__ = ("_chunks", "_encoder", "_is_live", "_left", "_run_in_thread", "_source")

    def __init__(self, chunks: AsyncIterable[bytes], encoder: Encoder, run_in_thread: RunInThread, length: int | None) -> None:
        self._source = chunks
        self._chunks = aiter(chunks)
        self._encoder: Encoder | None = encoder
        self._run_in_thread = run_in_thread
        self._is_live = length is None
        self._left = length or 0

    async def __anext__(self) -> bytes:
        while self._encoder is not None:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                encoder, self._encoder = self._encoder, None
                if not self._is_live and self._left:
                    raise ValueError(f"a response's stream is {-self._left:+} bytes off its content-length") from None
                return await self._run_in_thread(encoder.finish)
            if not isinstance(chunk, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever has no checker
                raise TypeError(f"a response's stream must yield bytes, got {type(chunk).__name__}")
            self._left -= len(chunk)
            if chunk and (sent := await self._encode(self._encoder, chunk)):
                return sent
        raise StopAsyncIteration

    async def _encode(self, encoder: Encoder, chunk: bytes) -> bytes:
        if len(chunk) < _IN_THREAD_BYTES:
            return _encoded(encoder, chunk, self._is_live)
        return await self._run_in_thread(_encoded, encoder, chunk, self._is_live)

    async def aclose(self) -> None:
        self._encoder = None
        for source in (self._chunks, self._source) if self._chunks is not self._source else (self._chunks,):
            aclose = getattr(source, "aclose", None)
            if aclose is not None:
                await aclose()


def _encoded(encoder: Encoder, chunk: bytes, is_live: bool) -> bytes:
    return encoder.compress(chunk) + (encoder.flush() if is_live else b"")


class _Nothing(AsyncIterator[bytes]):
    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


async def _opened(response: Response, path: str | os.PathLike[str], run_in_thread: RunInThread) -> Response:
    """A file as the stream that can be compressed."""
    reader, size = await run_in_thread(open_file, path)
    rest = {key: value for key, value in response.items() if key != "file"}
    headers = with_header(response.get("headers") or {}, "content-length", str(size))
    return cast("Response", {**rest, "headers": headers, "stream": FileStream(reader, size, run_in_thread)})


@middleware_factory
def wrap_compress(
    encodings: Sequence[str] | None = None,
    *,
    min_bytes: int = 1024,
    levels: Mapping[str, int] | None = None,
    types: Collection[str] = COMPRESSIBLE,
    padding_bytes: int = 100,
) -> Middleware:
    """Compress what is worth it for clients that take it, chosen by ``accept-encoding`` (RFC 9110 12.5.3). Put it outside all that makes bodies and types.

    | option | meaning | default |
    |---|---|---|
    | ``encodings`` | ``"zstd"``, ``"br"`` (both need the extra ``compress``) and ``"gzip"``, the one we like best first | all that are installed |
    | ``min_bytes`` | bodies with fewer bytes are left alone | 1024 |
    | ``levels`` | coding -> level | ``{"zstd": 3, "br": 4, "gzip": 6}`` |
    | ``types`` | media types worth it; ``text/*`` and ``*/*+json`` stand for many | ``COMPRESSIBLE`` |
    | ``padding_bytes`` | up to so many bytes are put in by chance (at most 256), so that the exact length tells nobody what is in the body | 100 |

    **Compression tells who can listen and make the client ask again and again what a secret in the body is** (BREACH), padding only makes it slow. So
    it is in no defaults, and never done where a response sets a cookie, or says ``"compress": False``, as may the data of its route. Nor to what is
    coded or partial (206) already, Server-Sent Events, ``cache-control: no-transform``, and small bodies (unless the client refuses ``identity``).

    ``vary: accept-encoding`` stands on every answer. A strong ``etag`` becomes weak. Streams are compressed chunk by chunk, and each chunk can be read
    when it is sent; files are read to be compressed. Large bodies are compressed in a thread. Wrong options are an error here.

    WebSocket: untouched.

    >>> wrap_compress(["gzip"], min_bytes=500).spec["options"]["min_bytes"]
    500
    """
    options = compress_options(encodings, min_bytes=min_bytes, levels=levels, types=types, padding_bytes=padding_bytes)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def compress(handler: Handler, request: Any) -> Response:
            response = await next_middleware(handler, request)
            if request.get("type") == "websocket":
                return response
            run_in_thread: RunInThread = request.get("run_in_thread", asyncio.to_thread)
            encoding = choose_encoding(response, request, options)
            if encoding is not None and "file" in response:
                response = await _opened(response, response["file"], run_in_thread)
                encoding = choose_encoding(response, request, options)
            if encoding is None or len(response.get("body", b"")) < _IN_THREAD_BYTES:
                return compress_response(response, request, encoding, options)
            return await run_in_thread(compress_response, response, request, encoding, options)

        return compress

    return middleware
