"""The Redis store without Redis: what it asks for, and what it makes of failures. A real one answers in tests/live/test_session_stores.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisDown

import shallot.sessions.redis as module
from shallot.errors import Unavailable
from shallot.sessions.record import Record, format_record, stored_name
from shallot.sessions.redis import redis_store

RECORD: Record = {"id": "k", "version": 1, "created": 2, "seen": 3, "data": {"user": "ann"}}
NAME = "session:" + stored_name("k")


class FakeRedis:
    """Answers from ``answers`` in order; an exception among them is raised. Notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: list[Any] = [True]
        self.is_closed = False

    async def _answer(self, *asked: Any) -> Any:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ping(self) -> Any:
        return self._answer("ping")

    def hget(self, name: str, field: str) -> Any:
        return self._answer("hget", name, field)

    def register_script(self, script: str) -> Any:
        kind = "write" if "HSET" in script else "take"
        return lambda keys, args=(): self._answer(kind, keys, args)

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRedis]:
    one = FakeRedis()
    monkeypatch.setattr(module.Redis, "from_pool", lambda pool: one)
    yield one


@pytest.mark.parametrize("options", [{"max_bytes": 1}, {"max_connections": 1}, {"timeout_s": 0.5}])
def test_the_least_that_may_be_asked_for(options: Any) -> None:
    assert redis_store("redis://localhost", **options).prefix == "session:"


async def test_what_is_asked(fake: FakeRedis) -> None:
    fake.answers += [1, 0, format_record(RECORD), None, format_record(RECORD), None, b"junk"]
    async with redis_store("redis://localhost") as store:
        assert await store.write(RECORD, 1.5) == "k"
        assert await store.write({**RECORD, "version": 3}, 0.0001) is None
        assert await store.read("k") == RECORD
        assert await store.read("k") is None
        assert await store.delete("k") == RECORD
        assert await store.delete("k") is None
        assert await store.read("k") is None
    assert fake.asked == [
        ("ping",),
        ("write", [NAME], [0, 1, format_record(RECORD), 1500]),
        ("write", [NAME], [2, 3, format_record({**RECORD, "version": 3}), 1]),
        ("hget", NAME, "record"),
        ("hget", NAME, "record"),
        ("take", [NAME], ()),
        ("take", [NAME], ()),
        ("hget", NAME, "record"),
    ]
    assert fake.is_closed


@pytest.mark.parametrize("failure", [RedisDown("gone"), OSError("gone"), TimeoutError()], ids=repr)
async def test_D11_a_failure_is_unavailable(fake: FakeRedis, failure: Exception) -> None:
    async with redis_store("redis://localhost") as store:
        for ask in (store.read("k"), store.write(RECORD, 1), store.delete("k")):
            fake.answers.append(failure)
            with pytest.raises(Unavailable, match=f"^redis_store: {type(failure).__name__}$"):
                await ask


async def test_start_fails_where_redis_does(fake: FakeRedis) -> None:
    fake.answers = [RedisDown("gone")]
    with pytest.raises(Unavailable, match="^redis_store: ConnectionError$"):
        async with redis_store("redis://localhost"):
            pass
    assert fake.is_closed


async def test_before_and_after_its_life(fake: FakeRedis) -> None:
    store = redis_store("redis://localhost")

    async def is_refused() -> None:
        for ask in (store.read("k"), store.write(RECORD, 1), store.delete("k")):
            with pytest.raises(RuntimeError, match="^redis_store: not open; give it to build_server"):
                await ask

    await is_refused()
    async with store:
        pass
    fake.answers = [True, None]
    async with store:
        assert await store.read("k") is None
    await is_refused()


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"max_connections": 0}, {"timeout_s": 0}])
def test_options_are_checked(options: Any) -> None:
    with pytest.raises(ValueError, match="^redis_store: max_bytes, max_connections and timeout_s must be above 0, not"):
        redis_store("redis://localhost", **options)


async def test_a_wrong_url_is_found(fake: FakeRedis) -> None:
    with pytest.raises(ValueError, match="scheme"):
        await redis_store("http://localhost").__aenter__()


def test_without_redis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "shallot.sessions.redis")
    with pytest.raises(ImportError, match=r"^redis_store needs redis: pip install 'shallot\[redis\]'$"):
        import shallot.sessions.redis  # noqa: F401
