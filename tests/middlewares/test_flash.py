from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_accept, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.flash import flash_request, flash_response, take_flash, with_flash, wrap_flash
from shallot.middlewares.routing import wrap_routes
from shallot.middlewares.session import wrap_session
from shallot.response import redirect, text
from shallot.sessions.memory import memory_store
from shallot.testing import Denied, client


def message(text: str, level: str = "info") -> Any:
    return {"text": text, "level": level}


def test_with_flash() -> None:
    response: Any = {"status": 303}
    one = with_flash(response, "saved")
    assert with_flash(one, "but", "error") == {"status": 303, "flash": [message("saved"), message("but", "error")]}
    assert response == {"status": 303}
    assert one == {"status": 303, "flash": [message("saved")]}


def test_take_flash_is_once() -> None:
    request: Any = {"session": {"flash": [message("saved")], "n": 1}}
    assert take_flash(request) == [message("saved")]
    assert take_flash(request) == []
    assert request == {"session": {"n": 1}}


@pytest.mark.parametrize(
    ("response", "session", "expected"),
    [
        pytest.param({"status": 200}, {"n": 1}, {"status": 200}, id="none"),
        pytest.param({"status": 200, "flash": []}, {"n": 1}, {"status": 200}, id="an empty list"),
        pytest.param({"status": 200, "flash": [message("a")]}, {"n": 1}, {"status": 200, "session": {"n": 1, "flash": [message("a")]}}, id="one"),
        pytest.param(
            {"status": 200, "flash": [message("b")]},
            {"flash": [message("a")]},
            {"status": 200, "session": {"flash": [message("a"), message("b")]}},
            id="behind one that waits",
        ),
        pytest.param(
            {"status": 200, "flash": [message("a")], "session": {"m": 2}},
            {"n": 1},
            {"status": 200, "session": {"m": 2, "flash": [message("a")]}},
            id="beside a new session",
        ),
        pytest.param(
            {"status": 200, "flash": [message("bye")], "session": None},
            {"n": 1},
            {"status": 200, "session": {"flash": [message("bye")]}, "rotate_session": True},
            id="at the end of the session",
        ),
        pytest.param(
            {"status": 200, "flash": [message(str(n)) for n in range(5, 25)]},
            {"flash": [message(str(n)) for n in range(5)]},
            {"status": 200, "session": {"flash": [message(str(n)) for n in range(5, 25)]}},
            id="the oldest go",
        ),
    ],
)
def test_response(response: Any, session: Any, expected: Any) -> None:
    before = repr((response, session))
    assert flash_response(response, {"session": session}) == expected
    assert repr((response, session)) == before


def test_without_a_session() -> None:
    with pytest.raises(TypeError, match='^wrap_flash: request has no "session"; put wrap_session outside it$'):
        flash_request({})


async def test_wrapped_without_a_session() -> None:
    with pytest.raises(TypeError, match="put wrap_session outside it"):
        await apply_middleware(wrap_flash())(standard_not_found)({})


async def save(request: Any) -> Any:
    return with_flash(redirect("/"), "saved")


async def page(request: Any) -> Any:
    return text(" ".join(f"{one['level']}: {one['text']}" for one in take_flash(request)))


async def login(request: Any) -> Any:
    return {**with_flash(redirect("/"), "welcome"), "session": {"user": "ann"}}


async def logout(request: Any) -> Any:
    return {**with_flash(redirect("/"), "bye"), "session": None}


def greet(scope: Any) -> Any:
    scope["greeting"] = take_flash(scope)
    return ws_accept() if scope["greeting"] else with_flash(text("no", 403), "nothing for you")


@websocket(on_connect=greet)
async def greeting(scope: Any, receiver: Any) -> Any:
    yield ws_send(scope["greeting"][0]["text"])


ROWS = [("/", ["GET"], page), ("/", ["POST"], save), ("/in", ["POST"], login), ("/out", ["POST"], logout), ("/ws", ["WS"], greeting)]


def app() -> Any:
    return build_server(apply_middleware(wrap_session(memory_store()), wrap_flash(), wrap_routes(ROWS))(standard_not_found))


async def test_across_a_redirect() -> None:
    async with client(app()) as c:
        assert (await c.get("/"))["body"] == b""
        assert c.cookies == {}
        await c.post("/")
        assert (await c.get("/"))["body"] == b"info: saved"
        assert (await c.get("/"))["body"] == b""
        assert c.cookies == {}


async def test_across_login_and_logout() -> None:
    async with client(app()) as c:
        await c.post("/in")
        assert (await c.get("/"))["body"] == b"info: welcome"
        old = dict(c.cookies)
        await c.post("/out")
        assert old != c.cookies != {}
        assert (await c.get("/"))["body"] == b"info: bye"
        assert c.cookies == {}


async def test_on_a_websocket() -> None:
    async with client(app()) as c:
        await c.post("/")
        async with c.websocket("/ws") as ws:
            assert await ws.expect() == "saved"
        refused = await c.get("/ws")
        assert refused["status"] == 426
        with pytest.raises(Denied, match="403"):
            async with c.websocket("/ws"):
                pass
        assert (await c.get("/"))["body"] == b"info: nothing for you"
