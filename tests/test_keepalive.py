from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count, takewhile
from typing import Any

import pytest

from shallot.keepalive import KeptAlive
from shallot.testing import VirtualLoop, virtual_time

SIGN = b":"


def kept(items: Any, seconds: float | None = 0.01) -> KeptAlive[str]:
    return KeptAlive(items, str.encode, SIGN, seconds)


def now() -> float:
    return asyncio.get_running_loop().time()


async def turn(seconds: float = 0.004) -> None:
    """A turn of the loop that takes its time: its clock is put forward by hand, for it does not wait."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.jump(seconds)
    await asyncio.sleep(0)


async def of(*items: str) -> AsyncIterator[str]:
    for item in items:
        yield item


@pytest.mark.parametrize("seconds", [None, 60])
async def test_items_that_are_there(seconds: float | None) -> None:
    stream = kept(of("a", "b"), seconds)
    assert [chunk async for chunk in stream] == [SIGN, b"a", b"b"]
    await stream.aclose()


class Waiting:
    """An iterator that waits for one event after another, and tells how it ended."""

    def __init__(self) -> None:
        self.go, self.ended = asyncio.Event(), ""

    async def items(self) -> AsyncIterator[str]:
        try:
            while True:
                await self.go.wait()
                self.go.clear()
                await asyncio.sleep(0)
                yield "item"
        except BaseException as error:
            self.ended = type(error).__name__
            raise
        finally:
            await asyncio.sleep(0)  # an end may wait


@virtual_time
async def test_signs_while_nothing_comes_and_nothing_is_lost() -> None:
    waiting, began = Waiting(), now()
    stream = kept(waiting.items())
    assert [(await anext(stream), round(now() - began, 6)) for _ in range(4)] == [(SIGN, 0), (SIGN, 0.01), (SIGN, 0.02), (SIGN, 0.03)]
    waiting.go.set()
    assert await anext(stream) == b"item"
    assert await anext(stream) == SIGN
    await stream.aclose()
    await stream.aclose()
    assert waiting.ended == "CancelledError"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@virtual_time
async def test_a_step_of_many_waits_is_signed_by_the_time_of_all() -> None:
    async def slow() -> AsyncIterator[str]:
        for _ in range(40):
            await asyncio.sleep(0.5)
        yield "late"

    assert [chunk async for chunk in kept(slow(), 3)] == [SIGN] * 7 + [b"late"]


@virtual_time
async def test_turns_of_the_loop_are_waits_too() -> None:
    turning = True

    async def busy() -> AsyncIterator[str]:
        for _ in takewhile(lambda _: turning, count()):
            await turn()
        yield "done"

    stream = kept(busy())
    assert [await anext(stream) for _ in range(3)] == [SIGN] * 3
    turning = False
    assert await anext(stream) == b"done"
    await stream.aclose()


@pytest.mark.parametrize("begun", [False, True])
async def test_aclose_reaches_the_items(begun: bool) -> None:
    closed = []

    class Items(AsyncIterator[str]):
        async def __anext__(self) -> str:
            return "a"

        async def aclose(self) -> None:
            closed.append(True)

    stream = kept(Items())
    if begun:
        assert [await anext(stream), await anext(stream)] == [SIGN, b"a"]
    await stream.aclose()
    assert closed == [True]


async def test_items_that_cannot_be_closed() -> None:
    class Items(AsyncIterator[str]):
        async def __anext__(self) -> str:
            raise StopAsyncIteration

    stream = kept(Items())
    assert [chunk async for chunk in stream] == [SIGN]
    await stream.aclose()


async def test_an_error_of_the_items_leaves() -> None:
    async def failing() -> AsyncIterator[str]:
        yield "a"
        await asyncio.sleep(0)
        raise LookupError("planted")

    stream = kept(failing())
    assert [await anext(stream), await anext(stream)] == [SIGN, b"a"]
    with pytest.raises(LookupError, match="planted"):
        await anext(stream)
    await stream.aclose()


# ---- cancellation: the items see what they would see without anything between


async def cancelled_while_waiting(items: Callable[[], AsyncIterator[str]], seconds: float = 60) -> list[str]:
    """What a consumer hears, and at last what becomes of it, that is cancelled while the items wait."""
    stream, began, heard = kept(items(), seconds), asyncio.Event(), list[str]()

    async def consume() -> None:
        try:
            async for chunk in stream:
                heard.append(chunk.decode())
                began.set()
        finally:
            await stream.aclose()

    task = asyncio.create_task(consume())
    await began.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done
    return [*heard, "cancelled" if task.cancelled() else "ended"]


CANCELLED = [SIGN.decode(), "cancelled"]


async def test_a_cancellation_reaches_the_items_and_leaves() -> None:
    waiting = Waiting()
    assert (await cancelled_while_waiting(waiting.items), waiting.ended) == (CANCELLED, "CancelledError")


async def test_a_cancellation_may_be_answered_by_the_items() -> None:
    async def stubborn() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "no"

    assert await cancelled_while_waiting(stubborn) == [SIGN.decode(), "no", "ended"]


async def test_a_cancellation_during_a_turn_of_the_loop() -> None:
    seen = []

    async def busy() -> AsyncIterator[str]:
        try:
            for _ in count():
                await asyncio.sleep(0)
        finally:
            seen.append("finally")
        yield ""

    assert (await cancelled_while_waiting(busy), seen) == (CANCELLED, ["finally"])


@pytest.mark.parametrize("seconds", [60, 0.02], ids=["long-before-a-sign", "when-signs-would-be-due"])
@virtual_time
async def test_a_cancellation_waits_for_a_task_that_the_items_wait_for_and_nothing_is_said(seconds: float) -> None:
    seen = []

    async def inner() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            seen.append("inner ended")

    async def items() -> AsyncIterator[str]:
        try:
            await asyncio.create_task(inner())
        finally:
            seen.append("finally")
        yield ""

    assert (await cancelled_while_waiting(items, seconds), seen) == (CANCELLED, ["inner ended", "finally"])


@virtual_time
async def test_a_deadline_of_the_items_is_theirs() -> None:
    async def items() -> AsyncIterator[str]:
        try:
            async with asyncio.timeout(0.025):
                await asyncio.Event().wait()
        except TimeoutError:
            yield "timed out"

    assert [chunk async for chunk in kept(items())] == [SIGN, SIGN, SIGN, b"timed out"]


@virtual_time
async def test_aclose_during_a_turn_of_the_loop() -> None:
    seen = []

    async def busy() -> AsyncIterator[str]:
        try:
            for _ in count():
                await turn()
        finally:
            await asyncio.sleep(0)
            seen.append("finally")
        yield ""

    stream = kept(busy())
    assert [await anext(stream), await anext(stream)] == [SIGN, SIGN]
    await stream.aclose()
    assert seen == ["finally"]


@pytest.mark.parametrize("answer", ["yields on", "ends"])
@virtual_time
async def test_aclose_of_items_that_answer_the_cancellation(answer: str) -> None:
    async def stubborn() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if answer == "yields on":
                yield "one more"

    stream = kept(stubborn())
    assert [await anext(stream), await anext(stream)] == [SIGN, SIGN]
    await stream.aclose()


@virtual_time
async def test_a_cancellation_of_who_closes_leaves() -> None:
    closing = asyncio.Event()

    async def slow_to_end() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
        finally:
            closing.set()
            await asyncio.Event().wait()
        yield ""

    stream = kept(slow_to_end())

    async def consume() -> None:
        assert [await anext(stream), await anext(stream)] == [SIGN, SIGN]
        await stream.aclose()

    task = asyncio.create_task(consume())
    await asyncio.wait_for(closing.wait(), 10)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


async def test_a_future_that_was_done_before_the_cancellation_came() -> None:
    """Then the cancellation is thrown in where the items go on, as a task does it."""
    loop, future, seen = asyncio.get_running_loop(), asyncio.get_running_loop().create_future(), []

    async def items() -> AsyncIterator[str]:
        try:
            await future
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        yield ""

    stream = kept(items(), 60)
    assert await anext(stream) == SIGN
    task = asyncio.create_task(anext_of(stream))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    loop.call_soon(future.set_result, None)
    loop.call_soon(task.cancel)
    await asyncio.wait([task], timeout=10)
    await stream.aclose()
    assert (task.cancelled(), seen) == (True, ["cancelled"])


async def anext_of(stream: AsyncIterator[bytes]) -> bytes:
    return await anext(stream)
