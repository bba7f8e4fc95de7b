"""A real site: secure by default, and changed as data. The order of its layers is not its own to get wrong.

Run it with ``uvicorn --app-dir examples greeting_site:app``, on https://example.org; on your own machine with ``SITE_DEBUG=1`` in the environment.
``python -m shallot check --app-dir examples greeting_site:app`` says what it thinks of it.
"""

import os
import secrets

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.middlewares import csrf_token, site_defaults, wrap_defaults
from shallot.response import html, redirect

KEY = os.environ.get("SITE_KEY") or secrets.token_urlsafe(32)  # without one, sessions end with the process


async def home(request):
    token, name = csrf_token(request), request["session"].get("user", "stranger")
    return html(
        f'<!doctype html><p>Hello, {name}<form method="post" action="/login">'
        f'<input type="hidden" name="__anti_forgery_token" value="{token}"><button>I am Ann</button></form>'
    )


async def log_in(request):
    request["session"]["user"] = "Ann"  # a new id comes by itself
    return redirect("/")


@websocket
async def echo(scope, receiver):
    async for message in receiver:
        yield ws_send(message)


routes = [
    ("/", ["GET"], home),
    ("/login", ["POST"], log_in),
    ("/echo", ["WS"], echo),
]

settings = {**site_defaults, "hosts": ["example.org"], "session": {**site_defaults["session"], "keys": [KEY]}}
if os.environ.get("SITE_DEBUG"):
    settings = {**settings, "debug": True, "hosts": []}
app = build_server(wrap_defaults(settings, routes)(standard_not_found))  # owns the order: hosts, session, ... -> routes -> auth, csrf, limits
