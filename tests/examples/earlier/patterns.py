"""Three ways to talk: the client reports and hears nothing, the server counts and asks nothing, and the two take turns."""

import asyncio

from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import ws_send

reports = []


@websocket
async def reporting(request, receiver):
    async for report in receiver:
        reports.append(report)


@websocket
async def counting(request, receiver):
    number = 0
    while True:
        yield ws_send(f"number {number}")
        number += 1
        await asyncio.sleep(0)


@websocket
async def taking_turns(request, receiver):
    async for message in receiver:
        if message == "knock knock":
            yield ws_send("who is there?")
        elif message == "enough":
            yield ws_send("as you like")
            break
        else:
            yield ws_send("pardon?")


app = build_server(
    apply_middleware(
        wrap_routes(
            [
                ("/reporting", ["WS"], reporting),
                ("/counting", ["WS"], counting),
                ("/turns", ["WS"], taking_turns),
            ]
        )
    )(standard_not_found)
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app)
