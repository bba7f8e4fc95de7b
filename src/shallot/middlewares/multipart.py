"""wrap_multipart: a form with files as dicts. Files wait in memory while they are small, else on disk, and none outlives the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import ExitStack, aclosing, suppress
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Any, cast

from ..body import declared_length
from ..codec.multipart import FormParser, Part, clean_filename, parse_boundary, parse_text
from ..codec.query import FORM_LIMITS, FormLimits
from ..compose import middleware_factory
from ..errors import BodyTooLarge
from ..request import check_not_encoded
from ..types import Handler, Middleware, NextMiddleware, Response, RunInThread, Upload

__all__ = ["multipart_request", "multipart_response", "wrap_multipart"]

SPOOL_BYTES = 1024 * 1024
PIECE_BYTES = 64 * 1024


class Spool:
    """Owns a temporary file, which is touched in threads once it is on disk. ``close`` never waits and may be repeated, even during a ``write``:
    then the writing thread closes."""

    __slots__ = ("_ended", "_lock", "_max_memory_bytes", "file", "size")

    def __init__(self, max_memory_bytes: int) -> None:
        self.file: IO[bytes] = cast("IO[bytes]", SpooledTemporaryFile(max_size=max_memory_bytes))
        self.size = 0
        self._max_memory_bytes = max_memory_bytes
        self._ended = False
        self._lock = Lock()

    async def write(self, data: bytes, run_in_thread: RunInThread) -> None:
        self.size += len(data)
        await self._call(self.file.write, data, run_in_thread)

    async def rewind(self, run_in_thread: RunInThread) -> None:
        await self._call(self.file.seek, 0, run_in_thread)

    async def _call(self, method: Callable[[Any], object], argument: object, run_in_thread: RunInThread) -> None:
        if self.size > self._max_memory_bytes:  # it is on disk, or goes there now
            await run_in_thread(self._call_locked, method, argument)
        else:
            method(argument)

    def _call_locked(self, method: Callable[[Any], object], argument: object) -> None:
        with self._lock:
            if not self._ended:
                method(argument)
        if self._ended:
            self.close()

    def close(self) -> None:
        self._ended = True  # before the lock is tried: a thread that holds it looks here after letting go
        if self._lock.acquire(blocking=False):
            try:
                with suppress(OSError):  # a full disk: what nobody will read need not be there
                    self.file.close()
            finally:
                self._lock.release()

    def __del__(self) -> None:
        self.close()


async def multipart_request(
    request: Any, files: ExitStack, limits: FormLimits = FORM_LIMITS, *, spool_bytes: int = SPOOL_BYTES, keep_blank_values: bool = False
) -> Any:
    """``request`` with the keys ``files`` and ``form_params``; the fields stand in ``params`` too where there is that key.

    Closing ``files`` closes all temporary files. Errors as in ``codec.multipart.FormParser``, and ``UnsupportedMedia`` for a compressed form.
    """
    request["files"] = {}
    request.setdefault("form_params", {})
    boundary = parse_boundary(request.get("headers", {}).get("content-type", ""))
    if boundary is not None and ("stream" in request or request.get("body")):
        check_not_encoded(request)
        declared = declared_length(request["headers"])
        if declared is not None and declared > limits.max_bytes:
            raise BodyTooLarge(f"multipart: a form of {declared} bytes was declared; the bound is {limits.max_bytes}")
        form = _Form(files, spool_bytes, request.get("run_in_thread", asyncio.to_thread), keep_blank_values)
        if "stream" in request:
            await form.read(request["stream"], FormParser(boundary, limits))
        else:
            async with aclosing(_pieces(request["body"])) as pieces:
                await form.read(pieces, FormParser(boundary, limits))
        request["files"] = form.uploads
        request["form_params"] = {**request["form_params"], **form.fields}
        if "params" in request:
            request["params"] = {**request["params"], **form.fields}
    return request


class _Form:
    """What has come of a form so far."""

    def __init__(self, files: ExitStack, spool_bytes: int, run_in_thread: RunInThread, keep_blank_values: bool) -> None:
        self.fields: dict[str, list[str]] = {}
        self.uploads: dict[str, list[Upload]] = {}
        self._files = files
        self._spool_bytes = spool_bytes
        self._run_in_thread = run_in_thread
        self._keep_blank_values = keep_blank_values

    async def read(self, chunks: AsyncIterable[bytes], parser: FormParser) -> None:
        part, text = Part("", None, ""), bytearray()
        spool: Spool | None = None
        async for chunk in chunks:
            for event in parser.feed(chunk):
                if isinstance(event, Part):
                    part, text, spool = event, bytearray(), None if event.raw_filename is None else self._open()
                elif spool is not None:
                    await (self._add_file(part, spool) if event is None else spool.write(event, self._run_in_thread))
                elif event is not None:
                    text += event
                else:
                    self._add_field(part.name, bytes(text))
        parser.end()

    def _open(self) -> Spool:
        spool = Spool(self._spool_bytes)
        self._files.callback(spool.close)
        return spool

    def _add_field(self, name: str, data: bytes) -> None:
        if data or self._keep_blank_values:
            self.fields.setdefault(name, []).append(parse_text(data, name))

    async def _add_file(self, part: Part, spool: Spool) -> None:
        raw = part.raw_filename or ""
        if raw or spool.size:  # browsers send an input without a file as an empty one without a name
            await spool.rewind(self._run_in_thread)
            upload: Upload = {
                "filename": clean_filename(raw),
                "raw_filename": raw,
                "content_type": part.content_type,
                "size": spool.size,
                "file": spool.file,
            }
            self.uploads.setdefault(part.name, []).append(upload)


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(body), PIECE_BYTES):
        yield body[at : at + PIECE_BYTES]


def multipart_response(response: Response, request: Any, files: ExitStack) -> Response:
    """``response``; or, where it streams and there were files, a copy whose stream takes over ``files`` and closes them at its own end."""
    if "stream" in response and request["files"]:
        return {**response, "stream": _LastReader(response["stream"], files)}
    return response


class _LastReader(AsyncIterator[bytes]):
    """A response's stream, begun or not: closing it closes the files."""

    def __init__(self, stream: AsyncIterable[bytes], files: ExitStack) -> None:
        self._stream = stream
        self._chunks = aiter(stream)
        self._files = files.pop_all()

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        try:
            for closable in {id(each): each for each in (self._chunks, self._stream)}.values():
                if hasattr(closable, "aclose"):
                    await cast(Any, closable).aclose()
        finally:
            self._files.close()


