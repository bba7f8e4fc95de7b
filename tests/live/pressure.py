"""Conversations of the test app under pressure: too much, too large, too slow, nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from shallot import websocket, ws_send

from .journal import journal
from .notes import HOOKS, note, question


@websocket(send_s=0.5, **HOOKS)
async def floods_client(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    sent = 0
    note(scope, "begin")
    try:
        while True:
            yield ws_send(b"x" * 1_000_000)
            sent += 1
    finally:
        note(scope, f"finally after {sent}")


@websocket(reads=True, max_unread=8, **HOOKS)
async def holds(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    """Will read, but only when told."""
    yield ws_send("holding")
    await journal.gate(key).wait()
    total = 0
    try:
        async for _ in receiver:
            total += 1
            if total == int(question(scope, "until")):
                yield ws_send(f"read {total}")
    finally:
        note(scope, f"finally after {total}")


@websocket(unread_s=0.3, max_unread=4, **HOOKS)
async def send_only(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    yield ws_send("not listening")
    try:
        await journal.gate(key).wait()
        async for message in receiver:
            note(scope, f"got {message!r}")
    except Exception as error:
        note(scope, f"reading raised {type(error).__name__}: {error}")
        yield ws_send("too late")
    finally:
        note(scope, "finally")


@websocket(max_unread=4, stuck_s=0.5, **HOOKS)
async def stuck(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    note(scope, f"got {await anext(receiver)!r}")
    yield ws_send("stuck")
    try:
        await asyncio.sleep(3600)
    finally:
        note(scope, "finally")


@websocket(max_message_bytes=1000, **HOOKS)
async def small(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    try:
        async for message in receiver:
            yield ws_send(str(len(message)))
    finally:
        note(scope, "finally")


@websocket(idle_s=0.4, **HOOKS)
async def idle(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    try:
        async for message in receiver:
            yield ws_send(message)
    finally:
        note(scope, "finally")
