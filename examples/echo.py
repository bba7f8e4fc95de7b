"""An echo, and a guard at the door: who brings no ``token`` cookie gets a real HTTP 401 and never a socket, and so do pages of other
sites, which a browser would send the cookie for, with a 403.

Run it with ``uvicorn --app-dir examples echo:app`` and talk to ``ws://localhost:8000/echo``.
"""

from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_origin, wrap_routes
from shallot.response import text, ws_accept, ws_close, ws_send


async def invited(scope):
    if "token" not in scope["cookies"]:
        return text("who are you?", 401)  # a real HTTP 401; the socket never opens
    scope["user"] = scope["cookies"]["token"]
    return ws_accept(subprotocol="v1")


async def gone(scope):
    print(scope["user"], "left with", scope["close"]["code"])


@websocket(on_connect=invited, on_close=gone, max_message_bytes=65536)
async def echo(scope, receiver):
    async for message in receiver:  # str or bytes, as the client chose
        yield ws_send(message)
        if message == "exit":
            yield ws_close(1001, "bye")


app = build_server(apply_middleware(wrap_origin(absent="allow"), wrap_cookies(), wrap_routes([("/echo", ["WS"], echo)]))(standard_not_found))
