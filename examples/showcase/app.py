"""The showcase: one page on which two people talk through one generator. ``make run`` serves it."""

from __future__ import annotations

from inspect import getsource
from pathlib import Path

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, wrap_content_type, wrap_parameters, wrap_routes, wrap_static
from shallot.response import file, json, text

from .handlers import chat, echo, say, ticker

__all__ = ["app", "effects", "routes"]

HERE = Path(__file__).parent

PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def wrap_page_headers(next_middleware):
    """A middleware of our own: what every answer of this app says to the browser."""

    async def page_headers(handler, request):
        response = await next_middleware(handler, request)
        return {**response, "headers": {**PAGE_HEADERS, **response.get("headers", {})}}

    return page_headers


async def page(request):
    return file(HERE / "static" / "index.html")


async def list_routes(request):
    return json([{"path": path, "methods": methods, **data} for path, methods, _, data in routes])


async def show_source(request, name):
    shown = {**{data["name"]: handler for _, _, handler, data in routes}, **effects}
    return text(getsource(shown[name])) if name in shown else text("no route and no effect has this name", 404)


async def on_start(context):
    return {"rooms": {}, "tickers": {"running": 0}}


routes = [
    ("/chat/{room}", ["WS"], chat, {"name": "chat", "summary": "A room: all who are in it hear what is said"}),
    ("/ticker", ["WS"], ticker, {"name": "ticker", "summary": "Counts the seconds until you leave; never listens"}),
    ("/echo", ["WS"], echo, {"name": "echo", "summary": "Sends back what it is sent; ends at “exit”"}),
    ("/", ["GET"], page, {"name": "page", "summary": "This page"}),
    ("/routes", ["GET"], list_routes, {"name": "routes", "summary": "This table, as JSON"}),
    ("/source/{name}", ["GET"], show_source, {"name": "source", "summary": "The source of a handler or an effect"}),
]

effects = {"room.say": say}

app = build_server(
    apply_middleware(
        wrap_page_headers,
        wrap_content_type(),
        wrap_static("static", root_path=HERE),
        wrap_parameters(),
        wrap_routes(routes),
    )(standard_not_found),
    on_start=on_start,
    effects=effects,
)
