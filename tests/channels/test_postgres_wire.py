"""shallot.channels.postgres_wire without a PostgreSQL: one thing at a time, in order, and an answer for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from shallot.channels import postgres_wire
from shallot.channels.contract import LinkLost
from shallot.channels.postgres_wire import Desk, failure
from shallot.errors import Unavailable
from shallot.testing.channels_aids import Recorder

from ..worlds import load_again


class FakeConnection:
    """Gives ``results`` one after the other, each when the gate is open: an exception is raised. ``log`` is what was done."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.log: list[Any] = []
        self.ended: Any = None

    def add_termination_listener(self, ended: Any) -> None:
        self.ended = ended

    async def fetch(self, *words: object) -> Any:
        self.log.append(words)
        await self.gate.wait()
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def terminate(self) -> None:
        self.log.append("terminated")
        self.results = [asyncpg.InterfaceError("connection is closed")] * 9
        self.gate.set()
        self.ended(self)


@asynccontextmanager
async def seated(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[tuple[Desk, FakeConnection, Recorder], None]:
    connection, sink = FakeConnection(), Recorder()

    async def connect(url: str, **options: Any) -> Any:
        assert (url, options["target_session_attrs"], options["timeout"]) == ("url", "primary", 5.0)
        return connection

    monkeypatch.setattr(postgres_wire, "connect", connect)
    desk = Desk(sink)
    await desk.open("url")
    try:
        yield desk, connection, sink
    finally:
        await desk.close()
    assert "terminated" in connection.log


async def test_one_thing_at_a_time_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with seated(monkeypatch) as (desk, connection, sink):
        connection.results = [[1], [2]]
        connection.gate.clear()
        works = [asyncio.create_task(desk.fetch("SELECT $1", number)) for number in (1, 2)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert connection.log == [("SELECT $1", 1)]
        connection.gate.set()
        assert await asyncio.gather(*works) == [[1], [2]]
        assert sink.losses == []


async def test_who_asks_and_goes_cancels_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with seated(monkeypatch) as (desk, connection, _):
        connection.results = [[1], OSError("2"), [3]]
        works = [asyncio.create_task(desk.fetch(str(number))) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        works[0].cancel()
        works[1].cancel()
        assert await works[2] == [3]
        assert connection.log == [("1",), ("2",), ("3",)]


async def test_an_error_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with seated(monkeypatch) as (desk, connection, sink):
        connection.results = [asyncpg.DeadlockDetectedError("dead"), asyncpg.DiskFullError("full"), KeyError("?"), [4]]
        with pytest.raises(LinkLost, match="dead"):
            await desk.fetch("")
        with pytest.raises(Unavailable, match="full") as refusal:
            await desk.fetch("")
        assert not isinstance(refusal.value, LinkLost)
        with pytest.raises(LinkLost, match="KeyError"):
            await desk.fetch("")
        unseen = desk.use(lambda connection: connection.fetch("4"))
        assert await unseen == [4]
        connection.results = [OSError("nobody sees it")]
        desk.use(lambda connection: connection.fetch("5"))
        with pytest.raises(LinkLost):
            await desk.fetch("6")
        assert sink.losses == []


async def test_the_end_answers_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with seated(monkeypatch) as (desk, connection, sink):
        connection.gate.clear()
        works = [asyncio.create_task(desk.fetch(str(number))) for number in range(3)]
        await asyncio.sleep(0)
    done, _ = await asyncio.wait(works, timeout=1)
    assert [type(work.exception()) for work in done] == [LinkLost] * 3
    assert [type(loss) for loss in sink.losses] == [LinkLost]


@pytest.mark.parametrize("error", [OSError("refused"), asyncpg.InvalidPasswordError("wrong"), TimeoutError(), asyncpg.InterfaceError("no")])
async def test_nobody_there(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def connect(url: str, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(postgres_wire, "connect", connect)
    desk = Desk(Recorder())
    with pytest.raises(LinkLost, match="postgres: ") as lost:
        await desk.open("url")
    assert lost.value.__cause__ is error
    await desk.close()


def test_failures() -> None:
    for error in (asyncpg.TooManyConnectionsError("many"), asyncpg.InsufficientPrivilegeError("not you"), asyncpg.ProgramLimitExceededError("queue")):
        assert (type(failure(error)), failure(error).__cause__) == (Unavailable, error)
    assert type(failure(asyncpg.ReadOnlySQLTransactionError("standby"))) is LinkLost


def test_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"pip install 'shallot\[postgres\]'"):
        load_again(monkeypatch, postgres_wire, {"asyncpg": None})
