"""blacksheep, as its documentation writes it."""

from __future__ import annotations

from typing import Any

from blacksheep import Application, FromCookie, FromJSON, FromQuery, Response, WebSocket, WebSocketDisconnectError, json, text
from blacksheep.server.routing import Router

from ..works import GREETING, SHELVES


async def greet() -> Response:
    return text(GREETING)


class FromSession(FromCookie[str]):
    name = "session"


async def show(number: int, page: FromQuery[int], session: FromSession) -> Response:
    return json({"item": number, "page": page.value, "session": session.value})


async def give_back(document: FromJSON[dict[str, Any]]) -> Response:
    return json(document.value)


async def converse(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnectError:
        pass


def hello() -> Any:
    app = Application(router=Router())
    app.router.add_get("/hello", greet)
    return app


def routed() -> Any:
    app = Application(router=Router())
    for shelf in range(SHELVES):
        app.router.add_get(f"/shop/shelf{shelf:02}/items/{{int:number}}", show)
    return app


def post() -> Any:
    app = Application(router=Router())
    app.router.add_post("/echo", give_back)
    return app


def talk() -> Any:
    app = Application(router=Router())
    app.router.add_ws("/talk", converse)
    return app
