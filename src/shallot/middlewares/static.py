"""wrap_static: files of one folder. The text of a path is judged before the disk is looked at; what was opened and checked is what is sent."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from ..codec.conditional import check_preconditions, is_range_current
from ..codec.dates import format_date
from ..codec.filenames import parse_file_path
from ..codec.mime import OCTET_STREAM, guess_type
from ..codec.negotiation import best_encoding
from ..codec.ranges import format_byteranges, format_content_range, parse_ranges
from ..compose import middleware_factory
from ..files import CHUNK_BYTES, FilePieces, FileReader
from ..folder import NOT_THERE, open_below
from ..response import problem, respond404, respond_not_modified, with_header
from ..types import Handler, Middleware, NextMiddleware, Response, RunInThread

__all__ = ["static_request", "static_response", "wrap_static"]

_METHODS = ("GET", "HEAD")
_SIBLINGS: Mapping[str, str] = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Content coding -> what is put behind a file's name where that holds it so coded. The densest first."""
_SANDBOX = "sandbox; default-src 'none'"


def static_request(request: Mapping[str, Any], *, prefix: str = "/", index: str | None = None) -> Sequence[str] | None:
    """The names below the folder that ``request`` asks for, or ``None`` if it asks for no file. ``index`` stands in for a path that ends with ``/``.

    >>> static_request({"method": "GET", "path": "/css/site.css"})
    ('css', 'site.css')
    """
    path: str = request["path"]
    if request["method"] not in _METHODS or not path.startswith(prefix):
        return None
    return parse_file_path(path[len(prefix) :] + (index if index and path.endswith("/") else ""))


def static_response(
    request: Mapping[str, Any],
    size: int,
    modified_ns: int,
    *,
    content_type: str | None = None,
    encoding: str | None = None,
    headers: Mapping[str, str] | None = None,
    part_type: str | None = None,
    now: float | None = None,
) -> tuple[Response, Sequence[bytes | range]]:
    """The answer about a file of ``size`` bytes, last changed at ``modified_ns``, and of what its body is made: bytes, and positions in the file.

    200, 206 (of several ranges: ``multipart/byteranges``, whose parts are of ``part_type``), 304, 412 or 416. ``headers`` stand on 200, 206 and 304.
    ``now`` is in seconds since 1970 (``None``: the clock): ``last-modified`` is never later, and the date of a file that may change again within the same
    second is no strong one (8.8.2): an ``if-range`` with it gets the whole.

    >>> static_response({"method": "GET", "headers": {"range": "bytes=2-"}}, 5, 0)[1]
    [range(2, 5)]
    """
    method, asked = request["method"], request.get("headers", {})
    etag, modified_s = f'"{modified_ns:x}-{size:x}{f"-{encoding}" if encoding else ""}"', modified_ns // 1_000_000_000
    now_s = int(time.time() if now is None else now)
    kept = {"last-modified": format_date(min(modified_s, now_s)), "etag": etag, "accept-ranges": "bytes", **(headers or {})}
    match check_preconditions(method, asked, etag, modified_s):
        case 304:
            return respond_not_modified(kept), ()
        case 412:
            return problem(412), ()
        case _:
            full = {**kept, "x-content-type-options": "nosniff"}
    if encoding is not None:
        full["content-encoding"] = encoding
    is_partial = method == "GET" and "range" in asked and is_range_current(asked.get("if-range"), etag, modified_s if modified_s < now_s else None)
    parts = parse_ranges(asked["range"], size) if is_partial else None
    pieces: Sequence[bytes | range]
    match parts:
        case None:
            status, pieces = 200, [range(size)] if size else []
        case ():
            return with_header(problem(416), "content-range", format_content_range(range(0), size)), ()
        case (part,):
            status, pieces = 206, [part]
            full["content-range"] = format_content_range(part, size)
        case _:
            boundary = secrets.token_hex(16)
            status, pieces = 206, format_byteranges(parts, size, boundary, part_type)
            content_type = f"multipart/byteranges; boundary={boundary}"
    if content_type is not None:
        full["content-type"] = content_type
    full["content-length"] = str(sum(map(len, pieces)))
    return {"status": status, "body": b"", "headers": full}, pieces if method == "GET" else ()


class _Choices(NamedTuple):
    """The options that one answer depends on."""

    follow_symlinks: bool
    headers: Mapping[str, str]
    precompressed: bool
    download: bool


