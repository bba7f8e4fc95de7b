"""fastapi, as its documentation writes it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Cookie, FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse

from ..works import GREETING, SHELVES


async def greet() -> str:
    return GREETING


async def show(number: int, page: int, session: Annotated[str, Cookie()]) -> dict[str, Any]:
    return {"item": number, "page": page, "session": session}


async def give_back(document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    return document


async def converse(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


def hello() -> Any:
    app = FastAPI()
    app.get("/hello", response_class=PlainTextResponse)(greet)
    return app


def routed() -> Any:
    app = FastAPI()
    for shelf in range(SHELVES):
        app.get(f"/shop/shelf{shelf:02}/items/{{number}}")(show)
    return app


def post() -> Any:
    app = FastAPI()
    app.post("/echo")(give_back)
    return app


def talk() -> Any:
    app = FastAPI()
    app.websocket("/talk")(converse)
    return app
