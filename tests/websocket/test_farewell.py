"""What an end owes, step by step; which end it is, and when, is shown in test_engine."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from shallot.limits import default_limits
from shallot.testing import virtual_time
from shallot.websocket.endings import ENDED, Ending
from shallot.websocket.farewell import part
from shallot.websocket.receiver import Receiver
from shallot.websocket.table import EffectTable
from shallot.websocket.taps import Taps

LEFT = Ending(1001, "tab", "client", False)


class End:
    """One parting, and the journal of what was done, in order."""

    def __init__(self, *, send: Any = None, handler: Any = None, taps: Any = None, ahead: bool = False, **hooks: Any) -> None:
        self.journal: list[Any] = []
        self.scope: dict[str, Any] = {}
        task = asyncio.current_task()
        assert task is not None
        receiver = Receiver(self.receive, default_limits(), task, 0.0, lambda what: None)
        if ahead:
            receiver.read_ahead()

        async def note(effect, scope):
            self.journal.append((effect["type"], scope["close"]["code"]))

        table = EffectTable({"note": note})
        self.receiver = receiver
        self.what = ("handler", self.scope, send or self.send, receiver, handler, hooks, taps and Taps(taps, self.scope), table, 5)

    async def receive(self) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            self.journal.append("stopped")

    async def send(self, event: Any) -> None:
        self.journal.append(event)

    async def part(self, ending: Ending) -> list[Any]:
        await part(ending, *self.what)
        return self.journal


async def hang(*_: Any) -> None:
    await asyncio.sleep(1000)


async def started(handler: Any) -> Any:
    await anext(handler)
    return handler


@virtual_time
async def test_all_that_is_owed_in_order():
    async def handler():
        try:
            yield
        finally:
            end.journal.append("finally")

    async def on_close(scope):
        end.journal.append("on_close")
        return [{"type": "note"}, {"type": "nobody.knows"}, {"type": "note"}]

    end = End(handler=await started(handler()), ahead=True, on_close=on_close, on_disconnect=hang, taps=[{"end": lambda scope: end.journal.append("tap")}])
    await asyncio.sleep(0)
    close = {"type": "websocket.close", "code": 4000, "reason": "why"}
    assert await end.part(Ending(4000, "why", "server", True)) == ["stopped", close, "finally", "on_close", ("note", 4000), ("note", 4000), "tap"]
    assert end.scope["close"] == {"code": 4000, "reason": "why", "by": "server"}


@virtual_time
async def test_the_client_left_and_nothing_is_sent():
    async def on_disconnect(scope):
        end.journal.append("on_disconnect")
        return {"type": "note"}

    end = End(on_disconnect=on_disconnect)
    assert await end.part(LEFT) == ["on_disconnect", ("note", 1001)]


@virtual_time
async def test_a_close_that_fails_is_the_clients_leaving():
    async def broken(event):
        raise OSError("reset")

    end = End(send=broken)
    await end.part(ENDED)
    assert end.scope["close"] == {"code": 1006, "reason": "", "by": "client"}


@virtual_time
async def test_a_close_that_nobody_takes_is_given_up_and_no_error(caplog):
    caplog.set_level(logging.DEBUG, "shallot.websocket")
    end = End(send=hang)
    await end.part(ENDED)
    assert end.scope["close"] == {"code": 1000, "reason": "", "by": "server"}
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


async def cancelled_inside(*_: Any) -> None:
    task = asyncio.create_task(hang())
    task.cancel()
    await task


async def raises_a_group(*_: Any) -> None:
    raise BaseExceptionGroup("odd", [asyncio.CancelledError()])


@pytest.mark.parametrize("hook", [hang, cancelled_inside, raises_a_group, lambda scope: 1 / 0], ids=["hangs", "cancelled", "group", "raises"])
@virtual_time
async def test_a_step_that_fails_is_logged_and_the_next_is_done(hook, caplog):
    async def on_close(scope):
        end.journal.append("on_close")

    end = End(on_disconnect=hook, on_close=on_close)
    assert await end.part(LEFT) == ["on_close"]
    assert caplog.text.count("handler: could not end whole") == 1


@virtual_time
async def test_a_cancellation_ends_one_step_and_is_no_failure(caplog):
    async def on_close(scope):
        end.journal.append("on_close")

    end = End(on_disconnect=hang, on_close=on_close)
    parting = asyncio.create_task(end.part(LEFT))
    await asyncio.sleep(1)
    parting.cancel()
    assert await parting == ["on_close"]
    assert parting.cancelling() == 1, "left to the caller to pass on"
    assert caplog.text == ""


@virtual_time
async def test_sources_are_closed_one_by_one(caplog):
    class Stubborn:
        done = False

        def open(self, wake, bound): ...

        def take(self): ...

        async def close(self):
            end.journal.append("closing")
            raise LookupError

    async def finished():
        return
        yield

    handler = finished()
    with pytest.raises(StopAsyncIteration):
        await anext(handler)
    end = End(handler=handler)
    for key in "ab":
        end.receiver.mailbox.open(key, Stubborn(), 1)
    await end.part(LEFT)
    assert [what for what in end.journal if what == "closing"] == ["closing"] * 2
    assert caplog.text.count("could not end whole") == 2