@middleware_factory
def wrap_static(
    static_folder: str | os.PathLike[str],
    root_path: str | os.PathLike[str] = ".",
    *,
    prefix: str = "/",
    index: str | None = None,
    cache_control: str | None = "no-cache",
    follow_symlinks: bool = False,
    precompressed: bool = False,
    download: bool = False,
) -> Middleware:
    """Answer GET and HEAD with the files below ``static_folder``; all else, and what is no such file, goes on to the next.

    | option | meaning | default |
    |---|---|---|
    | ``static_folder`` | the folder, below ``root_path`` even with a leading ``/``; an absolute one where there is none below it | |
    | ``root_path`` | where ``static_folder`` begins | ``"."`` |
    | ``prefix`` | the part of the request's path that stands for the folder; other paths cost no look at the disk | ``"/"`` |
    | ``index`` | the file that answers for a path that ends with ``/`` | none |
    | ``cache_control`` | that header; ``None`` sends none | ``"no-cache"``: ask each time, 304 if unchanged |
    | ``follow_symlinks`` | follow links, wherever they lead; lets the server send large files itself (pathsend) | no link is followed |
    | ``precompressed`` | send ``a.css.br``, ``.zst`` or ``.gz`` in place of ``a.css`` to who takes that coding, where it is there and not older | ``False`` |
    | ``download`` | for folders of what users sent: saved, never shown (``content-disposition``), and in a sandbox where it is shown all the same | ``False`` |

    Sends ``etag`` (strong, from size, time and coding) and ``last-modified``; honours preconditions (RFC 9110 13.2.2) and up to 16 ranges (206, 416)
    that are together no longer than the file. No ``content-type``, except for ``index``: put ``wrap_content_type`` outside; but
    ``x-content-type-options: nosniff``. A path with ``../`` is 404; there are no listings and no redirects.
    Hidden files (but ``.well-known``), names that are special on any operating system (``codec.filenames``), folders and devices are never served.
    All work on the disk is done in threads; the file is opened once, and what was checked is what is sent, whatever happens to its name meanwhile.
    A folder that does not exist is a ``NotADirectoryError`` here, at once.

    WebSocket: goes on untouched.
    """
    folder = _find_folder(os.fspath(static_folder), os.fspath(root_path))
    if not prefix.startswith("/"):
        raise ValueError(f"wrap_static: prefix must begin with '/', got {prefix!r}")
    if index is not None and len(parse_file_path(index) or ()) != 1:
        raise ValueError(f"wrap_static: index must be one plain file name, got {index!r}")
    mount = prefix.rstrip("/") + "/"
    index_type = index and (guess_type(index) or OCTET_STREAM)
    fixed = {
        **({} if cache_control is None else {"cache-control": cache_control}),
        **({"vary": "accept-encoding"} if precompressed else {}),
        **({"content-security-policy": _SANDBOX} if download else {}),
    }
    answer = partial(_answer, folder, _Choices(follow_symlinks, fixed, precompressed, download))

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def static(handler: Handler, request: Any) -> Response:
            path: str = request["path"]
            names = static_request(request, prefix=mount, index=index)
            if names is None:
                is_traversal = request["method"] in _METHODS and path.startswith(mount) and ("../" in path or path.endswith("/.."))
                return respond404() if is_traversal else await next_middleware(handler, request)
            run_in_thread: RunInThread = request.get("run_in_thread", asyncio.to_thread)
            content_type = index_type if path.endswith("/") else None
            response = await run_in_thread(answer, names, request, content_type=content_type)
            return response or await next_middleware(handler, request)

        return static

    return middleware


def _find_folder(static_folder: str, root_path: str) -> str:
    below = os.path.abspath(os.path.join(root_path, static_folder.lstrip("/")))
    candidates = [below, os.path.abspath(static_folder)] if os.path.isabs(static_folder) else [below]
    for folder in candidates:
        if os.path.isdir(folder):
            return folder
    raise NotADirectoryError(f"wrap_static: no such folder: {' or '.join(candidates)}; static_folder is taken below root_path={root_path!r}")


def _answer(folder: str, choices: _Choices, names: Sequence[str], request: Mapping[str, Any], *, content_type: str | None) -> Response | None:
    """All work on the disk up to the first chunk, in one visit to a thread; ``None`` where there is no file to serve."""
    try:
        reader = open_below(folder, names, follow_symlinks=choices.follow_symlinks)
    except UnicodeEncodeError:  # letters that the system's encoding does not have: no file can have that name
        return None
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    sent, encoding = names, None
    if choices.precompressed:
        reader, sent, encoding = _choose_sibling(folder, choices, names, request, reader)
    file, headers = os.fstat(reader.fileno()), choices.headers
    if choices.download:
        headers = {**headers, "content-disposition": f"attachment; filename*=UTF-8''{quote(names[-1], safe='')}"}  # RFC 8187
    part_type = content_type or guess_type(names[-1])
    response, pieces = static_response(
        request, file.st_size, file.st_mtime_ns, content_type=content_type, encoding=encoding, headers=headers, part_type=part_type
    )
    if not pieces:
        reader.close()
        return response
    is_large = response["status"] == 200 and file.st_size > CHUNK_BYTES
    if choices.follow_symlinks and is_large and "http.response.pathsend" in (request.get("extensions") or ()):
        reader.close()
        return {"status": 200, "headers": response.get("headers", {}), "file": os.path.join(folder, *sent)}
    return {**response, "stream": FilePieces(reader, _begun(reader, pieces), request.get("run_in_thread", asyncio.to_thread))}


def _begun(reader: FileReader, pieces: Sequence[bytes | range]) -> Sequence[bytes | range]:
    """The first chunk is read while we are here; a file that fits into it is not needed any more."""
    first, *others = pieces
    if isinstance(first, bytes):
        return pieces
    chunk = reader.read(min(len(first), CHUNK_BYTES), first.start)
    if len(chunk) == len(first):
        reader.close()
        return [chunk]
    return [chunk, first[len(chunk) :], *others]


def _choose_sibling(
    folder: str, choices: _Choices, names: Sequence[str], request: Mapping[str, Any], reader: FileReader
) -> tuple[FileReader, Sequence[str], str | None]:
    """The coded sibling of an open file that the client likes best, opened through the same door; the file itself where there is none."""
    accepted, offers, modified_ns = request.get("headers", {}).get("accept-encoding"), list(_SIBLINGS), os.fstat(reader.fileno()).st_mtime_ns
    encoding = best_encoding(accepted, offers)
    while encoding in offers:
        coded = [*names[:-1], names[-1] + _SIBLINGS[encoding]]
        try:
            sibling = open_below(folder, coded, follow_symlinks=choices.follow_symlinks)
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
        else:
            if os.fstat(sibling.fileno()).st_mtime_ns >= modified_ns:
                reader.close()
                return sibling, coded, encoding
            sibling.close()
        offers.remove(encoding)
        encoding = best_encoding(accepted, offers)
    return reader, names, None
