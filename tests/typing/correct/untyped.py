# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
# pyright: basic
"""Untyped handlers stay legal: the programs of the documentation, as they stand there."""

from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_json, wrap_routes
from shallot.response import json, text, ws_accept, ws_close, ws_send


async def hello(request):
    return {"status": 200, "body": b"hello"}


async def show(request, number: int):
    return json({"number": number}) if number else text("no such fruit", 404)


async def invited(scope):
    if "token" not in scope["cookies"]:
        return text("who are you?", 401)
    scope["user"] = scope["cookies"]["token"]
    return ws_accept(subprotocol="v1")


async def gone(scope):
    print(scope["user"], "left with", scope["close"]["code"])


@websocket(on_connect=invited, on_close=gone, max_message_bytes=65536)
async def echo(scope, receiver):
    async for message in receiver:
        yield ws_send(message)
        if message == "exit":
            yield ws_close(1001, "bye")


@websocket
async def raw(scope, receiver):
    async for message in receiver:
        yield {"text": f"@ECHO: {message}", "type": "websocket.send"}


def wrap_nothing(next_middleware):
    async def nothing(handler, request):
        response = await next_middleware(handler, request)
        return {**response, "headers": {**response.get("headers", {}), "x-layer": "nothing"}}

    return nothing


routes = [
    ("/", ["GET"], hello),
    (
        "/fruits",
        [
            ("/{number:int}", ["GET"], show, {"name": "fruit"}),
        ],
    ),
    ("/echo", ["WS"], echo),
    ("/raw", ["WS"], raw),
]
app = build_server(apply_middleware(wrap_nothing, wrap_routes(routes), wrap_json)(standard_not_found))
plain = build_server(hello)
