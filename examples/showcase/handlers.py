"""The handlers of the showcase. The page shows the source of these very functions, so they stay short."""

from __future__ import annotations

import asyncio
import re
from itertools import count

from shallot import history, members, publish, subscribe, websocket
from shallot.response import text, ws_accept, ws_close, ws_send, ws_send_json

__all__ = ["chat", "echo", "ticker"]

MAX_NAME = 24
MAX_TEXT = 500
SEAT = re.compile(r"[0-9A-Za-z-]{1,36}")
REFUSED = {"type": "refused", "limit": MAX_TEXT}


def sayable(words):
    return words.strip() != "" and len(words) <= MAX_TEXT


async def knock(scope):
    """The door of the room: a guest needs a name, and a seat of his own that he comes back to."""
    name, seat = (scope["query_params"].get(key, [""])[0].strip() for key in ("name", "seat"))
    if not (name.isprintable() and 0 < len(name) <= MAX_NAME and SEAT.fullmatch(seat)):
        return text(f"a name of 1 to {MAX_NAME} characters and a seat, please", 400)
    if len(scope["path_params"]["room"]) > MAX_NAME:
        return text(f"no room has a name of more than {MAX_NAME} characters", 404)
    scope["guest"] = {"id": seat, "name": name}
    return ws_accept()


def welcome(scope, channel, place, here):
    return {"type": "welcome", "channel": channel, **place, "here": [*here.values()], "by": scope["config"]["process"]}


@websocket(on_connect=knock, max_message_bytes=4096)
async def chat(scope, receiver, room):
    channel, me, cursor = f"chat:{room}", scope["guest"], scope.get("cursor")
    place = yield subscribe(channel, cursor=cursor, member=me)
    if cursor is None:  # new here: what was said before
        for message in (yield history(channel, limit=20)):
            yield ws_send(message["text"])
    here = yield members(channel)
    yield ws_send_json(welcome(scope, channel, place, here))
    async for message in receiver:
        match message:
            case {"type": "channel.message", "text": said}:
                yield ws_send(said)
            case {"type": _}:  # somebody came or left, or a gap
                yield ws_send_json(message)
            case str(words) if sayable(words):
                yield publish(channel, {"from": me, "text": words})
            case _:
                yield ws_send_json(REFUSED)


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
