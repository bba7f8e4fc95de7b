from __future__ import annotations

import asyncio
import math

import pytest

from shallot.effects import after, cancel, every
from shallot.testing import virtual_time
from shallot.websocket.mailbox import ClientQueue, SharedMailbox
from shallot.websocket.timers import MIN_INTERVAL_S, TIMER_EFFECTS


def a_mailbox() -> SharedMailbox:
    return SharedMailbox(ClientQueue(8, 100), on_open=lambda: None)


async def do(mailbox, effect):
    return await TIMER_EFFECTS[effect["type"]](effect, {}, mailbox)


def fired(name, missed=0):
    return {"type": "timer.fired", "name": name, "missed": missed}


async def shut(mailbox):
    for closing in mailbox.shut():
        await closing


@virtual_time
async def test_after_fires_once_and_is_forgotten():
    mailbox = a_mailbox()
    assert await do(mailbox, after(2, "late")) is None
    await asyncio.sleep(1.9)
    assert mailbox.take() is None
    await asyncio.sleep(0.2)
    assert mailbox.take() == fired("late")
    assert not mailbox.is_open(("timer", "late"))
    await asyncio.sleep(10)
    assert mailbox.take() is None


@virtual_time
async def test_every_fires_first_after_its_interval_and_at_most_one_firing_waits():
    mailbox = a_mailbox()
    await do(mailbox, every(1, "tick"))
    assert mailbox.take() is None
    await asyncio.sleep(1.1)
    assert mailbox.take() == fired("tick")
    await asyncio.sleep(3)
    assert mailbox.take() == fired("tick", missed=2)
    assert mailbox.take() is None
    await shut(mailbox)


@virtual_time
async def test_intervals_that_a_busy_loop_slept_through_are_missed_not_made_up_for():
    mailbox = a_mailbox()
    await do(mailbox, every(1, "tick"))
    asyncio.get_running_loop().now += 5.5  # nobody let the loop run
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert mailbox.take() == fired("tick", missed=4)
    await asyncio.sleep(0.6)
    assert mailbox.take() == fired("tick")
    await shut(mailbox)


@virtual_time
async def test_the_same_name_replaces_and_cancel_drops_what_waits():
    mailbox = a_mailbox()
    await do(mailbox, after(1, "x"))
    await do(mailbox, after(5, "x"))
    await asyncio.sleep(2)
    assert mailbox.take() is None
    await asyncio.sleep(4)
    await do(mailbox, cancel("x"))
    assert mailbox.take() is None
    await do(mailbox, cancel("nobody"))


@pytest.mark.parametrize(
    ("effect", "error", "text"),
    [
        (after("2", "x"), TypeError, "'seconds' must be a number"),
        (after(True, "x"), TypeError, "'seconds' must be a number"),
        (after(-1, "x"), ValueError, "at least 0"),
        (after(math.nan, "x"), ValueError, "must be finite"),
        (every(MIN_INTERVAL_S / 2, "x"), ValueError, "at least 0.001"),
        (every(math.inf, "x"), ValueError, "must be finite"),
        (every(1, 3), TypeError, "'name' must be a str"),
        (cancel(None), TypeError, "'name' must be a str"),
    ],
    ids=["str", "bool", "negative", "nan", "too often", "never", "name", "cancel"],
)
async def test_wrong_timers_say_what_was_expected(effect, error, text):
    with pytest.raises(error, match=text):
        await do(a_mailbox(), effect)
