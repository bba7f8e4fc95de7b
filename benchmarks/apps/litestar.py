"""litestar, as its documentation writes it."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Litestar, MediaType, WebSocket, get, websocket
from litestar import post as post_to
from litestar.exceptions import WebSocketDisconnect
from litestar.params import Parameter
from litestar.status_codes import HTTP_200_OK

from ..works import GREETING, SHELVES


@get("/hello", media_type=MediaType.TEXT)
async def greet() -> str:
    return GREETING


@get([f"/shop/shelf{shelf:02}/items/{{number:int}}" for shelf in range(SHELVES)])
async def show(number: int, page: int, session: Annotated[str, Parameter(cookie="session")]) -> dict[str, Any]:
    return {"item": number, "page": page, "session": session}


@post_to("/echo", status_code=HTTP_200_OK)
async def give_back(data: dict[str, Any]) -> dict[str, Any]:
    return data


@websocket("/talk")
async def converse(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


def hello() -> Any:
    return Litestar([greet])


def routed() -> Any:
    return Litestar([show])


def post() -> Any:
    return Litestar([give_back])


def talk() -> Any:
    return Litestar([converse])
