"""The Redis store on a Redis of its own: what it keeps, what it does when Redis goes away, and two applications that share it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shallot import build_server, feed, standard_not_found, websocket, ws_send
from shallot.errors import Unavailable
from shallot.middlewares import apply_middleware, wrap_routes, wrap_session
from shallot.response import text
from shallot.sessions import redis_store, save_session, session_end
from shallot.sessions.record import Record, new_id
from shallot.testing import client, session_store_cases

from .brokers import Redis

pytestmark = pytest.mark.needs("redis-server")

CASES = session_store_cases()


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


def record(version: int = 1, of: str = "", **data: Any) -> Record:
    return {"id": of or new_id(), "version": version, "created": 0, "seen": 0, "data": data}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_conforms(redis: Redis, case: Any) -> None:
    async with redis_store(redis.url) as store:
        await case(store)


async def test_what_lies_in_redis(redis: Redis) -> None:
    async with redis_store(redis.url, prefix="mine:") as store:
        one = record(user="ann")
        await store.write(one, 100)
        names = [name async for name in store._client.scan_iter("mine:*")]
        assert len(names) == 1
        assert one["id"].encode() not in names[0]
        assert 99_000 < await store._client.pttl(names[0]) <= 100_000


async def test_a_hundred_at_once_share_few_connections(redis: Redis) -> None:
    async with redis_store(redis.url, max_connections=3) as store:
        keys = await asyncio.gather(*(store.write(record(n=n), 100) for n in range(100)))
        found = await asyncio.gather(*(store.read(str(key)) for key in keys))
        assert [one and one["data"]["n"] for one in found] == list(range(100))


async def test_D11_redis_goes_away_and_comes_back() -> None:
    with Redis() as redis:
        async with redis_store(redis.url, timeout_s=0.5) as store:
            key = str(await store.write(record(n=1), 100))
            redis.kill()
            for ask in (store.read(key), store.write(record(n=2), 100), store.delete(key)):
                with pytest.raises(Unavailable):
                    await ask
            redis.start()
            assert await store.read(key) is None
            assert await store.write(record(n=3), 100) is not None
            redis.freeze()
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                await store.read(key)
            assert time.monotonic() - begun < 10
            redis.thaw()


async def test_without_redis_the_app_does_not_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = redis_store(f"redis://127.0.0.1:{taken.getsockname()[1]}", timeout_s=0.5)
        with pytest.raises(Unavailable):
            await store.__aenter__()


async def login(request: Any) -> Any:
    return {**text("in"), "session": {"user": "ann"}}


async def logout(request: Any) -> Any:
    return {**text("out"), "session": None}


async def show(request: Any) -> Any:
    return text(str(dict(request["session"])))


@websocket
async def talk(scope: Any, receiver: Any) -> Any:
    yield feed("session", session_end(scope, every_s=0.2))
    scope["session"]["seat"] = 7
    yield save_session()
    yield ws_send("saved")
    async for message in receiver:
        yield ws_send(str(message))


def app(url: str) -> Any:
    store = redis_store(url)
    rows = [("/in", ["POST"], login), ("/out", ["POST"], logout), ("/", ["GET"], show), ("/ws", ["WS"], talk)]
    return build_server(apply_middleware(wrap_session(store), wrap_routes(rows))(standard_not_found), resources={"sessions": store})


async def test_H15_two_applications_share_sessions_and_their_end(redis: Redis) -> None:
    async with client(app(redis.url)) as one, client(app(redis.url)) as other:
        await one.post("/in")
        async with one.websocket("/ws") as ws:
            assert await ws.expect() == "saved"
            cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in one.cookies.items())}
            assert (await other.get("/", headers=cookie))["body"] == b"{'user': 'ann', 'seat': 7}"
            await other.post("/out", headers=cookie)
            assert await ws.expect_close() == {"code": 1008, "reason": "session ended"}
        assert (await one.get("/"))["body"] == b"{}"
