"""Conversations of the test app that go wrong: at the door, in the handler, in a hook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from shallot import WSDisconnect, websocket, ws_accept, ws_close, ws_send
from shallot.response import text

from .notes import HOOKS, closed, note, question


@websocket(**HOOKS)
async def raises(scope: Any, receiver: Any, key: str, stage: str) -> AsyncIterator[Any]:
    secret = RuntimeError(f"secret of {key}")
    try:
        if stage == "first":
            raise secret
        yield ws_send("hello")
        if stage == "sent":
            raise secret
        async for _ in receiver:
            raise secret
    except WSDisconnect:
        raise secret from None
    finally:
        note(scope, "finally")
        if stage == "finally":
            raise secret


async def refuses(scope: Any) -> Any:
    """What ``?answer=`` names; a test of every way in which the door stays shut."""
    note(scope, "on_connect")
    return await _ANSWERS[question(scope, "answer")](scope)


async def _answer_401(scope: Any) -> Any:
    return {**text("who are you?", 401), "headers": {"content-type": "text/plain", "www-authenticate": "Bearer"}}


async def _answer_close(scope: Any) -> Any:
    return ws_close()


async def _answer_raise(scope: Any) -> Any:
    raise RuntimeError(f"secret of {scope['path_params']['key']}")


async def _answer_hang(scope: Any) -> Any:
    try:
        await asyncio.sleep(3600)
    finally:
        note(scope, "on_connect finally")


async def _answer_nothing(scope: Any) -> Any:
    return None


_ANSWERS = {"401": _answer_401, "close": _answer_close, "raise": _answer_raise, "hang": _answer_hang, "nothing": _answer_nothing}


@websocket(on_connect=refuses, accept_s=0.4, **HOOKS)
async def door(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    note(scope, "the handler runs")
    yield ws_send("never")


async def negotiates(scope: Any) -> Any:
    scope["user"] = "ann"
    return ws_accept(subprotocol=question(scope, "choose") or None, headers={"x-from-accept": "yes"})


async def user_closed(scope: Any) -> None:
    note(scope, f"on_close of {scope['user']}")


@websocket(on_connect=negotiates, on_close=user_closed)
async def negotiated(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    yield ws_send(scope["user"])


async def bad_hook(scope: Any) -> None:
    note(scope, "on_disconnect")
    if question(scope, "hook") == "raise":
        raise RuntimeError(f"secret of {scope['path_params']['key']}")
    await asyncio.sleep(3600)


@websocket(on_disconnect=bad_hook, on_close=closed)
async def bad_hooks(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    async for message in receiver:
        yield ws_send(message)
