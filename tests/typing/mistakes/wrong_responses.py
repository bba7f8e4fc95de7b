"""Answers that are none."""

from shallot.response import json, text
from shallot.types import Request, Response


async def misspelt_key(request: Request) -> Response:
    return {"status": 200, "boddy": b"hello"}  # error: mypy pyright


async def missing_status(request: Request) -> Response:
    return {"body": b"hello"}  # error: mypy pyright


async def text_as_body(request: Request) -> Response:
    return {"status": 200, "body": "hello"}  # error: mypy pyright


async def status_as_text(request: Request) -> Response:
    return {"status": "200"}  # error: mypy pyright


async def number_as_header(request: Request) -> Response:
    return {"status": 200, "headers": {"content-length": 5}}  # error: mypy pyright


async def plain_iterator_as_stream(request: Request) -> Response:
    return {"status": 200, "stream": iter([b"a"])}  # error: mypy pyright


async def no_answer(request: Request) -> Response:
    text("lost")
    return None  # error: mypy pyright


async def status_first(request: Request) -> Response:
    return text(404, "no such fruit")  # error: mypy pyright


async def misspelt_option(request: Request) -> Response:
    return json({}, ensure_asci=True)  # error: mypy pyright
