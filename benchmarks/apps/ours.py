"""shallot, as its tutorial writes it: all that it guards against is switched on."""

from __future__ import annotations

from typing import Any

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_json, wrap_parameters, wrap_routes
from shallot.response import json, text

from ..works import GREETING, SHELVES


async def greet(request: Any) -> Any:
    return text(GREETING)


async def show(request: Any, number: int) -> Any:
    return json({"item": number, "page": int(request["query_params"]["page"][0]), "session": request["cookies"]["session"]})


async def give_back(request: Any) -> Any:
    return json(request["json"])


@websocket
async def converse(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


def hello() -> Any:
    return build_server(apply_middleware(wrap_routes([("/hello", ["GET"], greet)]))(standard_not_found))


def routed() -> Any:
    routes = [(f"/shop/shelf{shelf:02}/items/{{number:int}}", ["GET"], show) for shelf in range(SHELVES)]
    return build_server(apply_middleware(wrap_cookies(), wrap_parameters(), wrap_routes(routes))(standard_not_found))


def post() -> Any:
    return build_server(apply_middleware(wrap_json(), wrap_routes([("/echo", ["POST"], give_back)]))(standard_not_found))


def talk() -> Any:
    return build_server(apply_middleware(wrap_routes([("/talk", ["WS"], converse)]))(standard_not_found))
