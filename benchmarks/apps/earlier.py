"""The earlier package of our name, 1.0.0, as its documentation writes it. It stands in a folder of its own."""

from __future__ import annotations

from typing import Any

from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_json, wrap_parameters, wrap_routes
from shallot.response import json, text, ws_send

from ..works import GREETING, SHELVES


async def greet(request: Any) -> Any:
    return text(GREETING)


async def show(request: Any, number: str) -> Any:
    return json({"item": int(number), "page": int(request["params"]["page"][0]), "session": request["cookies"]["session"]})


async def give_back(request: Any) -> Any:
    return json(request["json"])


@websocket
async def converse(request: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


def single(server: Any) -> Any:
    """It speaks ASGI 2, one call for the scope and one for the rest; servers join them just so."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await server(scope)(receive, send)

    return app


def hello() -> Any:
    return single(build_server(apply_middleware(wrap_routes([("/hello", ["GET"], greet)]))(standard_not_found)))


def routed() -> Any:
    routes = [(f"/shop/shelf{shelf:02}/items/{{number}}", ["GET"], show) for shelf in range(SHELVES)]
    return single(build_server(apply_middleware(wrap_cookies(), wrap_parameters(), wrap_routes(routes))(standard_not_found)))


def post() -> Any:
    return single(build_server(apply_middleware(wrap_json(), wrap_routes([("/echo", ["POST"], give_back)]))(standard_not_found)))


def talk() -> Any:
    return single(build_server(apply_middleware(wrap_routes([("/talk", ["WS"], converse)]))(standard_not_found)))
