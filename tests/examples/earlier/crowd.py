"""A chat room by hand, as one had to write it: the receiver is read by ``__anext__`` in a task of its own, and poured with a polled log into one queue.

Nothing ends those tasks; the room's polling outlives its client. The engine must bear it.
"""

import asyncio

from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import json, ws_send

spoken = []


async def from_client(name, receiver):
    while True:
        words = await receiver.__anext__()
        yield name, words


async def from_crowd(name):
    position = len(spoken)
    while True:
        while position < len(spoken):
            speaker, words = spoken[position]
            position += 1
            if speaker != name:
                yield speaker, words
        await asyncio.sleep(0.005)


async def both(*streams):
    queue = asyncio.Queue()

    async def pour(stream):
        async for item in stream:
            await queue.put(item)

    for stream in streams:
        asyncio.ensure_future(pour(stream))  # noqa: RUF006  # nobody keeps it, as in the programs of the time
    while True:
        yield await queue.get()


@websocket
async def crowd(scope, receiver, name):
    async for speaker, words in both(from_client(name, receiver), from_crowd(name)):
        if speaker == name:
            spoken.append((name, words))
        else:
            yield ws_send(f"{speaker} says {words}")


async def alive(request):
    return json({"alive": True})


handler = apply_middleware(wrap_routes([("/crowd/{name}", ["WS"], crowd), ("/", ["GET"], alive)]))(standard_not_found)
app = build_server(handler)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app)
