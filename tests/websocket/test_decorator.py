from __future__ import annotations

import asyncio
import inspect
from functools import partial

import pytest

from shallot.effects import ws_accept, ws_close, ws_send
from shallot.testing import virtual_time
from shallot.websocket import websocket


async def echo(scope, receiver, room):
    """Says it again."""
    async for message in receiver:
        yield ws_send(message)


async def answer(endpoint, *params, **keys):
    return await endpoint({"type": "websocket", **keys}, *params)


async def test_bare_it_answers_with_the_conversation_as_data():
    endpoint = websocket(echo)
    conversation = {"handler": echo, "params": ("lobby",), "subprotocol": None, "limits": {}, "hooks": {}, "taps": []}
    assert await answer(endpoint, "lobby") == {"status": 101, "headers": {}, "websocket": conversation}
    assert endpoint.__wrapped__ is echo and endpoint.is_websocket and endpoint.__doc__ == "Says it again."
    assert list(inspect.signature(endpoint).parameters) == ["scope", "receiver", "room"]


async def test_options_are_part_of_the_data():
    async def closed(scope):
        pass

    endpoint = websocket(on_close=closed, on_disconnect=closed, reads=False, idle_s=5)(echo)
    conversation = (await answer(endpoint, "lobby"))["websocket"]
    assert conversation["hooks"] == {"on_close": closed, "on_disconnect": closed}
    assert (conversation["limits"], conversation["reads"]) == ({"idle_s": 5}, False)


@pytest.mark.parametrize("hook", ["on_connect", "on_disconnect", "on_close"])
def test_a_hook_is_a_function(hook):
    with pytest.raises(TypeError, match=f"@websocket echo: {hook} must be a function of the scope, got 7"):
        websocket(**{hook: 7})(echo)
    with pytest.raises(TypeError, match=rf"^@websocket echo: {hook} is called with \(scope\): missing a required argument: 'receiver'$"):
        websocket(**{hook: lambda scope, receiver: None})(echo)


async def test_each_answer_has_taps_of_its_own():
    endpoint = websocket(echo)
    first, second = await answer(endpoint, "a"), await answer(endpoint, "a")
    assert first["websocket"]["taps"] is not second["websocket"]["taps"]


async def test_the_routes_limits_go_before_the_decorators():
    endpoint = websocket(idle_s=5, send_s=1)(echo)
    conversation = (await answer(endpoint, "a", route={"data": {"limits": {"idle_s": 9}}}))["websocket"]
    assert conversation["limits"] == {"idle_s": 9, "send_s": 1}
    assert (await answer(endpoint, "a", route={"data": {}}))["websocket"]["limits"] == {"idle_s": 5, "send_s": 1}


async def test_the_request_tells_what_the_conversation_has_set():
    request = {"type": "websocket", "route": {"data": {"limits": {"idle_s": 9}}}}
    await websocket(idle_s=5, accept_s=30)(echo)(request, "a")
    assert request["conversation_limits"] == {"idle_s": 9, "accept_s": 30}


LIVE = {"route": {"methods": ["WS", "GET"], "data": {}}}
EVENTS = {"type": "http", "method": "GET", **LIVE}


@pytest.mark.parametrize(
    ("request_", "status", "cursor"),
    [
        ({**EVENTS, "headers": {}}, 426, None),
        ({**EVENTS, "headers": {"accept": "text/event-stream"}}, 101, None),
        ({**EVENTS, "headers": {"accept": "text/event-stream", "last-event-id": "e.1.a"}}, 101, "e.1.a"),
        ({**EVENTS, "headers": {"accept": "text/event-stream", "last-event-id": "end"}}, 204, None),
        ({**EVENTS, "headers": {"accept": "text/event-stream"}, "route": {"methods": ["WS"], "data": {}}}, 426, None),
        ({"type": "websocket", "headers": {}, "query_string": b"cursor=e.1.a"}, 101, "e.1.a"),
        ({"type": "websocket", "headers": {}, "query_string": b"cursor=end"}, 101, "end"),
    ],
    ids=["no accept", "events", "back", "over", "no GET in the row", "websocket", "a cursor like any other"],
)
async def test_who_gets_a_conversation_and_from_where(request_, status, cursor):
    request = dict(request_)
    assert (await websocket(echo)(request, "a"))["status"] == status
    assert request.get("cursor") == cursor


@pytest.mark.parametrize(("kind", "complaints"), [({"type": "websocket"}, 1), (EVENTS, 0)], ids=["websocket", "events"])
async def test_a_subprotocol_cannot_be_missed_where_there_is_none(caplog, kind, complaints):
    async def choose(scope):
        return {"type": "websocket.accept", "subprotocol": "v1"}

    answer = await websocket(on_connect=choose)(echo)({"headers": {"accept": "text/event-stream"}, **kind}, "a")
    assert (answer["websocket"]["subprotocol"], len(caplog.records)) == (None, complaints)


