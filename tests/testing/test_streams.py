from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from shallot.testing import FakeServer, Stream, Unexpected, http_scope, virtual_time
from shallot.testing.streams import exchange

from .apps import sending

START = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"1"), (b"x", b"2")]}


def body(data: bytes = b"", more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def opened(app: Any, *, raise_errors: bool = True, deadline_s: float = 5, **keys: Any) -> AbstractAsyncContextManager[Stream]:
    return exchange(FakeServer(http_scope("GET", "/live", **keys)), app, deadline_s=deadline_s, raise_errors=raise_errors)


async def test_chunks_are_read_as_they_come() -> None:
    async with opened(sending(START, body(b"a"), body(b""), body(b"b"), body(b"c", False))) as answer:
        assert (answer.status, answer.headers, answer.headers_list) == (200, {"x": "1, 2"}, [("x", "1"), ("x", "2")])
        assert [chunk async for chunk in answer] == [b"a", b"b", b"c"]
        assert [chunk async for chunk in answer] == []
        assert not answer.cut


async def test_a_file_is_one_chunk(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    app = sending(START, {"type": "http.response.pathsend", "path": str(tmp_path / "x")})
    async with opened(app, extensions={"http.response.pathsend": {}}) as answer:
        assert [chunk async for chunk in answer] == [b"content"]


async def test_leaving_early_disconnects() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"first"))
        seen.append((await receive())["type"])
        with pytest.raises(OSError, match="closed connection"):
            await send(body(b"second"))

    async with opened(app) as answer:
        assert await anext(answer.__aiter__()) == b"first"
        assert seen == []
    assert seen == ["http.disconnect"]


async def test_the_app_waits_for_the_reader() -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(START)
        while True:
            await send(body(b"x"))
            sent += 1

    async with opened(app) as answer:
        chunks = aiter(answer)
        for read in range(1, 20):
            await anext(chunks)
            for _ in range(20):
                await asyncio.sleep(0)
            assert sent == read + Stream.ahead - 1


@pytest.mark.parametrize("error", [None, KeyError("oh")])
async def test_a_cut_response_without_raising(error: Exception | None) -> None:
    async with opened(sending(START, body(b"a"), error=error), raise_errors=False) as answer:
        assert [chunk async for chunk in answer] == [b"a"]
        assert answer.cut


async def test_a_response_that_just_stops_is_cut() -> None:
    async with opened(sending(START, body(b"a"))) as answer:
        assert [chunk async for chunk in answer] == [b"a"]
        assert answer.cut


async def test_what_cut_the_response_is_raised_by_the_iteration() -> None:
    chunks: list[bytes] = []
    with pytest.raises(KeyError, match="oh"):
        async with opened(sending(START, body(b"a"), error=KeyError("oh"))) as answer:
            chunks += [chunk async for chunk in answer]
    async with opened(sending(START, body(b"a"), error=KeyError("oh"))) as answer:
        with pytest.raises(KeyError, match="oh"):
            chunks += [chunk async for chunk in answer]
        assert answer.cut


async def test_what_was_raised_unread_is_raised_at_the_end() -> None:
    with pytest.raises(KeyError, match="oh"):
        async with opened(sending(START, body(b"a"), error=KeyError("oh"))):
            pass


async def test_no_response() -> None:
    with pytest.raises(KeyError, match="oh"):
        async with opened(sending(error=KeyError("oh"))):
            pass
    with pytest.raises(Unexpected, match=r"^the app ended without a response\nhttp /live: the app has ended\n"):
        async with opened(sending()):
            pass


async def silent(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.get_running_loop().create_future()


async def stalling(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await asyncio.get_running_loop().create_future()


@virtual_time
async def test_each_wait_has_a_deadline() -> None:
    with pytest.raises(Unexpected, match=r"^waited 0\.01 s for the response to begin\n"):
        async with opened(silent, deadline_s=0.01):
            pass
    with pytest.raises(Unexpected, match=r"^waited 0\.01 s for a chunk\n"):
        async with opened(stalling, deadline_s=0.01) as answer:
            assert [chunk async for chunk in answer] == []
    with pytest.raises(Unexpected, match=r"^waited 0\.01 s for the app to end\n"):
        async with opened(stalling, deadline_s=0.01):
            pass
