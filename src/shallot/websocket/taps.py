"""Taps: how middlewares see, veto and record a conversation. Plain synchronous functions, outermost first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from ..errors import CloseWith
from ..types import AllLimits, AnyEffect, Message, Receive, Tap
from .receiver import Receiver

__all__ = ["TappedReceiver", "Taps"]

V = TypeVar("V")


class Taps:
    """The taps of one conversation. Middlewares append on the way out, the innermost first; here the outermost comes first."""

    __slots__ = ("_begins", "_effects", "_ends", "_messages", "_results", "hear", "scope", "see")

    def __init__(self, taps: Sequence[Tap], scope: Any) -> None:
        outermost_first = list(reversed(taps))
        self.scope = scope
        self._begins: list[Callable[[Any], None]] = [tap["begin"] for tap in outermost_first if "begin" in tap]
        self._messages: list[Callable[[Any, Any], Any]] = [tap["message"] for tap in outermost_first if "message" in tap]
        self._effects: list[Callable[[Any, Any], Any]] = [tap["effect"] for tap in outermost_first if "effect" in tap]
        self._results: list[Callable[[Any, Any, Any], None]] = [tap["result"] for tap in outermost_first if "result" in tap]
        self._ends: list[Callable[[Any], None]] = [tap["end"] for tap in outermost_first if "end" in tap]

        self.hear, self.see = bool(self._messages), bool(self._effects)
        """Does any of them want messages, and effects? Otherwise those pass as if there were none."""

    def begin(self) -> None:
        """The conversation was accepted: from here on ``ends`` are owed."""
        for begin in self._begins:
            begin(self.scope)

    def message(self, message: Message) -> Message | None:
        """What is left of a message when each tap has had it; ``None``: dropped."""
        return through(self._messages, self.scope, message)

    def effect(self, effect: AnyEffect) -> AnyEffect | None:
        """What is left of an effect; ``None``: dropped, and its ``yield`` returns ``None``."""
        return through(self._effects, self.scope, effect)

    def result(self, effect: AnyEffect, result: Any) -> None:
        """An effect that is no send was performed: what its ``yield`` returns, or the exception that it raises."""
        for tap in self._results:
            tap(self.scope, effect, result)

    def ends(self) -> Sequence[Callable[[Any], None]]:
        return self._ends


def through(taps: Sequence[Callable[[Any, V], V | None]], scope: Any, value: V) -> V | None:
    for tap in taps:
        changed = tap(scope, value)
        if changed is None:
            return None
        value = changed
    return value


class TappedReceiver(Receiver):
    """A receiver whose messages pass the taps first."""

    __slots__ = ("_taps",)

    def __init__(
        self, receive: Receive, limits: AllLimits, owner: asyncio.Task[Any], now: float, tell: Callable[[str], None], taps: Taps, *, reads: bool
    ) -> None:
        super().__init__(receive, limits, owner, now, tell, reads=reads)
        self._taps = taps
        taps.scope["unread"] = self.unread

    def unread(self) -> int:
        """How many of the client's messages were read ahead and wait for the handler."""
        return 0 if self._mailbox is None else len(self._mailbox.client)

    def end(self, code: int, reason: str) -> bool:
        self._taps.scope.pop("unread", None)  # which holds this receiver, whose taps hold the scope; unless the handler, whose scope it is, took it out
        return super().end(code, reason)

    async def _read(self) -> AsyncGenerator[Message, None]:
        async with aclosing(super()._read()) as messages:
            async for message in messages:
                try:
                    kept = self._taps.message(message)
                except CloseWith as order:
                    raise self._troubled(order.code, order.reason) from order  # the end, even if the handler catches it
                if kept is not None:
                    yield kept
