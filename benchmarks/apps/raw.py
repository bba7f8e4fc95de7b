"""By hand: what a careful engineer writes on bare ASGI, and no more. The limit that every ratio is about."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

import orjson

from ..works import GREETING, SHELVES


async def hello_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await live(receive, send)
    if scope["path"] == "/hello" and scope["method"] == "GET":
        await respond(send, b"text/plain; charset=utf-8", GREETING.encode())
    else:
        await refuse(send)


async def routed_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await live(receive, send)
    shelf, _, number = scope["path"].rpartition("/")
    handler = ROUTES.get(shelf)
    if handler is None or scope["method"] != "GET" or not number.isdecimal():
        await refuse(send)
    else:
        await handler(scope, send, int(number))


async def show(scope: Any, send: Any, number: int) -> None:
    cookies: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, text = pair.strip().partition("=")
                cookies[key] = text
            break
    query: dict[str, str] = {}
    for pair in scope["query_string"].decode("latin-1").split("&"):
        key, _, text = pair.partition("=")
        query[key] = unquote_plus(text) if "%" in text or "+" in text else text
    answer = {"item": number, "page": int(query["page"]), "session": cookies["session"]}
    await respond(send, b"application/json", orjson.dumps(answer))


ROUTES = {f"/shop/shelf{shelf:02}/items": show for shelf in range(SHELVES)}


async def post_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await live(receive, send)
    if scope["path"] != "/echo" or scope["method"] != "POST":
        return await refuse(send)
    chunks: list[bytes] = []
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        chunks.append(event.get("body", b""))
        more = event.get("more_body", False)
    await respond(send, b"application/json", orjson.dumps(orjson.loads(b"".join(chunks))))


async def talk_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await live(receive, send)
    if scope["type"] != "websocket" or scope["path"] != "/talk":
        return await refuse(send)
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return None
        text = event.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


async def respond(send: Any, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def live(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def hello() -> Any:
    return hello_app


def routed() -> Any:
    return routed_app


def post() -> Any:
    return post_app


def talk() -> Any:
    return talk_app
