"""The showcase: one page on which two people talk through one generator. ``make run`` serves it; ``make run-cluster`` serves it twice, behind Redis.

``REDIS_URL`` is where the processes meet, and ``SHOWCASE_PEERS`` says where they all are, with blanks between: the page goes on at another if its own ends.
"""

from __future__ import annotations

import os
from inspect import getsource
from pathlib import Path

import shallot.channels
from shallot import build_server, standard_not_found
from shallot.browser import script_route
from shallot.middlewares import apply_middleware, wrap_content_type, wrap_parameters, wrap_routes, wrap_static
from shallot.response import file, json, text

from .handlers import chat, echo, ticker

__all__ = ["app", "routes"]

HERE = Path(__file__).parent
REDIS_URL = os.environ.get("REDIS_URL")
PEERS = os.environ.get("SHOWCASE_PEERS", "").split()
TOPICS = {"chat:*": {"keep": 200, "ttl_s": 3600, "presence": True}}
CONNECT = " ".join(["'self'", *PEERS, *(peer.replace("http", "ws", 1) for peer in PEERS)])

PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {CONNECT}; "
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
    shown = {data["name"]: handler for _, _, handler, data in routes}
    return text(getsource(shown[name])) if name in shown else text("no route has this name", 404)


async def list_peers(request):
    return json(PEERS)


def channels(config):
    """Each is asked for by its name, for the one needs the extra redis, which ``make run`` does without."""
    return shallot.channels.redis_channels(REDIS_URL, TOPICS) if REDIS_URL else shallot.channels.memory_channels(TOPICS)


async def on_start(context):
    return {"tickers": {"running": 0}, "process": os.getpid()}


routes = [
    ("/chat/{room}", ["WS", "GET"], chat, {"name": "chat", "summary": "A room: all who are in it hear what is said; as events, for who only listens"}),
    ("/ticker", ["WS"], ticker, {"name": "ticker", "summary": "Counts the seconds until you leave; never listens"}),
    ("/echo", ["WS"], echo, {"name": "echo", "summary": "Sends back what it is sent; ends at “exit”"}),
    ("/", ["GET"], page, {"name": "page", "summary": "This page"}),
    ("/routes", ["GET"], list_routes, {"name": "routes", "summary": "This table, as JSON"}),
    ("/peers", ["GET"], list_peers, {"name": "peers", "summary": "Where else this app runs, as JSON"}),
    ("/source/{name}", ["GET"], show_source, {"name": "source", "summary": "The source of a handler"}),
    script_route,
]

app = build_server(
    apply_middleware(
        wrap_page_headers,
        wrap_content_type(),
        wrap_static("static", root_path=HERE),
        wrap_parameters(),
        wrap_routes(routes),
    )(standard_not_found),
    resources={"channels": channels},
    on_start=on_start,
)
