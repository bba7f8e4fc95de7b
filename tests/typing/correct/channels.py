"""Channels as one writes them."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from shallot import history, members, publish, subscribe, unsubscribe, websocket, ws_send, ws_send_json
from shallot.types import ChannelGap, ChannelJoined, ChannelLeft, ChannelMessage, Effect, Published, Receiver, Request, Response, Subscribed, WSScope


@websocket
async def chat(scope: WSScope, receiver: Receiver, room: str) -> AsyncIterator[Effect]:
    channel, name = f"chat:{room}", scope.get("identity")
    yield subscribe(channel, cursor=scope.get("cursor"), slow="oldest", batch=64, member={"id": name, "age": 7})
    async for message in receiver:
        match message:
            case str(text):
                yield publish(channel, {"from": name, "text": text})
            case {"type": "channel.message", "text": str(text)}:
                yield ws_send(text)
            case {"type": "channel.gap", "missed": missed}:
                yield ws_send_json({"notice": f"{missed or 'some'} messages could not be recovered"})
            case {"type": "channel.joined" | "channel.left" as what, "member": member}:
                yield ws_send_json({"notice": f"{member['id']} {what.removeprefix('channel.')}"})
            case _:
                yield unsubscribe(channel)


@websocket
async def results(scope: WSScope, receiver: Receiver[ChannelMessage | ChannelGap | ChannelJoined | ChannelLeft]) -> AsyncGenerator[Effect, Any]:
    here: Subscribed = yield subscribe("a")
    said: Published = yield publish("a", [1, 2], id="once")
    present: dict[str, Any] = yield members("a")
    last: list[ChannelMessage] = yield history("a", limit=20, before=here["cursor"])
    yield ws_send_json({"duplicate": said["duplicate"], "present": list(present), "last": [message["id"] for message in last]})
    yield {"type": "channel.subscribe", "channel": "b", "slow": "latest"}
    async for message in receiver:
        if message["type"] == "channel.gap":
            yield ws_send_json({"reason": message["reason"], "missed": message["missed"]})
        elif message["type"] == "channel.message":
            yield ws_send(message["text"])


async def order(request: Request) -> Response:
    return {"status": 202, "effects": [publish("orders", request.get("json"))]}
