"""An open file that is read in threads and closed from the loop. Knows no response and no request."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from threading import Lock

from .types import RunInThread

__all__ = ["CHUNK_BYTES", "FilePieces", "FileReader", "FileStream", "open_reader"]

CHUNK_BYTES = 65_536
"""How much of a file is read, and sent, at once."""
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)


class FileReader:
    """Owns a descriptor. ``read`` runs in a thread, ``close`` anywhere, even during a ``read``: then the reading thread closes.

    So no read ever meets a descriptor that was closed, or given to another file, under it. One that nobody closed ends with its last reference.
    """

    __slots__ = ("_descriptor", "_ended", "_lock")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ended = False
        self._lock = Lock()

    def read(self, max_bytes: int, position: int | None = None) -> bytes:
        """At most ``max_bytes`` from ``position``, or from where the last read ended; ``b""`` at the end of the file and after ``close``."""
        with self._lock:
            if self._descriptor >= 0 and position is not None:
                os.lseek(self._descriptor, position, os.SEEK_SET)
            chunk = b"" if self._descriptor < 0 else os.read(self._descriptor, max_bytes)
        if self._ended:
            self.close()
        return chunk

    def fileno(self) -> int:
        """The descriptor, for whoever has not yet shared the reader; -1 after ``close``."""
        return self._descriptor

    def close(self) -> None:
        """Never waits and may be repeated."""
        self._ended = True  # before the lock is tried: a reader that holds it looks here after letting go
        if self._lock.acquire(blocking=False):
            try:
                descriptor, self._descriptor = self._descriptor, -1
                if descriptor >= 0:
                    os.close(descriptor)
            finally:
                self._lock.release()

    def __del__(self) -> None:
        self.close()


def open_reader(path: str | os.PathLike[str]) -> FileReader:
    """Open ``path`` (links are followed); an ``OSError`` says why it cannot be."""
    return FileReader(os.open(path, _READ_ONLY))


class FileStream(AsyncIterator[bytes]):
    """The next ``length`` bytes of ``reader``, ``first`` among them if it was read already; ``aclose`` ends the reader, begun or not.

    A file that turns out shorter is an ``OSError``, so that an announced ``content-length`` is never quietly missed.
    """

    __slots__ = ("_first", "_left", "_reader", "_run_in_thread")

    def __init__(self, reader: FileReader, length: int, run_in_thread: RunInThread, first: bytes = b"") -> None:
        self._reader = reader
        self._left = length
        self._run_in_thread = run_in_thread
        self._first = first
        if len(first) == length:
            reader.close()

    async def __anext__(self) -> bytes:
        if not self._left:
            self._reader.close()
            raise StopAsyncIteration
        chunk, self._first = self._first or await self._run_in_thread(self._reader.read, min(self._left, CHUNK_BYTES)), b""
        if not chunk:
            raise OSError(f"the file became shorter while it was sent: {self._left} bytes of it are missing")
        self._left -= len(chunk)
        return chunk

    async def aclose(self) -> None:
        self._left = 0
        self._reader.close()


class FilePieces(AsyncIterator[bytes]):
    """Some bytes as they are, and of ``reader`` what stands at the positions of some ranges, in order; ``aclose`` ends the reader, begun or not.

    A file that turns out shorter is an ``OSError``, as in ``FileStream``.
    """

    __slots__ = ("_pieces", "_reader", "_run_in_thread")

    def __init__(self, reader: FileReader, pieces: Iterable[bytes | range], run_in_thread: RunInThread) -> None:
        self._reader = reader
        self._pieces = deque(pieces)
        self._run_in_thread = run_in_thread

    async def __anext__(self) -> bytes:
        if not self._pieces:
            self._reader.close()
            raise StopAsyncIteration
        piece = self._pieces.popleft()
        if isinstance(piece, bytes):
            return piece
        chunk = await self._run_in_thread(self._reader.read, min(len(piece), CHUNK_BYTES), piece.start)
        if not chunk:
            raise OSError(f"the file became shorter while it was sent: {len(piece)} bytes of it are missing")
        if len(chunk) < len(piece):
            self._pieces.appendleft(piece[len(chunk) :])
        return chunk

    async def aclose(self) -> None:
        self._pieces.clear()
        self._reader.close()
