"""Conversations of the test app: how they end and how a client leaves them. None tries to be useful."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from shallot import WSDisconnect, after, cancel, every, feed, unfeed, websocket, ws_send, ws_send_json

from .journal import journal
from .notes import HOOKS, in_own_task, note, question

# ---- reading


@websocket(**HOOKS)
async def echo(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    task = asyncio.current_task()
    note(scope, "begin")
    try:
        async for message in receiver:
            note(scope, f"got {message!r}" if len(message) < 50 else f"got {len(message)}")
            yield ws_send(message)
    except WSDisconnect as gone:
        note(scope, f"WSDisconnect {gone.code} {gone.reason!r}")
        yield ws_send("nobody hears this")
        note(scope, "a send after leaving is dropped")
        raise
    finally:
        in_own_task(scope, task)


@websocket(**HOOKS)
async def obey(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    """Yields what the client says, in JSON; with ``?forgive=1`` it goes on after an error."""
    try:
        async for message in receiver:
            try:
                yield json.loads(message)
            except (TypeError, ValueError) as error:
                note(scope, f"{type(error).__name__}: {error}")
                if not question(scope, "forgive"):
                    raise
                yield ws_send("forgiven")
            note(scope, "after the yield")
    finally:
        note(scope, "finally")


@websocket(**HOOKS)
async def ends(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    for word in question(scope, "say").split():
        yield ws_send(word)
    note(scope, "finally")


@websocket(**HOOKS)
async def coroutine(scope: Any, receiver: Any, key: str) -> Any:
    """No generator at all: one effect, or none."""
    message = await anext(receiver)
    note(scope, "finally")
    return ws_send(message) if message != "nothing" else None


# ---- not reading


@websocket(**HOOKS)
async def sends(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    task = asyncio.current_task()
    try:
        while True:
            yield ws_send("tick")
            await asyncio.sleep(0.02)
    finally:
        in_own_task(scope, task)


@websocket(**HOOKS)
async def sleeps(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    task = asyncio.current_task()
    try:
        yield ws_send("asleep")
        await asyncio.sleep(3600)
    finally:
        in_own_task(scope, task)


@websocket(**HOOKS)
async def waits(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    """Not a single yield before it waits."""
    task = asyncio.current_task()
    note(scope, "begin")
    try:
        await asyncio.Event().wait()
        yield ws_send("never")
    finally:
        in_own_task(scope, task)


# ---- reading, but busy


@websocket(linger_s=0.5, **HOOKS)
async def busy(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    """Reads one message, is busy until the gate opens, then reads what there is."""
    task = asyncio.current_task()
    try:
        note(scope, f"got {await anext(receiver)!r}")
        yield ws_send("busy")
        await journal.gate(key).wait()
        async for message in receiver:
            note(scope, f"got {message!r}")
    except WSDisconnect as gone:
        note(scope, f"WSDisconnect {gone.code} {gone.reason!r}")
    except asyncio.CancelledError:
        note(scope, "cancelled")
        raise
    finally:
        in_own_task(scope, task)


@websocket(linger_s=0.5, **HOOKS)
async def tutorial(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    """Reads in a task of its own, as the earlier tutorial's chat room did."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def read() -> None:
        try:
            async for message in receiver:
                heard.put_nowait(message)
        except WSDisconnect:
            note(scope, "the reader saw WSDisconnect")
            raise

    task, reader = asyncio.current_task(), asyncio.create_task(read())
    try:
        while True:
            yield ws_send(await heard.get())
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        in_own_task(scope, task)


# ---- the mailbox


@websocket(**HOOKS)
async def timers(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    yield every(0.03, "tick")
    yield after(0.01, "once")
    ticks = 0
    async for message in receiver:
        match message:
            case {"type": "timer.fired", "name": "tick"}:
                ticks += 1
                yield ws_send(f"tick {ticks}")
                if ticks == 3:
                    yield cancel("tick")
                    yield ws_send("cancelled")
            case {"type": "timer.fired", "name": name}:
                yield ws_send(name)
            case str(said):
                yield ws_send(f"heard {said}")


@websocket(**HOOKS)
async def feeds(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    async def numbers(first: int, last: int | None) -> AsyncIterator[int]:
        try:
            while first != last:
                yield first
                first += 1
                await asyncio.sleep(0)
        finally:
            note(scope, f"feed to {last} closed")

    yield feed("short", numbers(0, 3))
    async for message in receiver:
        match message:
            case {"type": "feed.item", "name": name, "data": data}:
                yield ws_send_json([name, data])
            case {"type": "feed.ended", "name": name}:
                yield ws_send_json([name, "ended"])
            case "endless":
                yield feed("endless", numbers(100, None))
            case "unfeed":
                yield unfeed("endless")
                yield ws_send("unfed")


@websocket
async def params(scope: Any, receiver: Any, number: int, rest: str) -> AsyncIterator[Any]:
    yield ws_send_json([number, rest, scope["route"]["name"], scope["config"]["started"]])


@websocket
async def asks(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    """An effect of the app's own: the yield returns what it returns."""
    answer = yield {"type": "live.double", "number": 21}
    yield ws_send(str(answer))
