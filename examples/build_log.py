"""Any other source joins the mailbox, and effects are open: the log of a build is a feed, stopping the build an effect of our own.

Run it with ``uvicorn --app-dir examples build_log:app``, follow ``ws://localhost:8000/jobs/docs``, add lines with
``curl -d 'compiling' localhost:8000/jobs/docs`` and send ``stop`` on the socket.
"""

import asyncio

from shallot import build_server, feed, standard_not_found, websocket, ws_send
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import text

jobs = {name: asyncio.Queue(maxsize=100) for name in ("app", "docs")}  # a stand-in for builds: the lines of each, None behind the last


async def follow(job):
    while job in jobs and (line := await jobs[job].get()) is not None:
        yield line


@websocket
async def build_log(scope, receiver, job):
    yield feed("log", follow(job))  # follow(): any async iterable
    async for message in receiver:
        match message:
            case {"type": "feed.item", "data": line}:
                yield ws_send(line)
            case {"type": "feed.ended"}:
                return
            case "stop":
                yield {"type": "job.kill", "job": job}


async def kill(effect, scope):  # what it returns is the value of the yield
    await jobs[effect["job"]].put(None)


async def add_line(request, job):
    if job not in jobs:
        return text("no such job", 404)
    if jobs[job].full():
        return text("nobody reads this log", 503)
    jobs[job].put_nowait(request["body"].decode())
    return {"status": 204}


routes = [
    ("/jobs/{job}", ["WS"], build_log),
    ("/jobs/{job}", ["POST"], add_line),
]
handler = apply_middleware(wrap_routes(routes))(standard_not_found)
app = build_server(handler, effects={"job.kill": kill})
