"""quart, as its documentation writes it."""

from __future__ import annotations

from typing import Any

from quart import Quart, request, websocket

from ..works import GREETING, SHELVES


async def greet() -> Any:
    return GREETING, 200, {"content-type": "text/plain"}


async def show(number: int) -> Any:
    return {"item": number, "page": request.args.get("page", type=int), "session": request.cookies["session"]}


async def give_back() -> Any:
    return await request.get_json()


async def converse() -> None:
    while True:
        await websocket.send(await websocket.receive())


def hello() -> Any:
    app = Quart(__name__)
    app.get("/hello")(greet)
    return app


def routed() -> Any:
    app = Quart(__name__)
    for shelf in range(SHELVES):
        app.get(f"/shop/shelf{shelf:02}/items/<int:number>")(show)
    return app


def post() -> Any:
    app = Quart(__name__)
    app.post("/echo")(give_back)
    return app


def talk() -> Any:
    app = Quart(__name__)
    app.websocket("/talk")(converse)
    return app
