from __future__ import annotations

from typing import Any

import pytest

from shallot.sessions.memory import memory_store
from shallot.sessions.record import Record, new_id
from shallot.testing import session_store_cases

from ..clock import Clock

CASES = session_store_cases()


def record(identity: str = "", version: int = 1, **data: Any) -> Record:
    return {"id": identity or new_id(), "version": version, "created": 0, "seen": 0, "data": data}


@pytest.mark.parametrize("options", [{"max_sessions": 1}, {"max_bytes": 1}])
def test_the_least_that_may_be_asked_for(options: Any) -> None:
    assert len(memory_store(**options)) == 0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_conforms(case: Any) -> None:
    clock = Clock()
    async with memory_store(clock=clock) as store:
        await case(store, clock.wait)


async def test_D11_the_least_recently_used_goes() -> None:
    store = memory_store(max_sessions=3)
    keys = [await store.write(record(name), 60) for name in ("a", "b", "c")]
    assert await store.read("a") is not None
    await store.write(record("b", 2), 60)
    await store.write(record("d"), 60)
    assert len(store) == 3
    assert [name for name in "abcd" if await store.read(name) is None] == ["c"]
    assert keys == ["a", "b", "c"]


async def test_an_expired_one_is_forgotten_when_it_is_asked_for() -> None:
    clock = Clock()
    store = memory_store(clock=clock)
    await store.write(record("a"), 10)
    clock.now = 9.999
    assert await store.read("a") is not None
    clock.now = 10
    assert len(store) == 1
    assert await store.read("a") is None
    assert len(store) == 0
    assert await store.write(record("a"), 10) == "a"


async def test_the_size_of_a_record_is_bounded() -> None:
    with pytest.raises(ValueError, match="^the session is 1\\d\\d bytes, this store keeps 100;"):
        await memory_store(max_bytes=100).write(record(text="x" * 50), 60)


@pytest.mark.parametrize("options", [{"max_sessions": 0}, {"max_bytes": 0}])
def test_options_are_checked(options: Any) -> None:
    with pytest.raises(ValueError, match="^memory_store: max_sessions and max_bytes must be 1 or more, not"):
        memory_store(**options)
