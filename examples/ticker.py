"""A ticker, two ways: both end at once when the client leaves.

Run it with ``uvicorn --app-dir examples ticker:app`` and listen at ``ws://localhost:8000/ticker`` or ``/ticker/talking``.
"""

import asyncio
import time

from shallot import build_server, every, standard_not_found, websocket, ws_send_json
from shallot.middlewares import apply_middleware, wrap_routes


@websocket
async def ticker(scope, receiver):
    try:
        while True:
            yield ws_send_json({"now": time.time()})
            await asyncio.sleep(1)
    finally:
        print("always runs, in this task")


@websocket
async def ticker_and_listener(scope, receiver):
    yield every(1, "tick")
    async for message in receiver:
        match message:
            case {"type": "timer.fired", "name": "tick"}:
                yield ws_send_json({"now": time.time()})
            case str(text):
                yield ws_send_json({"you said": text})


routes = [
    ("/ticker", ["WS"], ticker),
    ("/ticker/talking", ["WS"], ticker_and_listener),
]
app = build_server(apply_middleware(wrap_routes(routes))(standard_not_found))
