from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count, takewhile
from typing import Any

import pytest

from shallot.keepalive import KeptAlive

SIGN = b":"


def kept(items: Any, seconds: float | None = 0.01) -> KeptAlive[str]:
    return KeptAlive(items, str.encode, SIGN, seconds)


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


async def test_signs_while_nothing_comes_and_nothing_is_lost() -> None:
    waiting = Waiting()
    stream = kept(waiting.items())
    assert [await anext(stream) for _ in range(4)] == [SIGN] * 4
    waiting.go.set()
    assert await anext(stream) == b"item"
    assert await anext(stream) == SIGN
    await stream.aclose()
    await stream.aclose()
    assert waiting.ended == "CancelledError"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_step_of_many_waits_is_signed_by_the_time_of_all() -> None:
    async def slow() -> AsyncIterator[str]:
        for _ in range(40):
            await asyncio.sleep(0.005)
        yield "late"

    chunks = [chunk async for chunk in kept(slow(), 0.05)]
    assert chunks[-1] == b"late"
    assert 2 < len(chunks) < 12


async def test_turns_of_the_loop_are_waits_too() -> None:
    turning = True

    async def busy() -> AsyncIterator[str]:
        for _ in takewhile(lambda _: turning, count()):
            await asyncio.sleep(0)
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


async def cancelled_while_waiting(items: Callable[[], AsyncIterator[str]]) -> str:
    """What becomes of a consumer that is cancelled while the items wait."""
    stream, began = kept(items(), 60), asyncio.Event()

    async def consume() -> str:
        assert await anext(stream) == SIGN
        began.set()
        try:
            return (await anext(stream)).decode()
        finally:
            await stream.aclose()

    task = asyncio.create_task(consume())
    await began.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done
    return "cancelled" if task.cancelled() else task.result()


async def test_a_cancellation_reaches_the_items_and_leaves() -> None:
    waiting = Waiting()
    assert (await cancelled_while_waiting(waiting.items), waiting.ended) == ("cancelled", "CancelledError")


async def test_a_cancellation_may_be_answered_by_the_items() -> None:
    async def stubborn() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "no"

    assert await cancelled_while_waiting(stubborn) == "no"


async def test_a_cancellation_during_a_turn_of_the_loop() -> None:
    seen = []

    async def busy() -> AsyncIterator[str]:
        try:
            for _ in count():
                await asyncio.sleep(0)
        finally:
            seen.append("finally")
        yield ""

    assert (await cancelled_while_waiting(busy), seen) == ("cancelled", ["finally"])


async def test_a_cancellation_waits_for_a_task_that_the_items_wait_for() -> None:
    seen = []

    async def inner() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            seen.append("inner ended")

    async def items() -> AsyncIterator[str]:
        try:
            await asyncio.create_task(inner())
        finally:
            seen.append("finally")
        yield ""

    assert (await cancelled_while_waiting(items), seen) == ("cancelled", ["inner ended", "finally"])


async def test_nothing_is_said_between_a_cancellation_and_its_end() -> None:
    seen = []

    async def inner() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            seen.append("inner ended")

    async def items() -> AsyncIterator[str]:
        await asyncio.create_task(inner())
        yield ""

    stream, began, signs = kept(items(), 0.02), asyncio.Event(), list[bytes]()

    async def consume() -> None:
        try:
            async for chunk in stream:
                signs.append(chunk)
                began.set()
        finally:
            await stream.aclose()

    task = asyncio.create_task(consume())
    await began.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert (task.cancelled(), seen, signs) == (True, ["inner ended"], [SIGN])


async def test_a_deadline_of_the_items_is_theirs() -> None:
    async def items() -> AsyncIterator[str]:
        try:
            async with asyncio.timeout(0.03):
                await asyncio.Event().wait()
        except TimeoutError:
            yield "timed out"

    chunks = [chunk async for chunk in kept(items())]
    assert (chunks[-1], set(chunks)) == (b"timed out", {SIGN, b"timed out"})


async def test_aclose_during_a_turn_of_the_loop() -> None:
    seen = []

    async def busy() -> AsyncIterator[str]:
        try:
            for _ in count():
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            seen.append("finally")
        yield ""

    stream = kept(busy())
    assert [await anext(stream), await anext(stream)] == [SIGN, SIGN]
    await stream.aclose()
    assert seen == ["finally"]


@pytest.mark.parametrize("answer", ["yields on", "ends"])
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
