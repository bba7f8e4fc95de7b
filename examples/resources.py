"""A resource lives as long as the app: opened before the first request, closed after the last.

Run it with ``uvicorn --app-dir examples resources:app``, then ``curl localhost:8000``.
"""

from contextlib import asynccontextmanager

from shallot import build_server
from shallot.response import json


class Connection:
    """A stand-in for a connection to a database."""

    is_open = True

    async def fetch(self, question):
        return {"question": question, "answer": 42}

    async def close(self):
        self.is_open = False


async def connect():
    return Connection()


@asynccontextmanager
async def pool(config):
    connection = await connect()
    try:
        yield connection
    finally:
        await connection.close()


async def handler(request):
    return json(await request["config"]["db"].fetch("everything"))


app = build_server(handler, resources={"db": pool})  # request["config"]["db"]
