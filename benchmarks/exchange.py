"""The other side of an application in process: hands it a work's scopes and events, takes what it sends. Knows no framework."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from .works import WORKS, Event, Work, in_turn, wrong

__all__ = ["Caller", "running"]


class Caller:
    """Calls one application with one work, again and again. Nothing it does waits, so that what is measured is the application."""

    def __init__(self, app: Any, work: Work) -> None:
        self._app = app
        self._work = work
        self._scopes = in_turn(work)
        self._side: Any = Request(work.events) if work.scopes[0]["type"] == "http" else Conversation(work.events)

    async def call(self, times: int) -> None:
        app, scopes, receive, send, restart = self._app, self._scopes, self._side.receive, self._side.send, self._side.restart
        for _ in range(times):
            restart()
            await app(next(scopes), receive, send)

    async def check(self, most: int) -> None:
        """A call for each scope, ``most`` of them at most, its answer compared with the right one; ``SystemExit`` tells the first wrong one."""
        for scope in self._work.scopes[:most]:
            answer: list[Event] = []

            async def send(event: Event, answer: list[Event] = answer) -> None:
                answer.append(event)
                await self._side.send(event)

            self._side.restart()
            await self._app(scope.copy(), self._side.receive, send)
            if complaint := wrong(self._work, scope, answer):
                raise SystemExit(complaint)


class Request:
    """A client that asks once and waits for the answer."""

    def __init__(self, events: Sequence[Event]) -> None:
        (self._event,) = events
        self._is_sent = False

    def restart(self) -> None:
        self._is_sent = False

    async def receive(self) -> Event:
        if self._is_sent:  # some frameworks listen whether the client leaves
            await asyncio.get_running_loop().create_future()
        self._is_sent = True
        return self._event.copy()

    async def send(self, event: Event) -> None:
        pass


class Conversation:
    """A client that says the next thing when the last one was answered. When it has left, it is heard leaving again and again."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._wake: asyncio.Future[None] | None = None
        self.restart()

    def restart(self) -> None:
        self._turn = 0
        self._answers = 0

    async def receive(self) -> Event:
        turn = self._turn
        if turn > self._answers:  # only an application that reads ahead comes here
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        if turn < len(self._events) - 1:
            self._turn = turn + 1
        return self._events[turn].copy()

    async def send(self, event: Event) -> None:
        self._answers += 1
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


@asynccontextmanager
async def running(framework: str, name: str, most: int = 10_000) -> AsyncIterator[Caller]:
    """The framework's application for a work, started, checked and warm (by ``most`` calls at most); stopped on leaving."""
    work = WORKS[name]
    app = getattr(import_module(f"benchmarks.apps.{framework}"), work.app)()
    async with _alive(app):
        caller = Caller(app, work)
        await caller.check(most)
        await caller.call(min(most, len(work.scopes) + 200 // work.per_call))
        yield caller


@asynccontextmanager
async def _alive(app: Any) -> AsyncIterator[None]:
    """ASGI's lifespan, as a server runs it."""
    inbox: asyncio.Queue[Event] = asyncio.Queue()
    told: asyncio.Queue[Event] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    life = asyncio.ensure_future(app(scope, inbox.get, told.put))
    for phase in ("startup", "shutdown"):
        await inbox.put({"type": f"lifespan.{phase}"})
        if (event := await asyncio.wait_for(told.get(), 10))["type"] != f"lifespan.{phase}.complete":
            raise SystemExit(str(event))
        if phase == "startup":
            yield
    await life
