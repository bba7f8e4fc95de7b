"""The faults themselves: each does what it says, or the tests that stand on them prove nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from .brokers import Redis
from .faults import Ending, Proxy

SOON_S = 5.0
NEVER_S = 0.15


@asynccontextmanager
async def echo() -> AsyncGenerator[tuple[int, list[bytes]], None]:
    """A broker that says again what it hears, and remembers it."""
    heard: list[bytes] = []
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(cast("asyncio.Task[Any]", asyncio.current_task()))
        with suppress(OSError):
            while data := await reader.read(65_536):
                heard.append(data)
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        if serving:
            await asyncio.wait(serving)


@asynccontextmanager
async def line() -> AsyncGenerator[tuple[Proxy, list[bytes]], None]:
    async with echo() as (port, heard), Proxy(port) as proxy:
        yield proxy, heard


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def said(reader: asyncio.StreamReader, expected: bytes, seconds: float = SOON_S) -> None:
    async with asyncio.timeout(seconds):
        assert await reader.readexactly(len(expected)) == expected


async def nothing(reader: asyncio.StreamReader) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(NEVER_S):
            await reader.read(1)


async def test_passes_on() -> None:
    async with line() as (proxy, _):
        async with connected(proxy) as (reader, writer):
            writer.write(b"hello")
            await said(reader, b"hello")
            writer.write(big := b"x" * 3_000_000)
            await said(reader, big)
        assert proxy.connections == 1


@pytest.mark.parametrize("how", ["cut", "reset"])
async def test_ends_all_connections_and_takes_new_ones(how: str) -> None:
    async with line() as (proxy, _):
        async with connected(proxy) as (one, writer), connected(proxy) as (other, _):
            writer.write(b"hello")
            await said(one, b"hello")
            getattr(proxy, how)()
            for reader in (one, other):
                async with asyncio.timeout(SOON_S):
                    if how == "cut":
                        assert await reader.read() == b""
                    else:
                        with pytest.raises(ConnectionResetError):
                            await reader.read()
        async with connected(proxy) as (reader, writer):
            writer.write(b"again")
            await said(reader, b"again")


async def test_frozen_nothing_arrives_until_it_thaws() -> None:
    async with line() as (proxy, heard):
        async with connected(proxy) as (reader, writer):
            writer.write(b"1")
            await said(reader, b"1")
            proxy.freeze()
            writer.write(b"2")
            async with connected(proxy) as (fresh, to_fresh):
                to_fresh.write(b"3")
                await nothing(reader)
                await nothing(fresh)
                assert heard == [b"1"]
                proxy.thaw()
                await said(reader, b"2")
                await said(fresh, b"3")


async def test_frozen_answers_are_answers_to_what_was_heard() -> None:
    async with line() as (proxy, heard):
        async with connected(proxy) as (reader, writer):
            proxy.freeze("answers")
            writer.write(b"do it")
            await nothing(reader)
            assert heard == [b"do it"]
            proxy.thaw()
            await said(reader, b"do it")


async def test_delay() -> None:
    async with line() as (proxy, _):
        proxy.delay_s = 0.1
        async with connected(proxy) as (reader, writer):
            begun = asyncio.get_running_loop().time()
            writer.write(b"late")
            await said(reader, b"late")
            assert asyncio.get_running_loop().time() - begun >= 0.2


async def test_drip() -> None:
    async with line() as (proxy, heard):
        proxy.drip = 2
        async with connected(proxy) as (reader, writer):
            writer.write(b"12345")
            await said(reader, b"12345")
        assert max(map(len, heard)) <= 4
        assert len(heard) > 1


@pytest.mark.parametrize("how", ["cut", "reset"])
async def test_a_connection_ends_by_itself_after_so_many_bytes(how: Literal["cut", "reset"]) -> None:
    async with line() as (proxy, heard):
        proxy.ending = lambda: Ending(5, how)
        for _ in range(2):
            async with connected(proxy) as (reader, writer):
                writer.write(b"1234")
                await said(reader, b"1234")
                writer.write(b"5678")
                got = b""
                with suppress(ConnectionResetError) if how == "reset" else nullcontext():
                    async with asyncio.timeout(SOON_S):
                        while piece := await reader.read(100):
                            got += piece
                    assert how == "cut"
                assert got in ((b"5",) if how == "cut" else (b"", b"5"))
                assert heard[-2:] == [b"1234", b"5678"]


async def test_a_stalled_connection_hears_and_says_nothing() -> None:
    async with line() as (proxy, heard):
        proxy.ending = lambda: Ending(2, "stall")
        async with connected(proxy) as (reader, writer):
            writer.write(b"1234")
            await said(reader, b"12")
            writer.write(b"5678")
            await nothing(reader)
            assert heard == [b"1234", b"5678"]


async def test_refuses_and_accepts() -> None:
    async with line() as (proxy, _):
        async with connected(proxy) as (reader, writer):
            await proxy.refuse()
            with pytest.raises(OSError):
                async with connected(proxy):
                    pass
            writer.write(b"still")
            await said(reader, b"still")
            await proxy.accept()
            async with connected(proxy) as (fresh, to_fresh):
                to_fresh.write(b"new")
                await said(fresh, b"new")


async def test_a_broker_that_is_away_ends_the_connection() -> None:
    async with line() as (proxy, _):
        proxy.behind = 1
        async with connected(proxy) as (reader, _), asyncio.timeout(SOON_S):
            assert await reader.read() == b""


# ---- brokers


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize("durable", [True, False])
def test_a_killed_broker_starts_with_what_is_durable(durable: bool) -> None:
    with Redis(durable=durable) as redis:
        assert redis.say("SET a 1").startswith("+OK")
        redis.kill()
        assert not redis.is_ready()
        redis.start()
        assert redis.say("GET a") == ("$1\r\n1\r\n" if durable else "$-1\r\n")
        folder = redis.folder
    assert not folder.exists()


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize("durable", [True, False])
def test_a_restored_broker_has_forgotten_what_came_after(durable: bool) -> None:
    with Redis(durable=durable) as redis:
        redis.say("SET a 1")
        redis.save()
        redis.say("SET a 2")
        redis.restore()
        assert redis.say("GET a") == "$1\r\n1\r\n"


@pytest.mark.needs("redis-server")
def test_a_frozen_broker_answers_when_it_thaws() -> None:
    with Redis() as redis:
        assert redis._process is not None
        redis.freeze()
        try:
            _, status = os.waitpid(redis._process.pid, os.WUNTRACED)
            assert os.WSTOPSIG(status) == signal.SIGSTOP
        finally:
            redis.thaw()
        assert redis.say("PING") == "+PONG\r\n"


@pytest.mark.needs("redis-server")
def test_a_broker_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="redis-server does not answer; its log ends:\n[^$]*nonsense"):
        Redis("--nonsense", "1").__enter__()


@pytest.mark.needs("redis-server")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_a_broker_has_no_rights() -> None:
    with Redis() as redis:
        assert redis._process is not None
        status = Path(f"/proc/{redis._process.pid}/status").read_text()
        assert "\nUid:\t65534\t65534" in status
