"""Two conversations: one answers each message, one only listens, never yields, and fails on a word."""

from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import ws_send

heard = []


@websocket
async def parrot(request, receiver):
    async for message in receiver:
        yield ws_send(f"{message}, {message}!")


@websocket
async def listener(request, receiver):
    async for message in receiver:
        heard.append(message)
        if message == "trip":
            raise RuntimeError("tripped")


app = build_server(apply_middleware(wrap_routes([("/parrot", ["WS"], parrot), ("/listener", ["WS"], listener)]))(standard_not_found))

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app)
