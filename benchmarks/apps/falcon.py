"""falcon's ASGI side, as its documentation writes it."""

from __future__ import annotations

from typing import Any

import falcon
import falcon.asgi
from falcon import WebSocketDisconnected

from ..works import GREETING, SHELVES


class Greeting:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = GREETING


class Item:
    async def on_get(self, req: Any, resp: Any, number: int) -> None:
        resp.media = {"item": number, "page": req.get_param_as_int("page", required=True), "session": req.get_cookie_values("session")[0]}


class Echo:
    async def on_post(self, req: Any, resp: Any) -> None:
        resp.media = await req.get_media()


class Conversation:
    async def on_websocket(self, req: Any, ws: Any) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_text(await ws.receive_text())
        except WebSocketDisconnected:
            pass


def hello() -> Any:
    app = falcon.asgi.App()
    app.add_route("/hello", Greeting())
    return app


def routed() -> Any:
    app = falcon.asgi.App()
    item = Item()
    for shelf in range(SHELVES):
        app.add_route(f"/shop/shelf{shelf:02}/items/{{number:int}}", item)
    return app


def post() -> Any:
    app = falcon.asgi.App()
    app.add_route("/echo", Echo())
    return app


def talk() -> Any:
    app = falcon.asgi.App()
    app.add_route("/talk", Conversation())
    return app
