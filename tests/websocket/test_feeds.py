from __future__ import annotations

import asyncio

import pytest

from shallot.effects import feed, unfeed
from shallot.websocket.feeds import FEED_AHEAD, FEED_EFFECTS
from shallot.websocket.mailbox import ClientQueue, SharedMailbox


def a_mailbox() -> SharedMailbox:
    return SharedMailbox(ClientQueue(8, 100), on_open=lambda: None)


async def do(mailbox, effect):
    return await FEED_EFFECTS[effect["type"]](effect, {}, mailbox)


async def collect(mailbox, until):
    """What the mailbox hands over, up to a message of the type ``until``."""
    messages = []
    async with asyncio.timeout(5):
        while True:
            message = mailbox.take()
            if message is None:
                await mailbox.wait()
                continue
            messages.append(message)
            if message["type"] == until:
                return messages


def items(name, *data):
    return [{"type": "feed.item", "name": name, "data": value} for value in data]


async def test_items_then_the_end():
    async def three():
        for number in range(3):
            yield number

    mailbox = a_mailbox()
    assert await do(mailbox, feed("n", three())) is None
    assert await collect(mailbox, "feed.ended") == [*items("n", 0, 1, 2), {"type": "feed.ended", "name": "n"}]
    assert not mailbox.is_open(("feed", "n"))


async def test_a_failure_is_told_with_the_exception():
    error = LookupError("gone")

    async def fails():
        yield 1
        raise error

    mailbox = a_mailbox()
    await do(mailbox, feed("f", fails()))
    assert await collect(mailbox, "feed.failed") == [*items("f", 1), {"type": "feed.failed", "name": "f", "error": error}]


async def test_a_cancellation_that_nobody_asked_of_the_feed_is_a_failure():
    """It came out of what the feed awaits: a task that others share, and somebody cancelled."""

    async def fails():
        yield 1
        shared = asyncio.create_task(asyncio.sleep(100))
        shared.cancel()
        await shared

    mailbox = a_mailbox()
    await do(mailbox, feed("f", fails()))
    first, last = await collect(mailbox, "feed.failed")
    assert (first, last["type"], type(last["error"])) == (*items("f", 1), "feed.failed", asyncio.CancelledError)


async def test_the_iterable_is_read_ahead_by_its_bound_and_closed_in_its_own_task():
    read, closed = [], []

    async def endless():
        task = asyncio.current_task()
        try:
            while True:
                read.append(len(read))
                yield len(read)
        finally:
            closed.append(asyncio.current_task() is task)

    mailbox = a_mailbox()
    await do(mailbox, feed("e", endless()))
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(read) == FEED_AHEAD
    assert mailbox.take() == items("e", 1)[0]
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(read) == FEED_AHEAD + 1
    await do(mailbox, unfeed("e"))
    assert closed == [True]
    assert mailbox.take() is None
    await do(mailbox, unfeed("e"))


async def test_an_iterator_without_aclose_is_as_good():
    class Numbers:
        left = 2

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    mailbox = a_mailbox()
    await do(mailbox, feed("n", Numbers()))
    assert await collect(mailbox, "feed.ended") == [*items("n", 1, 0), {"type": "feed.ended", "name": "n"}]


async def test_an_open_name_is_replaced():
    async def one(value):
        yield value

    mailbox = a_mailbox()
    await do(mailbox, feed("x", one("old")))
    await do(mailbox, feed("x", one("new")))
    assert await collect(mailbox, "feed.ended") == [*items("x", "new"), {"type": "feed.ended", "name": "x"}]


async def test_what_is_no_async_iterable_is_refused():
    with pytest.raises(TypeError, match="must be an async iterable, got list"):
        await do(a_mailbox(), feed("x", [1]))


async def test_asking_too_early_gives_nothing():
    async def nothing():
        await asyncio.Event().wait()
        yield

    mailbox = a_mailbox()
    await do(mailbox, feed("x", nothing()))
    mailbox.wake(("feed", "x"))
    assert mailbox.take() is None
    for closing in mailbox.shut():
        await closing


async def test_what_never_began_is_closed_all_the_same():
    class Items:
        closed = 0

        def __aiter__(self):
            return self

        async def __anext__(self):
            raise StopAsyncIteration

        async def aclose(self):
            self.closed += 1

    mailbox, listener = a_mailbox(), Items()
    await do(mailbox, feed("n", listener))
    await do(mailbox, unfeed("n"))
    assert listener.closed == 1
