"""The one door to the files below a folder: names that were judged harmless -> an open regular file. Knows no request and no text of a path."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from .files import FileReader

__all__ = ["NOT_THERE", "open_below"]

NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENXIO, errno.EINVAL}
)
"""The numbers of an ``OSError`` that say no more than: there is no such file for you."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # non-blocking: a pipe put in the file's place cannot hold us
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


def open_below(folder: str, names: Sequence[str], *, follow_symlinks: bool = False) -> FileReader:
    """Open the regular file ``names`` below ``folder``, step by step from the folder's own descriptor; ``OSError`` where there is none.

    No link is followed at any step, unless ``follow_symlinks``: then wherever they lead. Nothing but a regular file is ever opened. To be called in a
    thread.
    """
    if follow_symlinks:
        return _open_regular(os.path.join(folder, *names), None, follow=True)
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


def _open_regular(path: str, where: int | None, *, follow: bool) -> FileReader:
    """Opening a pipe or a device may do something: look first, and look again at what was opened."""
    if not stat.S_ISREG(os.stat(path, dir_fd=where, follow_symlinks=follow).st_mode):
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    reader = FileReader(os.open(path, _FILE if follow else _FILE | _NO_FOLLOW, dir_fd=where))
    if not stat.S_ISREG(os.fstat(reader.fileno()).st_mode):
        reader.close()
        raise FileNotFoundError(errno.ENOENT, "not a regular file any more", path)
    return reader
