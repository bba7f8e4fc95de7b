"""The smallest app: a function from a dict to a dict. Run it with ``uvicorn --app-dir examples hello:app``."""

from shallot import build_server


async def hello(request):
    return {"status": 200, "body": b"hello"}


app = build_server(hello)  # uvicorn hello:app | hypercorn hello:app | granian --interface asgi hello:app
