"""Ways to end a conversation from outside, each as servers show it, and a connection that ends in one of them at a given step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextvars import Context
from typing import NamedTuple, TypeVarTuple, cast

from ..types import Event, Scope
from .clock import VirtualLoop
from .fakes import AfterLeave, FakeServer

Ts = TypeVarTuple("Ts")

__all__ = ["ENDS", "CutLoop", "CutServer", "End"]


class End(NamedTuple):
    """A way to end, what ``send`` does once the client left, and at which steps it makes a difference."""

    strike: Callable[[CutServer], None]
    after_leave: AfterLeave
    points: Collection[str]


class CutServer(FakeServer):
    """Counts the steps of one connection, and strikes at one of them: ``where`` is the kind of step and its number."""

    def __init__(self, scope: Scope, counts: Counter[str], where: tuple[str, int] | None, end: End | None) -> None:
        super().__init__(scope, [{"type": "websocket.connect"}], after_leave="raise" if end is None else end.after_leave)
        self.struck = False
        self._counts, self._where, self._strike = counts, where, None if end is None else end.strike
        self._seen = -1

    @property
    def is_ending(self) -> bool:
        """There is nothing more to be played."""
        return self.struck or self.closed or self.is_over

    def step(self, point: str) -> bool:
        """Count a step; is it the one to strike at?"""
        number = self._counts[point]
        self._counts[point] += 1
        if self._strike is not None and self._where == (point, number) and not self.is_over:
            self.struck = True
            self._strike(self)
            self.push()  # whoever waits for something looks again
            return True
        return False

    def rest(self) -> None:
        """Everything waits for the clock. A step only if something was said since the last: a watch that looks and finds nothing is none."""
        seen = len(self.transcript) + self._counts["yield"]
        if seen != self._seen:
            self._seen = seen
            self.step("wait")

    async def receive(self) -> Event:
        if self.step("receive"):
            await asyncio.sleep(0)  # a task can be cancelled from outside only where it waits
        return await super().receive()

    async def send(self, event: Event) -> None:
        if self.step("send"):
            await asyncio.sleep(0)
        await super().send(event)


def _leave(server: CutServer) -> None:
    server.leave(1006)


def _cancel(server: CutServer) -> None:
    asyncio.get_running_loop().call_soon(cast("asyncio.Task[None]", server.task).cancel)


def _get_stuck(server: CutServer) -> None:
    server.stuck_after = len(server.sent)


def _get_stuck_then(strike: Callable[[CutServer], None]) -> Callable[[CutServer], None]:
    def get_stuck_and_strike(server: CutServer) -> None:
        _get_stuck(server)
        asyncio.get_running_loop().call_later(1, strike, server)

    return get_stuck_and_strike


_EVERYWHERE = ("receive", "send", "yield", "wait")
ENDS: Mapping[str, End] = {
    "the client leaves": End(_leave, "raise", _EVERYWHERE),
    "the client leaves, and send stays silent": End(_leave, "swallow", _EVERYWHERE),
    "the client leaves, and send blocks": End(_leave, "block", _EVERYWHERE),
    "the server cancels": End(_cancel, "raise", _EVERYWHERE),
    "send blocks": End(_get_stuck, "raise", ("send",)),
    "send blocks, then the client leaves": End(_get_stuck_then(_leave), "raise", ("send",)),
    "send blocks, then the server cancels": End(_get_stuck_then(_cancel), "raise", ("send",)),
}
"""Each way to end, by what it is called."""


class CutLoop(VirtualLoop):
    """Virtual time that tells when everything waits for the clock, and remembers the timers that were set."""

    def __init__(self) -> None:
        self.timers: list[asyncio.TimerHandle] = []
        self.on_wait: Callable[[], None] | None = None
        super().__init__()

    def jump(self, seconds: float) -> None:
        super().jump(seconds)
        if self.on_wait is not None:
            self.on_wait()

    def call_at(self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> asyncio.TimerHandle:
        handle = super().call_at(when, callback, *args, context=context)
        self.timers.append(handle)
        return handle
