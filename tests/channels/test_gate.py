"""shallot.channels.gate: publishers wait for readers that ask for it, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from shallot.channels.gate import Gate
from shallot.testing import virtual_time


class Slow:
    """A reader, as far as the gate knows it."""

    def __init__(self) -> None:
        self.holds_up = False
        self.overruns: list[bool] = []

    def overrun(self, *, waited: bool = False) -> None:
        self.overruns.append(waited)


def waiting(gate: Gate, count: int = 1) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(gate.has_room()) for _ in range(count)]


@virtual_time
async def test_it_is_open_while_nobody_holds_it():
    gate, reader = Gate(5.0), Slow()
    await gate.has_room()
    gate.relieve(reader)
    await gate.has_room()


@virtual_time
async def test_all_publishers_wait_for_all_readers():
    gate, one, other = Gate(5.0), Slow(), Slow()
    gate.hold(one)
    gate.hold(other)
    publishers = waiting(gate, 3)
    await asyncio.sleep(1)
    gate.relieve(one)
    await asyncio.sleep(1)
    assert [publisher.done() for publisher in publishers] == [False] * 3
    assert (one.holds_up, other.holds_up) == (False, True)
    gate.relieve(other)
    await asyncio.wait_for(asyncio.gather(*publishers), 0.001)
    assert one.overruns == other.overruns == []


@virtual_time
async def test_they_do_not_wait_for_ever():
    gate, reader = Gate(5.0), Slow()
    gate.hold(reader)
    before = asyncio.get_running_loop().time()
    await asyncio.gather(*waiting(gate, 2))
    assert asyncio.get_running_loop().time() - before == pytest.approx(5.0)
    assert reader.overruns == [True]
    assert not reader.holds_up
    await gate.has_room()


@virtual_time
async def test_it_opens_when_nobody_waits():
    gate, reader = Gate(5.0), Slow()
    gate.hold(reader)
    gate.relieve(reader)
    await gate.has_room()
