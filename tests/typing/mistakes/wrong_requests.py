"""Questions that a request cannot answer."""

from typing import NotRequired

from shallot.response import text
from shallot.types import Request, Response, WSScope


class Tenanted(Request):
    tenant: NotRequired[str]


async def misspelt_key(request: Request) -> Response:
    return text(request["paht"])  # error: mypy pyright


async def lower_case_method(request: Request) -> Response:
    if request["method"] == "get":  # error: mypy pyright
        return text("never")
    return text("always")


async def written_body(request: Request) -> Response:
    request["body"] = b"changed"  # error: mypy pyright
    return text("")


async def written_header_table(request: Request) -> Response:
    request["headers"] = {}  # error: mypy pyright
    return text("")


async def body_is_bytes(request: Request) -> Response:
    return text(request["body"])  # error: mypy pyright


async def undeclared_key_of_my_own(request: Request) -> Response:
    request["tenant"] = "acme"  # error: mypy pyright
    return text("")


async def own_key_of_another_type(request: Tenanted) -> Response:
    request["tenant"] = 7  # error: mypy pyright
    return text("")


def http_only_key(scope: WSScope) -> object:
    return scope["stream"]  # error: mypy pyright


def never_a_post(scope: WSScope) -> bool:
    return scope["method"] == "POST"  # error: mypy pyright


def key_that_may_be_missing(request: Request) -> dict[str, str]:
    return request["cookies"]  # error: pyright
