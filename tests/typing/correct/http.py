"""Handlers, middlewares and tables as one writes them."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NotRequired, TypedDict

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, chain_middleware, wrap_cookies, wrap_cors, wrap_json, wrap_parameters, wrap_routes
from shallot.response import json, respond404, text
from shallot.types import AnyEffect, Handler, Middleware, NextMiddleware, Request, Response, Routes


async def hello(request: Request) -> Response:
    return {"status": 200, "body": b"hello"}


def in_a_thread(request: Request) -> Response:
    return text("plain def")


async def with_parameter(request: Request, number: int) -> Response:
    return json({"number": number}, status=201) if number else respond404()


class Tenanted(Request):
    """Keys of one's own come by subclassing."""

    tenant: NotRequired[str]


async def own_key(request: Tenanted) -> Response:
    if "tenant" not in request:
        return text("who?", 401)
    request["tenant"] = request["tenant"].lower()
    return text(request["tenant"])


class Tagged(Response):
    """A response with a key for a middleware of one's own."""

    tags: NotRequired[list[str]]


async def tagged(request: Request) -> Tagged:
    return {"status": 200, "tags": ["fruit"]}


async def by_method(request: Request) -> Response:
    if request["method"] == "POST" and request["type"] == "http":
        return {"status": 303, "headers": {"location": "/", "x-many": ["a", "b"]}}
    return text(request["headers"].get("host", ""), 200)


async def chunks() -> AsyncIterator[bytes]:
    yield b"a"


async def streamed(request: Request) -> Response:
    return {"status": 200, "stream": chunks()}


async def upload(request: Request) -> Response:
    size = 0
    if "stream" in request:
        async for chunk in request["stream"]:
            size += len(chunk)
    return text(str(size), 201)


class OrderPlaced(TypedDict):
    type: str
    number: int


async def order(request: Request) -> Response:
    placed: OrderPlaced = {"type": "order.placed", "number": 1}
    return {"status": 202, "effects": [placed]}


async def place(effect: AnyEffect, scope: Mapping[str, object]) -> None:
    print(effect["number"])


def wrap_tenant(default: str) -> Middleware:
    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def tenant(handler: Handler, request: Tenanted) -> Response:
            request["tenant"] = request["headers"].get("x-tenant", default)
            response = await next_middleware(handler, request)
            return {**response, "headers": {**response.get("headers", {}), "x-tenant": request["tenant"]}}

        return tenant

    return middleware


routes: Routes = [
    ("/", ["GET"], hello),
    ("/thread", ["GET", "POST"], in_a_thread, {"name": "thread", "summary": "Runs in a thread"}),
    (
        "/fruits",
        [
            ("/{number:int}", ["GET"], with_parameter, {"mine": True, "limits": {"send_s": 5}}),
            ("/nested", [("/deeper", ("PUT",), own_key)], {"role": "admin"}),
        ],
    ),
    ("/tagged", ["GET"], tagged),
]


@asynccontextmanager
async def pool(config: Mapping[str, object]) -> AsyncGenerator[str, None]:
    yield "connection"


async def on_start(context: Mapping[str, object]) -> dict[str, object]:
    return {"greeting": "hello"}


handler = apply_middleware(wrap_tenant("acme"), wrap_cookies, wrap_parameters(), wrap_cors(), wrap_routes(routes), wrap_json())(standard_not_found)
app = build_server(handler, on_start=on_start, resources={"db": pool}, limits={"body_bytes": 1, "idle_s": None}, effects={"order.placed": place})
same = chain_middleware(wrap_json)(hello)
