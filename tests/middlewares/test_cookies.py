from __future__ import annotations

from typing import Any

import pytest

from shallot.compose import apply_middleware
from shallot.middlewares.cookies import cookies_request, cookies_response, wrap_cookies

DELETED = "gone=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"


@pytest.mark.parametrize(
    ("request_", "cookies"),
    [
        pytest.param({}, {}, id="the smallest request"),
        pytest.param({"headers": {}}, {}, id="none"),
        pytest.param({"headers": {"cookie": ""}}, {}, id="empty"),
        pytest.param({"headers": {"cookie": "a=1; junk; b=%C3%A9"}}, {"a": "1", "b": "é"}, id="two and junk"),
        pytest.param({"type": "websocket", "headers": {"cookie": "a=1"}}, {"a": "1"}, id="a WebSocket"),
        pytest.param({"headers": {"cookie": "a=1"}, "cookies": {"a": "2"}}, {"a": "2"}, id="there already"),
    ],
)
def test_request(request_: Any, cookies: Any) -> None:
    assert cookies_request(request_) is request_
    assert request_["cookies"] == cookies


CONVERSATION = {"handler": None}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param({"status": 200}, {"status": 200}, id="none"),
        pytest.param({"status": 200, "cookies": {}}, {"status": 200}, id="empty"),
        pytest.param({"status": 200, "cookies": {"a": {"value": 1}}}, {"status": 200, "headers": {"set-cookie": ["a=1"]}}, id="one"),
        pytest.param(
            {"status": 200, "cookies": {"a": {"value": 1, "path": "/"}, "gone": None}},
            {"status": 200, "headers": {"set-cookie": ["a=1; Path=/", DELETED]}},
            id="one is deleted",
        ),
        pytest.param(
            {"status": 200, "headers": {"x": "1", "Set-Cookie": "s=1"}, "cookies": {"a": {"value": 1}}},
            {"status": 200, "headers": {"x": "1", "set-cookie": ["s=1", "a=1"]}},
            id="behind a header",
        ),
        pytest.param(
            {"status": 200, "headers": {"set-cookie": ["s=1", "t=1"]}, "cookies": {"a": {"value": 1}}},
            {"status": 200, "headers": {"set-cookie": ["s=1", "t=1", "a=1"]}},
            id="behind a list",
        ),
        pytest.param({"status": 200, "headers": None, "cookies": {"a": {"value": 1}}}, {"status": 200, "headers": {"set-cookie": ["a=1"]}}, id="headers None"),
        pytest.param(
            {"status": 101, "headers": {}, "websocket": CONVERSATION, "cookies": {"a": {"value": 1}}},
            {"status": 101, "headers": {"set-cookie": ["a=1"]}, "websocket": CONVERSATION},
            id="an accepted WebSocket",
        ),
        pytest.param({"status": 401, "cookies": {"gone": None}}, {"status": 401, "headers": {"set-cookie": [DELETED]}}, id="a denied one"),
    ],
)
def test_response(response: Any, expected: Any) -> None:
    before = repr(response)
    assert cookies_response(response) == expected
    assert repr(response) == before


def test_without_cookies_the_response_is_not_copied() -> None:
    response: Any = {"status": 200}
    assert cookies_response(response) is response


def test_a_bad_cookie_is_an_error() -> None:
    with pytest.raises(ValueError, match="^a cookie's name must be"):
        cookies_response({"status": 200, "cookies": {"a;b": {"value": 1}}})


@pytest.mark.parametrize("layers", [1, 2, 3])
async def test_wrapped_once_or_more(layers: int) -> None:
    async def count(request: Any) -> Any:
        return {"status": 200, "cookies": {"seen": {"value": int(request["cookies"]["seen"]) + 1}}}

    handler = apply_middleware(*[wrap_cookies()] * layers)(count)
    assert await handler({"headers": {"cookie": "seen=1"}}) == {"status": 200, "headers": {"set-cookie": ["seen=2"]}}


async def test_cookies_of_inner_and_outer_layers_all_arrive() -> None:
    def wrap_mark(next_middleware: Any) -> Any:
        async def mark(handler: Any, request: Any) -> Any:
            response = await next_middleware(handler, request)
            return {**response, "cookies": {"outer": {"value": 1}}}

        return mark

    async def handler(request: Any) -> Any:
        return {"status": 200, "headers": {"set-cookie": "own=1"}, "cookies": {"inner": {"value": 1}}}

    answer = await apply_middleware(wrap_cookies(), wrap_mark, wrap_cookies())(handler)({})
    assert answer == {"status": 200, "headers": {"set-cookie": ["own=1", "inner=1", "outer=1"]}}
