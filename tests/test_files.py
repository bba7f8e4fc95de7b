from __future__ import annotations

import asyncio
import os
from pathlib import Path
from threading import Event, Thread

import pytest

from shallot import files
from shallot.files import CHUNK_BYTES, FilePieces, FileReader, FileStream, open_reader


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    return path


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_reads_in_order_and_ends_with_nothing(ten: Path) -> None:
    reader = open_reader(ten)
    assert [reader.read(4) for _ in range(4)] == [b"0123", b"4567", b"89", b""]
    reader.close()


def test_closes_once_and_reads_nothing_afterwards(ten: Path) -> None:
    reader = open_reader(ten)
    descriptor = reader.fileno()
    reader.close()
    other = os.open(ten, os.O_RDONLY)  # takes the number that is free now
    reader.close()
    assert (reader.fileno(), reader.read(1), is_open(other)) == (-1, b"", True)
    assert other == descriptor
    os.close(other)


def test_the_last_reference_closes(ten: Path) -> None:
    reader = open_reader(ten)
    descriptor = reader.fileno()
    del reader
    assert not is_open(descriptor)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(FileNotFoundError):
        open_reader("no/such/file")


def test_closing_during_a_read_waits_for_nothing_and_closes_after_it(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, closed, seen = Event(), Event(), []

    def slow_read(descriptor: int, size: int) -> bytes:
        reading.set()
        assert closed.wait(10), "close() waited for the read"
        seen.append(is_open(descriptor))
        return b"late"

    reader = open_reader(ten)
    descriptor = reader.fileno()
    monkeypatch.setattr(files.os, "read", slow_read)
    thread = Thread(target=lambda: seen.append(reader.read(4)))
    thread.start()
    assert reading.wait(10)
    reader.close()
    closed.set()
    thread.join(10)
    assert seen == [True, b"late"]
    assert not is_open(descriptor)


async def test_a_stream_gives_exactly_its_length(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(2 * CHUNK_BYTES + 7))
    reader = open_reader(path)
    chunks = [chunk async for chunk in FileStream(reader, CHUNK_BYTES + 5, asyncio.to_thread)]
    assert ([len(chunk) for chunk in chunks], b"".join(chunks)) == ([CHUNK_BYTES, 5], path.read_bytes()[: CHUNK_BYTES + 5])
    assert reader.fileno() == -1


async def test_what_was_read_already_comes_first(ten: Path) -> None:
    reader = open_reader(ten)
    first = reader.read(3)
    stream = FileStream(reader, 10, asyncio.to_thread, first)
    assert [chunk async for chunk in stream] == [b"012", b"3456789"]


async def test_a_stream_that_was_read_whole_holds_no_descriptor(ten: Path) -> None:
    reader = open_reader(ten)
    stream = FileStream(reader, 10, asyncio.to_thread, reader.read(10))
    assert reader.fileno() == -1
    assert [chunk async for chunk in stream] == [b"0123456789"]


@pytest.mark.parametrize("begun", [False, True])
async def test_aclose_closes_and_ends(ten: Path, begun: bool) -> None:
    reader = open_reader(ten)
    stream = FileStream(reader, 10, asyncio.to_thread, reader.read(1))
    if begun:
        await anext(stream)
    await stream.aclose()
    await stream.aclose()
    assert (reader.fileno(), [chunk async for chunk in stream]) == (-1, [])


async def test_a_file_that_became_shorter_is_an_error(ten: Path) -> None:
    stream = FileStream(open_reader(ten), 12, asyncio.to_thread)
    assert await anext(stream) == b"0123456789"
    with pytest.raises(OSError, match="became shorter while it was sent: 2 bytes of it are missing"):
        await anext(stream)
    await stream.aclose()


async def test_a_file_that_grew_is_cut_at_the_length(ten: Path) -> None:
    stream = FileStream(open_reader(ten), 10, asyncio.to_thread)
    await asyncio.to_thread(ten.write_bytes, b"0123456789 and more")
    assert [chunk async for chunk in stream] == [b"0123456789"]


async def test_a_cancelled_read_leaves_nothing_open(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, reading, read = Event(), asyncio.Event(), os.read
    loop = asyncio.get_running_loop()

    def slow_read(descriptor: int, size: int) -> bytes:
        loop.call_soon_threadsafe(reading.set)
        assert go.wait(10)
        return read(descriptor, size)

    monkeypatch.setattr(files.os, "read", slow_read)
    reader = FileReader(os.open(ten, os.O_RDONLY))
    descriptor, stream = reader.fileno(), FileStream(reader, 10, asyncio.to_thread)
    task = asyncio.create_task(anext(stream))
    await asyncio.wait_for(reading.wait(), 10)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    await stream.aclose()
    assert is_open(descriptor)
    go.set()
    await loop.shutdown_default_executor()
    assert not is_open(descriptor)


def test_reads_from_a_position(ten: Path) -> None:
    reader = open_reader(ten)
    assert [reader.read(3, 7), reader.read(3, 0), reader.read(3), reader.read(3, 10)] == [b"789", b"012", b"345", b""]
    reader.close()
    assert reader.read(3, 0) == b""


async def test_pieces_of_a_file_between_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(2 * CHUNK_BYTES))
    reader, content = open_reader(path), path.read_bytes()
    chunks = [chunk async for chunk in FilePieces(reader, [b"<", range(5, CHUNK_BYTES + 7), b"|", range(2), b">"], asyncio.to_thread)]
    assert chunks == [b"<", content[5 : CHUNK_BYTES + 5], content[CHUNK_BYTES + 5 : CHUNK_BYTES + 7], b"|", content[:2], b">"]
    assert reader.fileno() == -1


@pytest.mark.parametrize("begun", [False, True])
async def test_aclose_of_pieces_closes_and_ends(ten: Path, begun: bool) -> None:
    reader = open_reader(ten)
    pieces = FilePieces(reader, [range(2), range(4)], asyncio.to_thread)
    if begun:
        assert await anext(pieces) == b"01"
    await pieces.aclose()
    await pieces.aclose()
    assert (reader.fileno(), [chunk async for chunk in pieces]) == (-1, [])


async def test_pieces_that_are_not_there_any_more_are_an_error(ten: Path) -> None:
    pieces = FilePieces(open_reader(ten), [range(8, 12)], asyncio.to_thread)
    assert await anext(pieces) == b"89"
    with pytest.raises(OSError, match="became shorter while it was sent: 2 bytes of it are missing"):
        await anext(pieces)
    await pieces.aclose()
