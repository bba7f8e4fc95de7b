"""wrap_static: files of one folder. The text of a path is judged before the disk is looked at; what was opened and checked is what is sent."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..codec.conditional import check_preconditions, is_range_current
from ..codec.dates import format_date
from ..codec.filenames import parse_file_path
from ..codec.mime import OCTET_STREAM, guess_type
from ..codec.ranges import format_content_range, parse_range
from ..compose import middleware_factory
from ..files import CHUNK_BYTES, FileReader, FileStream
from ..response import problem, respond404, respond_not_modified, with_header
from ..types import Handler, Middleware, NextMiddleware, Response, RunInThread

__all__ = ["static_request", "static_response", "wrap_static"]

_METHODS = ("GET", "HEAD")
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # non-blocking: a pipe put in the file's place cannot hold us
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NOT_SERVED = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENXIO, errno.EINVAL}


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
    request: Mapping[str, Any], size: int, modified_ns: int, *, content_type: str | None = None, cache_control: str | None = None
) -> tuple[Response, range]:
    """The answer about a file of ``size`` bytes, last changed at ``modified_ns``, and the positions in it that are its body: 200, 206, 304, 412 or 416.

    >>> static_response({"method": "GET", "headers": {"range": "bytes=2-"}}, 5, 0)[1]
    range(2, 5)
    """
    method, asked = request["method"], request.get("headers", {})
    etag, modified_s = f'"{modified_ns:x}-{size:x}"', modified_ns // 1_000_000_000
    headers = {"last-modified": format_date(modified_s), "etag": etag, "accept-ranges": "bytes"}
    if cache_control is not None:
        headers["cache-control"] = cache_control
    match check_preconditions(method, asked, etag, modified_s):
        case 304:
            return respond_not_modified(headers), range(0)
        case 412:
            return problem(412), range(0)
        case _:
            whole = range(size)
    if content_type is not None:
        headers["content-type"] = content_type
    part = parse_range(asked["range"], size) if method == "GET" and "range" in asked and is_range_current(asked.get("if-range"), etag, modified_s) else None
    if part is None:
        return {"status": 200, "body": b"", "headers": {**headers, "content-length": str(size)}}, range(0) if method == "HEAD" else whole
    where = format_content_range(part, size)
    if not part:
        return with_header(problem(416), "content-range", where), part
    return {"status": 206, "body": b"", "headers": {**headers, "content-range": where, "content-length": str(len(part))}}, part


@middleware_factory
def wrap_static(
    static_folder: str | os.PathLike[str],
    root_path: str | os.PathLike[str] = ".",
    *,
    prefix: str = "/",
    index: str | None = None,
    cache_control: str | None = "no-cache",
    follow_symlinks: bool = False,
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

    Sends ``etag`` (strong, from size and time) and ``last-modified``; honours preconditions (RFC 9110 13.2.2) and one ``range`` (206, 416); several
    are answered with the whole file. No ``content-type``, except for ``index``: put ``wrap_content_type`` outside. A path with ``../`` is 404.
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
    answer = partial(_answer, folder, follow_symlinks=follow_symlinks, cache_control=cache_control)

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


def _answer(
    folder: str, names: Sequence[str], request: Mapping[str, Any], *, follow_symlinks: bool, cache_control: str | None, content_type: str | None
) -> Response | None:
    """All work on the disk up to the first chunk, in one visit to a thread; ``None`` where there is no file to serve."""
    try:
        reader = _open_anywhere(folder, names) if follow_symlinks else _open_beneath(folder, names)
    except OSError as error:
        if error.errno in _NOT_SERVED:
            return None
        raise
    file = os.fstat(reader.fileno())
    response, part = static_response(request, file.st_size, file.st_mtime_ns, content_type=content_type, cache_control=cache_control)
    if not part:
        reader.close()
        return response
    if follow_symlinks and response["status"] == 200 and len(part) > CHUNK_BYTES and "http.response.pathsend" in (request.get("extensions") or ()):
        reader.close()
        return {"status": 200, "headers": response.get("headers", {}), "file": os.path.join(folder, *names)}
    os.lseek(reader.fileno(), part.start, os.SEEK_SET)
    first = reader.read(min(len(part), CHUNK_BYTES))
    return {**response, "stream": FileStream(reader, len(part), request.get("run_in_thread", asyncio.to_thread), first)}


def _open_beneath(folder: str, names: Sequence[str]) -> FileReader:
    """Step by step from the folder's own descriptor, following no link at any step."""
    if os.open not in os.supports_dir_fd:
        return _open_resolved(folder, names)
    where = os.open(folder, _FOLDER)
    try:
        for name in names[:-1]:
            outer, where = where, os.open(name, _FOLDER | _NO_FOLLOW, dir_fd=where)
            os.close(outer)
        return _open_regular(names[-1], where, follow=False)
    finally:
        os.close(where)


def _open_resolved(folder: str, names: Sequence[str]) -> FileReader:
    """Where the system opens nothing relative to a descriptor (Windows): refuse a path that resolves to another one, capitals included."""
    path = os.path.join(os.path.realpath(folder), *names)
    if os.path.realpath(path) != path:
        raise FileNotFoundError(errno.ENOENT, "leads elsewhere", path)
    return _open_regular(path, None, follow=False)


def _open_anywhere(folder: str, names: Sequence[str]) -> FileReader:
    return _open_regular(os.path.join(folder, *names), None, follow=True)


def _open_regular(path: str, where: int | None, *, follow: bool) -> FileReader:
    """Nothing but a regular file is ever opened: opening a pipe or a device may do something."""
    if not stat.S_ISREG(os.stat(path, dir_fd=where, follow_symlinks=follow).st_mode):
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    reader = FileReader(os.open(path, _FILE if follow else _FILE | _NO_FOLLOW, dir_fd=where))
    if not stat.S_ISREG(os.fstat(reader.fileno()).st_mode):
        reader.close()
        raise FileNotFoundError(errno.ENOENT, "not a regular file any more", path)
    return reader