async def test_an_http_request_is_told_to_upgrade():
    endpoint = websocket(echo)
    first = await endpoint({"type": "http"}, "a")
    assert first == {"status": 426, "headers": {"upgrade": "websocket", "connection": "upgrade"}}
    first["headers"].clear()
    assert (await endpoint({"type": "http"}, "a"))["headers"] != {}


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        (ws_accept(), {}),
        (ws_accept(headers={"x-a": ["1", "2"]}), {"x-a": ["1", "2"]}),
        ({"type": "websocket.accept", "headers": [(b"x-a", b"1"), (b"x-b", b"\xe9"), (b"x-a", b"2")]}, {"x-a": ["1", "2"], "x-b": ["é"]}),
    ],
    ids=["none", "a dict", "pairs of bytes"],
)
async def test_on_connect_accepts_with_headers(given, headers):
    async def greet(scope):
        scope["user"] = "ann"
        return given

    request = {"type": "websocket"}
    response = await websocket(on_connect=greet)(echo)(request, "a")
    assert (response["status"], response["headers"], request["user"]) == (101, headers, "ann")


async def test_a_plain_on_connect_is_fine_too():
    endpoint = websocket(on_connect=lambda scope: ws_accept("v1"))(echo)
    response = await answer(endpoint, "a", subprotocols=["v0", "v1"])
    assert response["websocket"]["subprotocol"] == "v1"


async def test_a_subprotocol_that_was_not_offered_is_left_out_and_logged_once(caplog):
    endpoint = websocket(on_connect=lambda scope: ws_accept("evil"))(echo)
    for _ in range(2):
        assert (await answer(endpoint, "a", subprotocols=["v1"]))["websocket"]["subprotocol"] is None
    assert caplog.text.count("'evil', which the client did not offer") == 1


@pytest.mark.parametrize(
    ("given", "response"),
    [
        (ws_close(), {"status": 403}),
        (ws_close(4000, "x"), {"status": 403}),
        ({"status": 401, "body": b"who?"}, {"status": 401, "body": b"who?"}),
    ],
    ids=["close", "close with a code", "a response"],
)
async def test_on_connect_refuses(given, response):
    async def greet(scope):
        return given

    assert await answer(websocket(on_connect=greet)(echo), "a") == response


@pytest.mark.parametrize("given", [None, {}, {"type": "http"}, "no"])
async def test_on_connect_must_answer(given):
    async def greet(scope):
        return given

    with pytest.raises(TypeError, match=r"echo: on_connect must return ws_accept\(\.\.\.\), ws_close\(\) or a response dict, got "):
        await answer(websocket(on_connect=greet)(echo), "a")


@virtual_time
async def test_an_on_connect_that_hangs_is_denied_after_accept_s():
    async def hang(scope):
        await asyncio.Event().wait()

    began = asyncio.get_running_loop().time()
    assert await answer(websocket(on_connect=hang, accept_s=3)(echo), "a") == {"status": 503}
    assert asyncio.get_running_loop().time() - began == pytest.approx(3)


@virtual_time
async def test_its_own_time_out_is_its_own_error():
    async def slow(scope):
        async with asyncio.timeout(1):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await answer(websocket(on_connect=slow)(echo), "a")


def plain(scope, receiver):
    yield 1


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: websocket(3), TypeError, "expected an async generator function"),
        (lambda: websocket(idle_s=3)({"headers": {"cookie": "secret"}}), TypeError, r"got a dict; does @websocket\(...\) stand above a function\?"),
        (lambda: websocket(plain), TypeError, "plain is a plain generator; write 'async def plain'"),
        (lambda: websocket(idle=5)(echo), ValueError, "@websocket echo: no limit is named 'idle'; did you mean 'idle_s'"),
        (lambda: websocket(hook_s=5)(echo), ValueError, "holds for the whole app"),
    ],
    ids=["no function", "used as a handler", "no async", "unknown limit", "an app's limit"],
)
def test_mistakes_are_found_where_the_handler_is_decorated(make, error, text):
    with pytest.raises(error, match=text):
        make()


async def test_a_partial_is_a_function_too():
    response = await answer(websocket(partial(echo, room="lobby")))
    assert response["websocket"]["handler"].keywords == {"room": "lobby"}


@virtual_time
async def test_without_an_accept_s_of_its_own_the_apps_decides():
    async def slow(scope):
        await asyncio.sleep(12)
        return ws_accept()

    assert (await answer(websocket(on_connect=slow)(echo), "a"))["status"] == 101
