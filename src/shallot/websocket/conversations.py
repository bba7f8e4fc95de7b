"""All open conversations of one app, and the one watch that looks after them. Knows when, not how."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from ..deadline import DONE
from ..task_groups import FORGETS
from ..types import AllLimits, Conversation, Receive, Send
from .engine import Talk
from .groups import noting
from .table import EffectTable

__all__ = ["Conversations"]

log = logging.getLogger("shallot.websocket")

LOOK_EVERY_S = 0.25
"""How exact the deadlines of a conversation are: two looks must find a handler busy before anybody else reads for it."""


class Conversations:
    """Starts, watches and drains the conversations of an app. While none is open nothing runs."""

    def __init__(self, limits: AllLimits, table: EffectTable) -> None:
        self._limits = limits
        self._table = table
        self._open: set[Talk] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    async def converse(self, conversation: Conversation, scope: Any, receive: Receive, send: Send, accept_headers: list[tuple[bytes, bytes]]) -> None:
        """Accept, and drive ``conversation`` to its end; returns when nothing of it is left. The server's cancellation is passed on."""
        own = conversation["limits"]
        limits: AllLimits = {**self._limits, **own} if own else self._limits
        talk = Talk(conversation, scope, receive, send, limits, self._table, self._current_task())
        self._open.add(talk)
        if self._timer is None:
            self._watch()
        try:
            life = talk.run(accept_headers)
            if not FORGETS:
                await life
            elif (waits_for := next(life.__await__(), DONE)) is not DONE:
                await noting(life, waits_for, talk.note)
        finally:
            self._open.discard(talk)
            if not self._open and self._empty is not None:
                self._empty.set_result(None)
                self._empty = None

    async def drain(self, seconds: float) -> None:
        """End every open conversation (close 1012) and wait for their clean-up and hooks; after ``seconds`` they are cancelled, and have ``hook_s`` more:
        what they still use shall not be gone before them."""
        for talk in self._open:
            talk.cut("shutdown")
        try:
            if not await self._have_ended(seconds):
                log.error("%d conversations did not end within shutdown_s; cancelled", len(self._open))
                for talk in self._open:
                    talk.abandon()
                await self._have_ended(self._limits["hook_s"])
        finally:
            self._empty = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    async def _have_ended(self, seconds: float) -> bool:
        """Wait for that, at most so long; the last may end in the very moment when time is up."""
        if self._open:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=seconds)
        return not self._open

    def _current_task(self) -> asyncio.Task[Any]:
        """The task that calls us. Which loop runs is asked for only where it may be another one than last time: on 3.11 each such question is a system call."""
        task = asyncio.current_task(self._loop) if self._loop is not None else None
        if task is None:
            task = cast("asyncio.Task[Any]", asyncio.current_task())
            self._loop, self._timer = task.get_loop(), None  # a loop that was closed took its timer along
        return task

    def _watch(self) -> None:
        self._timer = self._loop.call_later(LOOK_EVERY_S, self._look, self._loop) if self._open and self._loop is not None else None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for talk in self._open:
            talk.look(now)
        self._watch()
