from __future__ import annotations

import asyncio
import inspect
import socket
from time import monotonic

import pytest

from shallot.testing import VirtualLoop, virtual_time


@virtual_time
async def test_hours_pass_in_no_time() -> None:
    loop, began = asyncio.get_running_loop(), monotonic()
    now = loop.time()
    await asyncio.sleep(3600)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(600):
            await loop.create_future()
    assert loop.time() - now == pytest.approx(4200)
    assert monotonic() - began < 60


@virtual_time
async def test_timers_fire_in_their_order() -> None:
    fired: list[str] = []
    loop = asyncio.get_running_loop()
    for delay, name in ((2, "late"), (1, "early"), (1.5, "between")):
        loop.call_later(delay, fired.append, name)
    await asyncio.sleep(1.7)
    assert fired == ["early", "between"]


@virtual_time
async def test_the_clock_stands_while_something_can_be_done() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    for _ in range(100):
        await asyncio.sleep(0)
    assert isinstance(loop, VirtualLoop)
    assert loop.time() == loop.now == before


@virtual_time
async def test_what_a_socket_brought_is_read_before_the_clock_moves() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.send(b"x")
        before = loop.time()
        assert await asyncio.wait_for(loop.sock_recv(ours, 1), 60) == b"x"
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(ours, lambda: readable.done() or readable.set_result(None))
        theirs.send(b"y")
        await asyncio.wait_for(readable, 60)
        loop.remove_reader(ours)
        assert loop.time() == before


@pytest.mark.parametrize("number", [1, 2])
@virtual_time
async def test_arguments_are_handed_on(number: int) -> None:
    assert number in (1, 2)


def test_it_becomes_an_ordinary_function_of_the_same_name() -> None:
    assert not inspect.iscoroutinefunction(test_timers_fire_in_their_order)
    assert test_timers_fire_in_their_order.__name__ == "test_timers_fire_in_their_order"


def test_where_nothing_can_ever_happen_it_says_so() -> None:
    @virtual_time
    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match=r"^virtual time: every task waits and no timer is set"):
        stuck()


def test_a_task_left_running_fails() -> None:
    @virtual_time
    async def careless() -> None:
        asyncio.get_running_loop().create_task(asyncio.sleep(1), name="left over")

    with pytest.raises(RuntimeError, match=r"^tasks left running: .*left over"):
        careless()


def test_a_task_that_is_just_ending_is_none() -> None:
    @virtual_time
    async def careful() -> None:
        asyncio.get_running_loop().create_task(asyncio.sleep(3600)).cancel()

    careful()
