"""What Autobahn talks to: a raw ASGI echo, and the same echo as a conversation. The claim is that no case can tell them apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from shallot import build_server, websocket, ws_send
from tests.live.raw import app as raw

__all__ = ["ours", "raw"]

LARGEST = 16 * 1024 * 1024
"""Bytes of the longest message, of group 9; the servers themselves take that many."""


@websocket(max_message_bytes=LARGEST, max_unread_bytes=LARGEST)
async def echo(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    async for message in receiver:
        yield ws_send(message)


ours = build_server(echo)
