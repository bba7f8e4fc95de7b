"""What ``test_transcript`` serves: a room that writes down what it hears and says. Everything that differs from run to run comes as an effect."""

from __future__ import annotations

import os
from itertools import count
from typing import Any

from shallot import build_server, every, publish, standard_not_found, subscribe, websocket, ws_close, ws_send, ws_send_json
from shallot.channels import memory_channels
from shallot.middlewares import apply_middleware, wrap_parameters, wrap_routes, wrap_transcript

PATH = os.environ.get("TRANSCRIPT", os.devnull)
numbers = count(1)


async def take_number(effect: Any, scope: Any) -> int:
    return next(numbers)


@websocket
async def room(scope, receiver, name):
    number = yield {"type": "number.take"}
    yield subscribe(f"room:{name}")
    yield every(0.05, "beat")
    beats = 0
    async for message in receiver:
        match message:
            case "bye":
                yield ws_close(4000, f"bye {number}")
            case str(text):
                position = yield publish(f"room:{name}", {"from": number, "text": text})
                yield ws_send_json({"published": not position["duplicate"]})
            case bytes(data):
                yield ws_send(data[::-1])
            case {"type": "channel.message", "data": data}:
                yield ws_send_json(data)
            case {"type": "timer.fired"} if beats < 2:
                beats += 1
                yield ws_send(f"beat {beats}")


lines = open(PATH, "a", buffering=1)  # for as long as the server lives
routes = [("/{name}", ["WS"], room)]
pile = apply_middleware(wrap_parameters(), wrap_routes(routes), wrap_transcript(lines.write))
app = build_server(pile(standard_not_found), resources={"channels": memory_channels()}, effects={"number.take": take_number})
