"""The load in short; ``make load`` is the whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .load import Plan, each, load


@pytest.mark.timeout(120)
async def test_many_are_held_while_others_come_and_go(tmp_path: Path) -> None:
    figures, wrong = await load(Plan(sockets=400, connects=100, seconds=2), "uvicorn", tmp_path / "log")
    assert not wrong, (figures, wrong)


@pytest.mark.timeout(120)
async def test_an_echo_that_does_not_come_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.live.load.PATIENCE_S", 0.5)
    with pytest.raises(ExceptionGroup) as raised:
        await load(Plan(sockets=210, connects=10, seconds=1, app="tests.live.soak_app:faulty_app"), "uvicorn", tmp_path / "log")
    assert raised.group_contains(TimeoutError)


async def test_each_does_so_many_at_a_time() -> None:
    now, most = 0, 0

    async def work(number: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return 2 * number

    assert sorted(await each(range(10), work, 3)) == list(range(0, 20, 2))
    assert most == 3
