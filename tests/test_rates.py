from __future__ import annotations

import asyncio
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from shallot.rates import Bucket, MemoryRates, Window, seconds_to_wait
from shallot.testing import virtual_time


async def hits(rates: MemoryRates, count: int, key: str = "k", limit: int = 10, expiry: int = 60) -> int:
    return [await rates.acquire_sliding_window_entry(key, limit, expiry) for _ in range(count)].count(True)


def now() -> float:
    return asyncio.get_running_loop().time()


async def until(when: float) -> None:
    await asyncio.sleep(when - now())


@virtual_time
async def test_a_window_slides() -> None:
    rates, begin = MemoryRates(), (now() // 60 + 1) * 60
    await until(begin)
    assert await hits(rates, 12) == 10
    assert await rates.get_sliding_window("k", 60) == (0, 0.0, 10, 120.0)
    await until(begin + 60)
    assert await hits(rates, 3) == 0, "all of the window before still counts"
    await until(begin + 90)
    assert await rates.get_sliding_window("k", 60) == (10, 30.0, 0, 90.0)
    assert await hits(rates, 10) == 5
    await until(begin + 240)
    assert await hits(rates, 12) == 10, "two windows later nothing counts"


@virtual_time
async def test_each_key_counts_for_itself() -> None:
    rates = MemoryRates()
    assert (await hits(rates, 20, "a"), await hits(rates, 20, "b")) == (10, 10)
    assert await rates.get_sliding_window("c", 60) == (0, 0.0, 0, 120.0 - now() % 60)


@virtual_time
async def test_what_is_held_is_bounded() -> None:
    rates = MemoryRates(max_keys=3)
    for key in "abc":
        await hits(rates, 1, key)
    await hits(rates, 9, "a")
    await hits(rates, 1, "d")
    assert len(rates) == 3
    assert await hits(rates, 1, "a") == 0, "b was untouched for longest"


@virtual_time
async def test_what_counts_no_more_is_forgotten() -> None:
    rates = MemoryRates()
    for number in range(100):
        await hits(rates, 1, str(number))
    assert len(rates) == 100
    await asyncio.sleep(200)
    for _ in range(99):
        await hits(rates, 1, "new")
    assert len(rates) == 1


def test_waiting() -> None:
    assert seconds_to_wait(10, 60, Window(0, 0, 9, 100)) == 0
    assert seconds_to_wait(10, 60, Window(10, 60, 0, 120)) == 0
    assert seconds_to_wait(10, 60, Window(20, 60, 5, 120)) == 45
    assert seconds_to_wait(10, 60, Window(0, 0, 20, 100)) == 40 + 30


@given(st.integers(1, 20), st.lists(st.integers(0, 30), max_size=30), st.integers(1, 30))
def test_who_waits_so_long_passes(limit: int, steps: list[int], expiry: int) -> None:
    @virtual_time
    async def scenario() -> None:
        rates = MemoryRates()
        for step in steps:
            await asyncio.sleep(step)
            await hits(rates, 3, limit=limit, expiry=expiry)
        wait = seconds_to_wait(limit, expiry, Window(*await rates.get_sliding_window("k", expiry)))
        assert 0 <= wait <= 2 * expiry
        await asyncio.sleep(int(wait) + 1)
        assert await hits(rates, 1, limit=limit, expiry=expiry) == 1

    scenario()


@given(st.integers(1, 20), st.integers(1, 20), st.lists(st.floats(0, 5), max_size=60))
def test_a_bucket_lets_no_more_through(amount: int, seconds: int, steps: list[float]) -> None:
    bucket, now, passed = Bucket(amount, seconds, 0.0), 0.0, deque[float]()
    for step in steps:
        now += step
        if bucket.take(now):
            passed.append(now)
    for first in passed:
        within = sum(1 for at in passed if first <= at <= first + seconds)
        assert within <= 2 * amount, "what was saved up, and what comes anew"


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(2, 10, 0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(5.0), bucket.take(5.0)] == [True, False]
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]
