from __future__ import annotations

import gzip
from typing import Any

import pytest

from shallot import build_server
from shallot.compose import apply_middleware
from shallot.errors import BadRequest, BodyTooLarge
from shallot.middlewares.inflate import inflate_request, wrap_inflate
from shallot.middlewares.json import wrap_json
from shallot.response import json
from shallot.testing import client

PACKED = gzip.compress(b'{"n":1}')


def asking(body: bytes = PACKED, **headers: str) -> Any:
    return {"type": "http", "headers": {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}, "body": body}


@pytest.mark.parametrize(
    ("request_", "body", "headers"),
    [
        pytest.param(asking(content_encoding="gzip", accept="*/*"), b'{"n":1}', {"accept": "*/*", "content-length": "7"}, id="compressed"),
        pytest.param(asking(b"1"), b"1", {"content-length": "1"}, id="plain"),
        pytest.param(asking(b"", content_encoding="gzip"), b"", {"content-length": "0", "content-encoding": "gzip"}, id="no body"),
        pytest.param({"type": "websocket", "headers": {"content-encoding": "gzip"}, "body": b""}, b"", {"content-encoding": "gzip"}, id="a WebSocket"),
        pytest.param({"body": b"1"}, b"1", None, id="the smallest request"),
    ],
)
async def test_the_body_as_if_it_had_come_plain(request_: Any, body: bytes, headers: Any) -> None:
    async def show(request: Any) -> Any:
        return {"status": 200, "body": request["body"], "seen": request.get("headers")}

    given = request_.get("headers")
    before = dict(given or {})
    assert await apply_middleware(wrap_inflate)(show)(request_) == {"status": 200, "body": body, "seen": headers}
    assert (given or {}) == before


def test_the_pure_half() -> None:
    request = asking(content_encoding="gzip")
    assert inflate_request(request) is request
    assert request["body"] == b'{"n":1}'
    assert inflate_request(request)["body"] == b'{"n":1}'
    with pytest.raises(BodyTooLarge):
        inflate_request(asking(gzip.compress(bytes(9_999)), content_encoding="gzip"), 9_998, 1000)
    with pytest.raises(BadRequest):
        inflate_request(asking(PACKED[:-1], content_encoding="gzip"))


@pytest.mark.parametrize("bound", [0, True, 1.5, None], ids=repr)
@pytest.mark.parametrize("option", ["max_bytes", "max_ratio"])
def test_options(option: str, bound: Any) -> None:
    with pytest.raises(ValueError, match=f"^wrap_inflate: {option} must be a whole number from 1 on, not {bound!r}$"):
        wrap_inflate(**{option: bound})


async def test_in_an_app() -> None:
    async def show(request: Any) -> Any:
        return json(request["json"])

    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    async with client(build_server(apply_middleware(wrap_inflate(), wrap_json())(show))) as c:
        assert (await c.post("/", body=PACKED, headers=headers))["json"] == {"n": 1}
        for body, status in ((PACKED[:-1], 400), (gzip.compress(bytes(2_000_000)), 413)):
            assert (await c.post("/", body=body, headers=headers))["status"] == status
        assert (await c.post("/", body=PACKED, headers={**headers, "content-encoding": "br"}))["status"] == 415
    async with client(build_server(apply_middleware(wrap_json())(show))) as c:
        assert (await c.post("/", body=PACKED, headers=headers))["status"] == 415
