"""The handlers of the showcase. The page shows the source of these very functions, so they stay short."""

from __future__ import annotations

import asyncio
from itertools import count

from shallot import feed, websocket
from shallot.response import text, ws_accept, ws_close, ws_send, ws_send_json

from .rooms import listen, tell

__all__ = ["chat", "echo", "say", "ticker"]

MAX_NAME = 24
MAX_TEXT = 500
REFUSED = {"kind": "refused", "limit": MAX_TEXT}


def sayable(words):
    return words.strip() != "" and len(words) <= MAX_TEXT


async def knock(scope):
    """The door of the room: a guest needs a name."""
    name = scope["query_params"].get("name", [""])[0].strip()
    if not (name.isprintable() and 0 < len(name) <= MAX_NAME):
        return text(f"a name of 1 to {MAX_NAME} characters, please", 400)
    scope["guest"] = {"name": name}
    return ws_accept()


@websocket(on_connect=knock, max_message_bytes=4096)
async def chat(scope, receiver, room):
    guest, rooms = scope["guest"], scope["config"]["rooms"]
    yield feed("news", listen(rooms, room, guest))
    async for message in receiver:
        match message:
            case {"type": "feed.item", "data": news}:
                yield ws_send_json(news)
            case str(words) if sayable(words):
                yield {"type": "room.say", "room": room, "text": words}
            case _:
                yield ws_send_json(REFUSED)


async def say(effect, scope):
    rooms, words = scope["config"]["rooms"], effect["text"]
    said = {"kind": "said", "from": scope["guest"], "text": words}
    tell(rooms, effect["room"], said)


@websocket(reads=False)
async def ticker(scope, receiver):
    tickers = scope["config"]["tickers"]
    tickers["running"] += 1
    try:
        for tick in count(1):
            yield ws_send_json({"tick": tick, **tickers})
            await asyncio.sleep(1)
    finally:  # the client left: it is counted out at once
        tickers["running"] -= 1


@websocket(max_message_bytes=4096)
async def echo(scope, receiver):
    async for message in receiver:
        yield ws_send(message)
        if message == "exit":
            yield ws_close(1001, "bye")