@middleware_factory
def wrap_multipart(
    *,
    max_bytes: int = FORM_LIMITS.max_bytes,
    max_fields: int = FORM_LIMITS.max_fields,
    max_files: int = FORM_LIMITS.max_files,
    max_text_bytes: int = FORM_LIMITS.max_text_bytes,
    max_part_headers: int = FORM_LIMITS.max_part_headers,
    max_header_bytes: int = FORM_LIMITS.max_header_bytes,
    max_preamble_bytes: int = FORM_LIMITS.max_preamble_bytes,
    spool_bytes: int = SPOOL_BYTES,
    keep_blank_values: bool = False,
) -> Middleware:
    """Read a body of type ``multipart/form-data`` (RFC 7578): fields into ``request["form_params"]`` (and ``params``, where there is that key), files into
    ``request["files"]``, both as name -> list in order. Empty dicts where there is none.

    A file is a dict: ``filename`` (fit to be shown, never a path), ``raw_filename`` (as it came), ``content_type`` (as it was claimed), ``size`` in bytes,
    and ``file``, an open binary file at its beginning. It is in memory up to ``spool_bytes`` and on disk beyond: read a large one in a thread,
    ``run_in_thread`` of the request, with ``upload["file"].read``.

    | option | meaning | default |
    |---|---|---|
    | ``max_bytes`` | the whole form | 10 MiB |
    | ``max_fields``, ``max_files`` | how many of each | 1000, 100 |
    | ``max_text_bytes`` | all fields together | 500,000 bytes |
    | ``max_part_headers``, ``max_header_bytes`` | header lines of a part, and the longest | 8, 4096 bytes |
    | ``max_preamble_bytes`` | what may stand before the first boundary | 16 KiB |
    | ``spool_bytes`` | of each file that stays in memory | 1 MiB |
    | ``keep_blank_values`` | keep fields without a value, as ``""`` | ``False`` |

    Beyond a bound ``errors.BodyTooLarge`` (413), for what is malformed ``errors.BadRequest`` (400), for text that is not UTF-8 and for a compressed
    form ``errors.UnsupportedMedia`` (415). The first error ends it. The body is taken from ``request["stream"]`` where ``stream_body`` chose that,
    so that it never sits in memory; else from ``request["body"]``, which has at most ``body_bytes`` (1 MiB).

    The files are closed, and so deleted, when the response has come back or failed, and where it is a stream, when that has ended: copy what shall stay.
    Put it outside ``wrap_parameters(nested=True)``, which then nests the fields too.

    WebSocket: it has no body; ``files`` is ``{}``.

    >>> wrap_multipart(max_files=3).spec["options"]["max_files"]
    3
    """
    limits = FormLimits(max_bytes, max_fields, max_files, max_text_bytes, max_part_headers, max_header_bytes, max_preamble_bytes)
    for name, bound in {**limits._asdict(), "spool_bytes": spool_bytes}.items():
        least = 0 if name in ("max_fields", "max_files", "max_text_bytes", "max_preamble_bytes") else 1
        if isinstance(bound, bool) or not isinstance(bound, int) or bound < least:  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever has no checker
            raise ValueError(f"wrap_multipart: {name} must be a whole number from {least} on, not {bound!r}")

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def multipart(handler: Handler, request: Any) -> Response:
            with ExitStack() as files:
                await multipart_request(request, files, limits, spool_bytes=spool_bytes, keep_blank_values=keep_blank_values)
                return multipart_response(await next_middleware(handler, request), request, files)

        return multipart

    return middleware
