from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_accept, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.routing import wrap_routes
from shallot.middlewares.timeout import timeout_of, timeout_response, wrap_timeout
from shallot.response import text
from shallot.testing import Denied, client, request, virtual_time

ended: list[str] = []


async def slow(request: Any) -> Any:
    try:
        await asyncio.sleep(20)
        return text("done")
    finally:
        ended.append("finally")


async def greet_slowly(scope: Any) -> Any:
    await asyncio.sleep(5)
    return ws_accept()


@websocket(on_connect=greet_slowly)
async def late(scope: Any, receiver: Any) -> Any:
    yield ws_send("hi")


@websocket
async def patient(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        await asyncio.sleep(60)
        yield ws_send(message)


ROUTES = [
    ("/slow", ["GET"], slow),
    ("/patient", ["GET"], slow, {"timeout_s": 30}),
    ("/endless", ["GET"], slow, {"timeout_s": None}),
    ("/late", ["WS"], late),
    ("/quiet", ["WS"], patient),
]
APP = build_server(apply_middleware(wrap_routes(ROUTES), wrap_timeout(2))(standard_not_found))


@virtual_time
async def test_time_is_up(caplog: pytest.LogCaptureFixture) -> None:
    ended.clear()
    async with client(APP) as c:
        answer = await c.get("/slow", query={"token": "secret"})
    assert (answer["status"], answer["headers"]["content-type"], ended) == (503, "application/problem+json", ["finally"])
    assert caplog.messages == ['GET "/slow": no response within 2 s']


@virtual_time
async def test_a_row_has_its_own() -> None:
    async with client(APP, deadline_s=100) as c:
        assert (await c.get("/patient"))["body"] == b"done"
        assert (await c.get("/endless"))["body"] == b"done"


@virtual_time
async def test_a_handshake_is_bounded_a_conversation_is_not() -> None:
    async with client(APP, deadline_s=100) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket("/late"):
                pass
        assert denied.value.response["status"] == 503
        async with c.websocket("/quiet") as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"


@virtual_time
async def test_J1_a_cancellation_from_outside_is_passed_on() -> None:
    ended.clear()
    task = asyncio.create_task(apply_middleware(wrap_timeout(5))(slow)(request("GET", "/")))  # type: ignore[arg-type]
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled() and ended == ["finally"]


@virtual_time
async def test_a_timeout_of_the_handler_s_own_is_its_own() -> None:
    async def impatient(request: Any) -> Any:
        async with asyncio.timeout(1):
            await asyncio.sleep(3)

    with pytest.raises(TimeoutError):
        await apply_middleware(wrap_timeout(5))(impatient)(request("GET", "/"))


async def test_off_unless_a_row_says_so() -> None:
    async def hello(request: Any) -> Any:
        return text("hi")

    assert (await apply_middleware(wrap_timeout(None))(hello)(request("GET", "/")))["status"] == 200
    assert (await apply_middleware(wrap_timeout)(hello)(request("GET", "/")))["status"] == 200


@virtual_time
async def test_another_status() -> None:
    assert (await apply_middleware(wrap_timeout(1, status=504))(slow)(request("GET", "/")))["status"] == 504


def test_the_halves() -> None:
    assert timeout_response({}, 504)["status"] == 504
    assert (timeout_of({}, 3), timeout_of({"route": {"data": {}}}, 3), timeout_of({"route": {"data": {"timeout_s": None}}}, 3)) == (3, 3, None)
    with pytest.raises(TypeError, match="^wrap_timeout: the row's timeout_s must be a number, or None for no limit; not '5'$"):
        timeout_of({"route": {"data": {"timeout_s": "5"}}}, 3)


@pytest.mark.parametrize(
    ("pile", "kind", "complaint"),
    [
        ([("/a", {"timeout_s": "5"}), wrap_timeout], TypeError, "wrap_timeout: timeout_s of the row '/a' must be a number, or None for no limit; not '5'"),
        (
            [wrap_timeout, ("/a", {"timeout_s": 5})],
            ValueError,
            "wrap_timeout: the row '/a' has timeout_s, which only a wrap_timeout inside",
        ),
    ],
    ids=["no number", "nobody reads it"],
)
def test_what_a_row_says_is_checked_at_the_start(pile: Any, kind: Any, complaint: str) -> None:
    layers = [wrap_routes([(layer[0], ["GET"], slow, layer[1])]) if isinstance(layer, tuple) else layer for layer in pile]
    with pytest.raises(kind) as caught:
        apply_middleware(*layers)(standard_not_found)
    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"seconds": -1}, "wrap_timeout: seconds must be above zero, or None for no limit; not -1"),
        ({"seconds": float("inf")}, "wrap_timeout: seconds must be above zero, or None for no limit; not inf"),
        ({"seconds": True}, "wrap_timeout: seconds must be a number, or None for no limit; not True"),
        ({"status": 408}, "wrap_timeout: status must be 503 or 504, not 408"),
    ],
)
def test_options(options: Any, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError)) as told:
        wrap_timeout(**options)
    assert str(told.value) == complaint
