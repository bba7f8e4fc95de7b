from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server
from shallot.codec.json import JSONError
from shallot.compose import apply_middleware
from shallot.errors import UnsupportedMedia
from shallot.middlewares.json import json_request, wrap_json
from shallot.testing import client


def asking(content_type: str | None = None, body: bytes = b"", **keys: Any) -> Any:
    return {"type": "http", "method": "POST", "headers": {} if content_type is None else {"content-type": content_type}, "body": body, **keys}


async def answer(request: Any, *options: Any, **named: Any) -> Any:
    async def show(request: Any) -> Any:
        return {"status": 200, "got": request["json"]}

    return await apply_middleware(wrap_json(*options, **named))(show)(request)


OBJECT = b'{"a": [1, null]}'


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        pytest.param(asking("application/json", OBJECT), {"a": [1, None]}, id="JSON"),
        pytest.param(asking("application/json; charset=utf-8", OBJECT), {"a": [1, None]}, id="with a charset"),
        pytest.param(asking("Application/JSON", OBJECT), {"a": [1, None]}, id="capitals"),
        pytest.param(asking("application/merge-patch+json", OBJECT), {"a": [1, None]}, id="+json"),
        pytest.param(asking("application/json", b"null"), None, id="null"),
        pytest.param(asking("application/json"), None, id="no body"),
        pytest.param(asking(None, OBJECT), None, id="no type"),
        pytest.param(asking("text/plain", OBJECT), None, id="text"),
        pytest.param(asking("multipart/form-data; boundary=x", OBJECT), None, id="multipart"),
        pytest.param(asking("text/plain; x=application/json", OBJECT), None, id="JSON in a parameter"),
        pytest.param(asking("text/plain,application/json", OBJECT), None, id="two types"),
        pytest.param(asking("text/plain,a/b+json", OBJECT), None, id="two types, the last +json"),
        pytest.param(asking("application/jsonp", OBJECT), None, id="a longer name"),
        pytest.param(asking("text/plain", b"{"), None, id="malformed text"),
        pytest.param(asking("application/json", type="websocket", method="WS"), None, id="a WebSocket"),
        pytest.param({}, None, id="the smallest request"),
        pytest.param({"headers": {"content-type": "application/json"}}, None, id="not even an empty body"),
    ],
)
async def test_json_of_the_body(request_: Any, value: Any) -> None:
    assert await answer(request_) == {"status": 200, "got": value}
    assert request_["json"] == value


MALFORMED = {"status": 400, "body": b"Malformed JSON", "headers": {"content-type": "text/plain; charset=utf-8", "content-length": "14"}}


@pytest.mark.parametrize(
    "body",
    [b"{", b" ", b'{"a":1}x', b"NaN", b'{"a":1,"a":2}', b'"\xff"', b"\xef\xbb\xbf1", b"[" * 65 + b"]" * 65, '{"a":1}'.encode("utf-16")],
    ids=["open", "blank", "more behind", "NaN", "a key twice", "latin-1", "byte order mark", "65 levels", "UTF-16"],
)
async def test_what_is_not_json_is_answered_with_400(body: bytes) -> None:
    assert await answer(asking("application/json", body)) == MALFORMED


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(asking("application/json"), 400, id="JSON"),
        pytest.param(asking("application/json", OBJECT), 200, id="a body"),
        pytest.param(asking("text/plain"), 200, id="another type"),
        pytest.param(asking(), 200, id="no type"),
        pytest.param(asking(type="websocket", method="WS"), 200, id="a WebSocket"),
    ],
)
@pytest.mark.parametrize(("options", "named"), [((True,), {}), ((), {"fail_on_missing_body": True})], ids=["by position", "by name"])
async def test_a_missing_body_can_be_an_error(request_: Any, status: int, options: Any, named: Any) -> None:
    assert (await answer(dict(request_), *options, **named))["status"] == status


def test_request_says_where() -> None:
    with pytest.raises(JSONError, match="^malformed JSON at byte 4$"):
        json_request(asking("application/json", b"[1, "))


def test_request_gives_the_same_request() -> None:
    request = asking("application/json", b"1")
    assert json_request(request) is request
    assert request["json"] == 1


def test_request_takes_an_empty_body_unless_told() -> None:
    assert json_request(asking("application/json"))["json"] is None
    with pytest.raises(JSONError):
        json_request(asking("application/json"), fail_on_missing_body=True)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "nonsense"])
async def test_E12_a_compressed_body_is_refused(coding: str) -> None:
    with pytest.raises(UnsupportedMedia):
        await answer({"headers": {"content-type": "application/json", "content-encoding": coding}, "body": OBJECT})
    assert (await answer({"headers": {"content-type": "text/plain", "content-encoding": coding}, "body": OBJECT}))["got"] is None


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"]", b"tru", b'{"a":1}x'])
async def test_E16_no_json(body: bytes) -> None:
    assert await answer(asking("application/json", body), fail_on_missing_body=True) == MALFORMED


async def test_E17_two_may_ask_for_the_body() -> None:
    async def show(request: Any) -> Any:
        return {"status": 200, "got": [request["json"], request["body"]]}

    request = asking("application/json", OBJECT)
    assert await apply_middleware(wrap_json, wrap_json)(show)(request) == {"status": 200, "got": [{"a": [1, None]}, OBJECT]}


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", None])
async def test_A13_a_form_of_another_site_sends_no_json(content_type: str | None) -> None:
    """CVE-2021-32677"""
    assert (await answer(asking(content_type, OBJECT)))["got"] is None


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("POST", {"content-type": "application/json"}, b"{}", 200),
        ("POST", {"content-type": "application/json"}, b"", 400),
        ("PUT", {"content-type": "text/plain"}, b"{}", 415),
        ("PATCH", {}, b"{}", 415),
        ("POST", {}, b"", 415),
        ("GET", {}, b"", 200),
        ("DELETE", {}, b"", 200),
    ],
)
async def test_A13_a_row_may_demand_json(method: str, headers: dict[str, str], body: bytes, status: int) -> None:
    async def shown(request: Any) -> Any:
        return {"status": 200}

    async with client(build_server(apply_middleware(wrap_json(required=True))(shown))) as c:
        assert (await c.request(method, "/", headers=headers, body=body))["status"] == status
