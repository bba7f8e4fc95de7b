"""shallot.channels.redis_wire without a Redis: who gets which answer, and what happens to all when the connection fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, MasterDownError, MovedError, NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as Gone

from shallot.channels import redis_wire
from shallot.channels.contract import LinkLost
from shallot.channels.redis_wire import Address, Wire
from shallot.errors import Unavailable
from shallot.testing.channels_aids import Recorder

from ..worlds import load_again


class FakeConnection:
    """Sends what it is given, and reads what is put into ``replies``: an exception is raised."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.sent: list[list[Any]] = []
        self.replies: asyncio.Queue[Any] = asyncio.Queue()
        self.ends: list[str] = []
        self._writer = SimpleNamespace(transport=SimpleNamespace(abort=lambda: self.ends.append("aborted")))

    async def connect(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def disconnect(self, nowait: bool) -> None:
        assert nowait
        self.ends.append("disconnected")

    def pack_command(self, *command: Any) -> list[Any]:
        return [command]

    async def send_packed_command(self, packed: list[Any], check_health: bool) -> None:
        assert not check_health
        self.sent.append(packed)

    async def read_response(self, *, disable_decoding: bool, disconnect_on_error: bool) -> Any:
        assert disable_decoding and not disconnect_on_error
        reply = await self.replies.get()
        if isinstance(reply, Exception):
            raise reply
        return reply


@asynccontextmanager
async def wired() -> AsyncGenerator[tuple[Wire, FakeConnection, Recorder, list[Any]], None]:
    connection, sink, heard = FakeConnection(), Recorder(), list[Any]()
    wire = Wire(connection, sink, lambda name, payload: heard.append((name, payload)))
    await wire.open()
    try:
        yield wire, connection, sink, heard
    finally:
        await wire.close()
    assert connection.ends == ["aborted", "disconnected"]


async def soon() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_asked_in_one_turn_leaves_in_one_write_and_is_answered_in_order() -> None:
    async with wired() as (wire, connection, sink, heard):
        one, other = wire.send(1, ("A", 1)), wire.send(2, ("B",), ("C",))
        await soon()
        assert connection.sent == [[("A", 1), ("B",), ("C",)]]
        for reply in (b"a", [b"message", b"name", b"payload"], [b"b"], [b"smessage", b"name", b"more"], None):
            connection.replies.put_nowait(reply)
        assert (await one, await other) == ([b"a"], [[b"b"], None])
        assert heard == [(b"name", b"payload"), (b"name", b"more")]
        assert await wire.ask() == []
    assert sink.losses == []


async def test_one_command_may_have_several_replies() -> None:
    async with wired() as (wire, connection, _, _):
        asked = wire.send(2, ("SUBSCRIBE", b"x", b"y"))
        connection.replies.put_nowait([b"subscribe", b"x", 1])
        await soon()
        assert not asked.done()
        connection.replies.put_nowait([b"subscribe", b"y", 2])
        assert len(await asked) == 2


async def test_who_went_away_does_not_shift_the_answers() -> None:
    async with wired() as (wire, connection, _, _):
        gone, stays = asyncio.create_task(wire.ask(("A",))), asyncio.create_task(wire.ask(("B",)))
        await soon()
        gone.cancel()
        connection.replies.put_nowait(b"a")
        connection.replies.put_nowait(b"b")
        assert await stays == [b"b"]
        assert gone.cancelled()


async def test_a_refusal_is_for_who_asked() -> None:
    async with wired() as (wire, connection, sink, _):
        one, other = wire.send(2, ("A",), ("B",)), wire.send(1, ("C",))
        for reply in (OutOfMemoryError("used memory > 'maxmemory'"), b"b", b"c"):
            connection.replies.put_nowait(reply)
        with pytest.raises(Unavailable, match="redis refuses: used memory > 'maxmemory'") as refusal:
            await one
        assert not isinstance(refusal.value, LinkLost)
        assert await other == [b"c"]
        assert sink.losses == []


async def test_a_cluster_that_redirects() -> None:
    async with wired() as (wire, connection, sink, _):
        connection.replies.put_nowait(MovedError("3999 10.0.0.6:6381"))
        with pytest.raises(Unavailable, match=r"^redis refuses: .*3999 10.0.0.6:6381 \(a cluster's redirections are not followed: put a proxy") as refusal:
            await wire.ask(("A",))
        assert not isinstance(refusal.value, LinkLost)
        assert sink.losses == []


@pytest.mark.parametrize(
    ("count", "reply", "message"),
    [
        (2, OutOfMemoryError("no"), "redis: no"),
        (1, NoScriptError("flushed"), "redis: flushed"),
        (1, ReadOnlyError("a replica"), "redis: a replica"),
        (1, ResponseError("Error running script: @user_script: 9: -READONLY You can't write"), "READONLY"),
        (1, MasterDownError("a replica without its master"), "redis: a replica without its master"),
        (1, Gone("closed by server"), "redis: closed by server"),
        (1, OSError("reset"), "redis: reset"),
    ],
    ids=["one refusal for several replies", "scripts flushed", "replica now", "replica now, as Redis 6 says it", "lonely replica", "connection lost", "reset"],
)
async def test_the_end_is_everybodys(count: int, reply: Exception, message: str) -> None:
    async with wired() as (wire, connection, sink, _):
        one, other = wire.send(count, ("A",)), wire.send(1, ("B",))
        gone = wire.send(1, ("C",))
        gone.cancel()
        connection.replies.put_nowait(reply)
        for asked in (one, other):
            with pytest.raises(LinkLost, match=message):
                await asked
        assert sink.losses == [reply]
        with pytest.raises(LinkLost, match=message):
            await wire.send(1, ("D",))


async def test_an_answer_that_nobody_asked_for_is_the_end() -> None:
    async with wired() as (wire, connection, sink, _):
        connection.replies.put_nowait([b"sunsubscribe", b"x", 0])
        await soon()
        assert "nobody asked for: [b'sunsubscribe'" in str(sink.losses[0])
        with pytest.raises(LinkLost):
            await wire.ask(("A",))


async def test_what_nobody_expected_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with wired() as (wire, connection, sink, _):
        connection.replies.put_nowait(ZeroDivisionError("a bug"))
        with pytest.raises(LinkLost, match="redis: a bug"):
            await wire.ask(("A",))
        assert [type(error) for error in sink.losses] == [ZeroDivisionError]
    (record,) = caplog.records
    assert (record.levelno, record.exc_info is not None) == (logging.ERROR, True)


async def test_a_write_that_fails_is_the_end() -> None:
    async with wired() as (wire, connection, sink, _):

        async def fail(packed: Any, check_health: bool) -> None:
            raise Gone("broken pipe")

        connection.send_packed_command = fail  # type: ignore[method-assign]  # a connection that breaks while it writes
        with pytest.raises(LinkLost, match="broken pipe"):
            await wire.ask(("A",))
        assert len(sink.losses) == 1


async def test_closing_is_no_loss_but_answers_nobody() -> None:
    async with wired() as (wire, _, sink, _):
        asked = wire.send(1, ("A",))
    with pytest.raises(LinkLost, match="closed"):
        await asked
    assert sink.losses == []


@pytest.mark.parametrize("failure", [Gone("refused"), AuthenticationError("wrong password"), OSError("no route")], ids=str)
async def test_not_connected(failure: Exception) -> None:
    connection = FakeConnection(failure)
    wire = Wire(connection, Recorder(), lambda name, payload: None)
    with pytest.raises(LinkLost, match=f"redis: {failure}"):
        await wire.open()
    await wire.close()
    assert connection.ends == ["disconnected"]


# ---- the address


@pytest.mark.parametrize(
    ("url", "database"), [("redis://localhost", 0), ("redis://localhost/7", 7), ("rediss://u:p@host:1/2", 2), ("unix:///run/redis?db=3", 3)]
)
def test_databases(url: str, database: int) -> None:
    assert Address(url).database == database


def test_deadlines_and_retries_are_the_cores() -> None:
    connection = Address("redis://localhost?socket_timeout=7&retry_on_timeout=yes&health_check_interval=9&protocol=3&decode_responses=yes").connection()
    assert (connection.socket_timeout, connection.retry_on_timeout, connection.health_check_interval, connection.protocol) == (None, False, 0, 2)
    assert connection.retry.get_retries() == 0
    assert connection.encoder.decode_responses is False


def test_a_url_of_something_else() -> None:
    with pytest.raises(ValueError, match="redis://"):
        Address("http://localhost")


def test_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"pip install 'shallot\[redis\]'"):
        load_again(monkeypatch, redis_wire, {"redis.asyncio.connection": None})
