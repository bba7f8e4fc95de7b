"""starlette, as its documentation writes it."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..works import GREETING, SHELVES


async def greet(request: Request) -> Response:
    return PlainTextResponse(GREETING)


async def show(request: Request) -> Response:
    return JSONResponse({"item": request.path_params["number"], "page": int(request.query_params["page"]), "session": request.cookies["session"]})


async def give_back(request: Request) -> Response:
    return JSONResponse(await request.json())


async def converse(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


def hello() -> Any:
    return Starlette(routes=[Route("/hello", greet)])


def routed() -> Any:
    return Starlette(routes=[Route(f"/shop/shelf{shelf:02}/items/{{number:int}}", show) for shelf in range(SHELVES)])


def post() -> Any:
    return Starlette(routes=[Route("/echo", give_back, methods=["POST"])])


def talk() -> Any:
    return Starlette(routes=[WebSocketRoute("/talk", converse)])
