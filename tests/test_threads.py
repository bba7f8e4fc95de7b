"""shallot.threads: a pool that is begun when it is needed, holds its bound, and ends."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from shallot.threads import Threads

who = ContextVar("who", default="nobody")


async def test_a_function_runs_in_a_thread_with_the_callers_context():
    pool = Threads(1)
    who.set("ann")
    ran = await pool.run(lambda *args, **keywords: (args, keywords, who.get(), threading.current_thread().name), 1, b=2)
    assert ran == ((1,), {"b": 2}, "ann", "shallot_0")
    await ended(pool)


async def test_what_a_function_raises_is_raised_to_the_caller():
    pool = Threads(1)
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)
    await ended(pool)


async def test_a_stop_iteration_ends_the_wait():
    pool = Threads(1)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="raised StopIteration; give next"):
            await pool.run(next, iter(()))
    await ended(pool)


async def test_no_more_than_count_run_at_the_same_time():
    pool, both = Threads(2), threading.Barrier(2)
    await asyncio.gather(*[pool.run(both.wait, 5) for _ in range(4)])
    assert sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("shallot_")) == ["shallot_0", "shallot_1"]
    await ended(pool)


async def test_close_ends_the_threads_and_a_later_run_begins_new_ones():
    pool = Threads(1)
    pool.close()
    first = await pool.run(threading.current_thread)
    pool.close()
    first.join(5)
    assert await pool.run(threading.current_thread) is not first
    await ended(pool)


async def test_close_cancels_what_waits_for_a_thread():
    pool, gate = Threads(1), threading.Event()
    running, waiting = [asyncio.create_task(pool.run(gate.wait, 5)) for _ in range(2)]
    await asyncio.sleep(0)
    pool.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.set()
    assert await running is True


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "4", None])
def test_a_count_that_is_none_is_refused(count):
    with pytest.raises(ValueError, match="threads must be at least 1"):
        Threads(count)


async def ended(pool):
    """Wait until the threads of ``pool`` are gone: close() itself does not."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("shallot_")]
    pool.close()
    for thread in threads:
        thread.join(5)
