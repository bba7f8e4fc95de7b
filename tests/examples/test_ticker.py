"""examples/ticker.py"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from shallot.testing import client


def hurry(monkeypatch, module):
    """Let the seconds of ``module`` pass at once."""
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=lambda seconds: asyncio.sleep(0)))
    every = module.every
    monkeypatch.setattr(module, "every", lambda seconds, name: every(seconds / 1000, name))


async def test_it_ticks_without_being_asked_and_cleans_up_when_the_client_leaves(program, monkeypatch, capsys):
    module = program("ticker")
    hurry(monkeypatch, module)
    async with client(module.app) as c:
        async with c.websocket("/ticker") as ws:
            ticks = [(await ws.expect_json())["now"] for _ in range(3)]
            assert ticks == sorted(ticks)
            assert capsys.readouterr().out == ""
        assert capsys.readouterr().out == "always runs, in this task\n"


async def test_the_other_one_ticks_and_listens(program, monkeypatch):
    module = program("ticker")
    hurry(monkeypatch, module)
    async with client(module.app) as c, c.websocket("/ticker/talking") as ws:
        assert set(await ws.expect_json()) == {"now"}
        await ws.send("hello")
        while "now" in (said := await ws.expect_json()):
            pass
        assert said == {"you said": "hello"}
        assert set(await ws.expect_json()) == {"now"}
