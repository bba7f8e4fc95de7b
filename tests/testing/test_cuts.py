"""``cut_everywhere``: clean handlers pass at every step, and each seeded leak is found and named."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shallot import WSDisconnect, after, every, feed, websocket, ws_close, ws_send
from shallot.response import text, ws_accept
from shallot.testing import Unexpected, cut_everywhere

SCENARIO: Any = [("->", "hi"), ("<-", "hi"), ("->", b"\0"), ("<-", b"\0")]
tasks: list[asyncio.Task[Any]] = []


@websocket
async def echo(scope, receiver):
    async for message in receiver:
        yield ws_send(message)


async def numbers():
    try:
        for number in range(1000):
            yield number
            await asyncio.sleep(1)
    finally:
        await asyncio.sleep(0)


@websocket
async def busy(scope, receiver):
    yield every(1, "tick")
    yield after(2, "once")
    yield feed("numbers", numbers())
    async for message in receiver:
        match message:
            case {"type": "timer.fired", "name": name}:
                yield ws_send(name)
            case {"type": "feed.item", "data": data} if data == 3:
                yield ws_close(4000)
            case str(text):
                await asyncio.sleep(1)
                yield ws_send(text)


@websocket
async def ticker(scope, receiver):
    while True:
        yield ws_send("tick")
        await asyncio.sleep(1)


async def door(scope):
    await asyncio.sleep(1)
    return ws_accept() if scope.get("invited") else text("no", 401)


async def gone(scope):
    await asyncio.sleep(0)


@websocket(on_connect=door, on_disconnect=gone, on_close=gone)
async def guarded(scope, receiver, room):
    async for _ in receiver:
        yield ws_send(room)


@pytest.mark.parametrize(
    "handler, scenario, options",
    [
        (echo, [], {}),
        (echo, SCENARIO, {}),
        (echo, [("->", "hi"), ("->", ws_close(4000))], {}),
        (echo, [("->", {"a": 1}), (3, "<-", {"a": 1})], {"query": {"a": "1"}, "cookies": {"a": "1"}, "headers": {"x-a": "1"}, "subprotocols": ["v1"]}),
        (busy, [("->", "a"), ("<-", "tick"), ("<-", "once"), ("<-", "tick")], {}),
        (busy, [("<-", ws_close(4000))], {}),
        (ticker, [("<-", "tick"), (3, "<-", "tick")], {}),
        (guarded, [("->", "a"), ("<-", "lobby")], {"params": ["lobby"], "keys": {"invited": True}}),
        (guarded, [("<-", 401)], {"params": ["lobby"]}),
    ],
    ids=["nothing", "echo", "their close", "handshake", "busy", "our close", "send-only", "guarded", "denied"],
)
def test_good_handlers(handler: Any, scenario: Any, options: Any) -> None:
    cuts = cut_everywhere(handler, scenario, **options)
    assert all(cut["found"] == [] for cut in cuts)
    assert len({(cut["at"], cut["how"]) for cut in cuts}) == len(cuts) > 10


def test_every_kind_of_step_is_cut() -> None:
    at = {cut["at"].split()[0] for cut in cut_everywhere(busy, [("->", "a"), ("<-", "a")])}
    assert at == {"receive", "send", "yield", "wait"}


# ---- seeded leaks


@websocket
async def leaves_a_task(scope, receiver):
    task = asyncio.get_running_loop().create_task(asyncio.sleep(10**6))
    async for message in receiver:
        yield ws_send(message)
        task.cancel()


@websocket
async def leaves_a_generator(scope, receiver):
    forgotten = numbers()
    await anext(forgotten)
    scope["kept"] = forgotten
    tasks.append(forgotten)  # type: ignore[arg-type]
    async for message in receiver:
        yield ws_send(message)


@websocket
async def leaves_a_timer(scope, receiver):
    asyncio.get_running_loop().call_later(10**6, print)
    async for message in receiver:
        yield ws_send(message)


@websocket
async def swallows(scope, receiver):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
    yield


@websocket
async def says_goodbye(scope, receiver):
    try:
        async for message in receiver:
            yield ws_send(message)
    finally:
        yield ws_send("bye")


@websocket
async def fails_at_the_end(scope, receiver):
    try:
        async for message in receiver:
            yield ws_send(message)
    finally:
        raise KeyError("mine")


class Odd(BaseException):
    """Neither an ``Exception`` nor a cancellation."""


@websocket
async def raises_oddly(scope, receiver):
    raise Odd
    yield


async def hangs(scope):
    await asyncio.sleep(10**6)


@websocket(on_close=hangs)
async def hangs_at_the_end(scope, receiver):
    async for message in receiver:
        yield ws_send(message)


@websocket
async def cancels_its_task_when_the_client_leaves(scope, receiver):
    task = asyncio.get_running_loop().create_task(asyncio.sleep(10**6))
    try:
        async for message in receiver:
            yield ws_send(message)
    except WSDisconnect:
        task.cancel()


async def swallows_at_the_door(scope):
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        return text("no", 503)
    return ws_accept()


@websocket(on_connect=swallows_at_the_door)
async def cannot_be_cancelled_at_the_door(scope, receiver):
    async for message in receiver:
        yield ws_send(message)


@pytest.mark.leaks
@pytest.mark.parametrize(
    "handler, found",
    [
        (leaves_a_task, "task left: sleep"),
        (leaves_a_generator, "generator not closed: numbers"),
        (leaves_a_timer, "timer left: print"),
        (swallows, "still runs"),
        (says_goodbye, "the conversation failed (EffectRefused"),
        (fails_at_the_end, "KeyError('mine')"),
        (raises_oddly, "it raised Odd()"),
        (hangs_at_the_end, "could not end whole (DeadlinePassed"),
        # by one of the ends alone
        (cancels_its_task_when_the_client_leaves, "ends were not clean:\n  receive 1, the server cancels: task left: sleep"),
        (cannot_be_cancelled_at_the_door, "wait 0, the server cancels: the server's cancellation was swallowed"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_seeded_leaks_are_found(handler: Any, found: str) -> None:
    with pytest.raises(Unexpected) as caught:
        cut_everywhere(handler, [("->", "hi")])
    tasks.clear()
    assert found in str(caught.value)


def test_a_start_that_fails() -> None:
    def broken(config):
        raise KeyError("no database")

    with pytest.raises(Unexpected, match="no database"):
        cut_everywhere(echo, [], server={"resources": {"db": broken}})


def test_a_row_that_never_comes() -> None:
    with pytest.raises(Unexpected, match="for 'other'"):
        cut_everywhere(echo, [("<-", "other")])


def test_what_a_resource_keeps_by_right() -> None:
    @asynccontextmanager
    async def pool(config):
        yield None

    @websocket
    async def keeps(scope, receiver):
        asyncio.get_running_loop().call_later(10**6, print)
        async for message in receiver:
            yield ws_send(message)

    cut_everywhere(keeps, [("->", "hi")], allow=["pri*"], server={"resources": {"pool": pool}})


def test_only_conversations() -> None:
    with pytest.raises(TypeError, match="@websocket"):
        cut_everywhere(numbers, [])


def test_a_scenario_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="shorter"):
        cut_everywhere(echo, [("->", "a"), ("<-", "a")] * 600)
