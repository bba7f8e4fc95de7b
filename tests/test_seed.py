"""The page that the project was started from, sentence by sentence: what each says is true here.

Each docstring quotes its sentence. Two repairs: ``on_disconnect=standard_disconnect`` is read as ``on_disconnect=my_disconnect, on_close=my_close``,
and the receiver is an async iterator.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_content_type, wrap_cookies, wrap_cors, wrap_json, wrap_parameters, wrap_routes, wrap_static
from shallot.response import ws_accept, ws_close, ws_send
from shallot.testing import Denied, client, request


@websocket
async def handle_ws_echo(scope, receiver):
    async for message in receiver:
        yield {"text": f"@ECHO: {message}", "type": "websocket.send"}
        if message == "exit":
            yield ws_send("bybye")
            yield ws_close(1001)


def serve(handler, *middlewares):
    return build_server(apply_middleware(*middlewares)(handler))


@asynccontextmanager
async def talk(handler, path="/", **keys):
    """An app of ``handler`` alone, and a socket to it."""
    async with client(build_server(handler)) as c, c.websocket(path, **keys) as ws:
        yield ws


async def inputs(*messages):
    """A receiver by hand: any async iterator will do."""
    for message in messages:
        yield message


# ---- what a websocket handler is


async def test_two_ways_and_long_lived():
    """websockets are (potentially) long-living 2-way connections."""

    @websocket
    async def both(scope, receiver):
        yield ws_send("the server may begin")
        async for message in receiver:
            yield ws_send(message)
            yield ws_send("and again")

    async with talk(both) as ws:
        assert await ws.expect() == "the server may begin"
        for number in range(500):
            await ws.send(str(number))
            assert [await ws.expect(), await ws.expect()] == [str(number), "and again"]
        await ws.expect_nothing()


def test_different_to_http_handlers():
    """Therefor websocket-handlers are different to "normal" http-handlers."""

    async def handle_http(request):
        return {"status": 200}

    assert inspect.iscoroutinefunction(handle_http)
    assert inspect.isasyncgenfunction(inspect.unwrap(handle_ws_echo))


async def test_the_same_ideas():
    """Nevertheless shallot tries to apply the same ideas (data-driven) to this kind of process."""
    answer = await handle_ws_echo(request("WS", "/"))
    assert type(answer) is dict and answer["status"] == 101
    conversation = answer["websocket"]
    assert type(conversation) is dict
    assert [type(effect) async for effect in conversation["handler"](request("WS", "/"), inputs("a", "b"))] == [dict, dict]


async def test_modelled_as_generator():
    """A potentially never-ending process in python can be modeled as generator."""

    async def never_ending():
        number = 0
        while True:
            number += 1
            yield ws_send(str(number))

    process = never_ending()
    assert [await anext(process) for _ in range(3)] == [ws_send("1"), ws_send("2"), ws_send("3")]
    await process.aclose()


async def test_exactly_how_it_is_done():
    """That's exactly how it is done for websockets."""
    closed = []

    @websocket
    async def never_ending(scope, receiver):
        number = 0
        try:
            async for _ in receiver:
                number += 1
                yield ws_send(str(number))
        finally:
            closed.append(number)

    async with talk(never_ending) as ws:
        for expected in ("1", "2", "3"):
            await ws.send("next")
            assert await ws.expect() == expected
    assert closed == [3]


async def test_a_simple_echo_server():
    """The above example shows a simple echo-server implementation."""
    async with talk(handle_ws_echo) as ws:
        await ws.send("hello")
        assert await ws.expect() == "@ECHO: hello"
        await ws.send("exit")
        assert [await ws.expect(), await ws.expect()] == ["@ECHO: exit", "bybye"]
        assert await ws.expect_close() == {"code": 1001, "reason": ""}


MIDDLEWARES = {
    "routes": lambda: wrap_routes([("/echo", ["WS"], handle_ws_echo)]),
    "json": wrap_json,
    "parameters": wrap_parameters,
    "cookies": wrap_cookies,
    "content_type": wrap_content_type,
    "cors": wrap_cors,
    "static": lambda: wrap_static(str(Path(__file__).parent)),
}


@pytest.mark.parametrize("names", [*([name] for name in MIDDLEWARES), [*MIDDLEWARES], [*reversed(MIDDLEWARES)]], ids="-".join)
async def test_a_normal_handler_with_all_middlewares(names):
    """This function can be used as a normal handler with all other middlewares, especially with routing."""
    default = standard_not_found if "routes" in names else handle_ws_echo
    async with client(serve(default, *(MIDDLEWARES[name]() for name in names))) as c, c.websocket("/echo") as ws:
        await ws.send("hello")
        assert await ws.expect() == "@ECHO: hello"


# ---- its arguments


async def test_scope_is_the_handshake_and_what_middlewares_added():
    """The first argument scope represents all information from the opening-handshake-request and all middlewares enhancing it."""
    seen = {}

    @websocket
    async def look(scope, receiver, room):
        seen.update(scope)
        yield ws_send(room)

    app = serve(standard_not_found, wrap_parameters(), wrap_cookies(), wrap_routes([("/rooms/{room}", ["WS"], look)]))
    async with client(app) as c, c.websocket("/rooms/blue?colour=sky", headers={"cookie": "who=ann", "x-own": "1"}, subprotocols=["v1"]) as ws:
        assert await ws.expect() == "blue"
    assert (seen["type"], seen["method"], seen["path"], seen["query_string"]) == ("websocket", "WS", "/rooms/blue", b"colour=sky")
    assert (seen["headers"]["x-own"], list(seen["subprotocols"])) == ("1", ["v1"])
    assert (seen["query_params"], seen["cookies"], seen["path_params"]) == ({"colour": ["sky"]}, {"who": "ann"}, {"room": "blue"})


async def test_receiver_yields_all_data():
    """The second argument receiver is an async-generator which yields all data from the client."""
    received = []

    @websocket
    async def keep(scope, receiver):
        assert isinstance(receiver, AsyncIterator)
        async for message in receiver:
            received.append(message)
        yield ws_send("never reached: leaving ends the iteration")

    sent = [f"message {number}" for number in range(100)]
    async with talk(keep) as ws:
        for message in sent:
            await ws.send(message)
        await ws.close()
    assert received == sent


@pytest.mark.parametrize("message", ["text", "", b"bytes", b""], ids=repr)
async def test_str_or_bytes(message):
    """The data can be str or bytes depending on your clients choice."""

    @websocket
    async def name_type(scope, receiver):
        async for data in receiver:
            yield ws_send(type(data).__name__)
            yield ws_send(data)

    async with talk(name_type) as ws:
        await ws.send(message)
        assert [await ws.expect(), await ws.expect()] == [type(message).__name__, message]


# ---- what it yields


async def test_yield_to_send():
    """To send data to your client you must yield it from your handler."""

    @websocket
    async def some(scope, receiver):
        ws_send("made, but not yielded")
        yield ws_send("yielded")

    async with talk(some) as ws:
        assert await ws.expect() == "yielded"
        await ws.expect_close(1000)


@pytest.mark.parametrize(
    ("effect", "sent"),
    [
        pytest.param({"text": "hi", "type": "websocket.send"}, "hi", id="text"),
        pytest.param({"bytes": b"hi", "type": "websocket.send"}, b"hi", id="bytes"),
    ],
)
async def test_a_dict_with_text_or_bytes(effect, sent):
    """Your data must be a dict with a key text or bytes and the type websocket.send."""

    @websocket
    async def once(scope, receiver):
        yield effect

    async with talk(once) as ws:
        assert await ws.expect() == sent


@pytest.mark.parametrize("wrong", ["hi", b"hi", None, {"text": "hi"}, {"type": "websocket.send"}, {"type": "websocket.send", "text": 1}], ids=repr)
async def test_nothing_else_is_data(wrong):
    """Your data must be a dict with a key text or bytes and the type websocket.send. (It must: all else raises at the yield.)"""

    @websocket
    async def once(scope, receiver):
        try:
            yield wrong
        except (TypeError, ValueError) as error:
            yield ws_send(type(error).__name__)

    async with talk(once) as ws:
        assert await ws.expect() in ("TypeError", "ValueError")
        await ws.expect_close(1000)


def test_ws_send():
    """You can use the convenience-function ws_send to construct this dict."""
    assert ws_send("hi") == {"text": "hi", "type": "websocket.send"}
    assert ws_send(b"hi") == {"bytes": b"hi", "type": "websocket.send"}


# ---- how it ends


@websocket
async def three(scope, receiver):
    for number in "123":
        yield ws_send(number)


async def test_no_need_to_close():
    """You do not have to close your websocket via the function ws_close."""
    assert "ws_close" not in inspect.getsource(inspect.unwrap(three))
    async with talk(three) as ws:
        assert [await ws.expect() for _ in range(3)] == ["1", "2", "3"]
        await ws.expect_close()


async def test_closed_when_you_stop_yielding():
    """By default shallot will close the websocket when you stop yielding messages."""

    @websocket
    async def until_enough(scope, receiver):
        async for message in receiver:
            if message == "enough":
                break
            yield ws_send(message)

    async with talk(until_enough) as ws:
        await ws.send("more")
        assert await ws.expect() == "more"
        await ws.expect_nothing()
        await ws.send("enough")
        await ws.expect_close()


async def test_default_code_is_1000():
    """The default return-code is 1000."""
    async with talk(three) as ws:
        for _ in range(3):
            await ws.expect()
        assert (await ws.expect_close())["code"] == 1000
    assert ws_close() == {"type": "websocket.close", "code": 1000}


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1013, 3000, 4999])
async def test_ws_close_constructs_another_code(code):
    """However, if you want to close the websocket with and alternative return-code, you can use the ws_close function to construct a dict with the
    corresponding attributes.
    """
    assert ws_close(code) == {"type": "websocket.close", "code": code}

    @websocket
    async def close(scope, receiver):
        yield ws_close(code)

    async with talk(close) as ws:
        assert (await ws.expect_close())["code"] == code


async def test_closed_immediately():
    """note your connection will be closed immediately and you can not send any data after yielding ws_close."""
    went_on = []

    @websocket
    async def one_too_many(scope, receiver):
        try:
            yield ws_close(1001)
            went_on.append("the yield returned")
            yield ws_send("too late")
        finally:
            went_on.append("finally")

    async with talk(one_too_many) as ws:
        await ws.expect_close(1001)
        await ws.expect_nothing()
        assert [event["type"] for way, event in ws.transcript if way != "in"] == ["websocket.accept", "websocket.close"]
    assert went_on == ["finally"]


# ---- the hooks


def hooked(calls):
    async def my_disconnect(scope):
        calls.append("on_disconnect")

    async def my_close(scope):
        calls.append("on_close")

    @websocket(on_disconnect=my_disconnect, on_close=my_close)
    async def talks(scope, receiver):
        async for message in receiver:
            if message == "exit":
                return
            yield ws_send(f"@ECHO: {message}")

    return talks


async def test_on_disconnect_when_the_client_closes():
    """When your client closes the websocket, a dedicated on_disconnect - handler will be called."""
    calls = []
    async with talk(hooked(calls)) as ws:
        await ws.send("hello")
        assert await ws.expect() == "@ECHO: hello"
        assert calls == []
        await ws.close()
    assert calls.count("on_disconnect") == 1


@pytest.mark.parametrize("by", ["server", "client"])
async def test_on_close_when_the_connection_gets_closed(by):
    """The same is true, when the connection gets closed (either by the server or by the client disconnect)."""
    calls = []
    async with talk(hooked(calls)) as ws:
        if by == "server":
            await ws.send("exit")
            await ws.expect_close(1000)
        else:
            await ws.close()
    assert calls.count("on_close") == 1


@pytest.mark.parametrize(("by", "expected"), [("client", ["on_disconnect", "on_close"]), ("server", ["on_close"])])
async def test_on_disconnect_is_for_the_client_on_close_for_both(by, expected):
    """note on_disconnect will only be called when client closes the socket, on_close will be called anyway when the socket is closed by server or client"""
    calls = []
    async with talk(hooked(calls)) as ws:
        if by == "server":
            await ws.send("exit")
            await ws.expect_close(1000)
        else:
            await ws.leave()
    assert calls == expected


async def test_the_output_when_a_client_disconnects(capsys):
    """In the example above, when a client disconnects you should see the following output:

    -> Client Disconnected!
    --> The connection has been closed! Either by the server or by the client
    """

    async def my_disconnect(scope):
        print("-> Client Disconnected!")

    async def my_close(scope):
        print("--> The connection has been closed! Either by the server or by the client")

    @websocket(on_disconnect=my_disconnect, on_close=my_close)
    async def handle_ws_echo(scope, receiver):
        async for message in receiver:
            yield ws_send(f"@ECHO: {message}")

    async with talk(handle_ws_echo) as ws:
        await ws.send("hello")
        assert await ws.expect() == "@ECHO: hello"
        await ws.close()
    assert capsys.readouterr().out == "-> Client Disconnected!\n--> The connection has been closed! Either by the server or by the client\n"


# ---- the door


@pytest.mark.parametrize(
    "keys",
    [{}, {"headers": {"origin": "https://elsewhere.example"}}, {"subprotocols": ["v1"]}, {"headers": {"host": "unknown"}}],
    ids=["plain", "foreign origin", "subprotocols", "unknown host"],
)
async def test_every_connection_is_accepted(keys):
    """By default, a websocket-handler accepts every connection."""
    async with talk(handle_ws_echo, **keys) as ws:
        assert ws.accepted["subprotocol"] is None


def guarded(something):
    async def connection_accept(scope):
        if something():
            return ws_accept(subprotocol="sub-123")  # == {"type": "websocket.accept", "subprotocol": "sub-123"}
        else:
            return ws_close()

    @websocket(on_connect=connection_accept)
    async def handle_ws_echo(scope, receiver):
        async for message in receiver:
            yield ws_send(f"@ECHO: {message}")

    return handle_ws_echo


async def test_on_connect_customizes():
    """You can customize this behavior by providing a dedicated on_connect - function."""
    with pytest.raises(Denied):
        async with talk(guarded(lambda: False)):
            pass


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(ws_accept(), ("accepted", None), id="accepting"),
        pytest.param(ws_accept(subprotocol="sub-123"), ("accepted", "sub-123"), id="accepting with a subprotocol"),
        pytest.param(ws_close(), ("denied", 403), id="closing immediately"),
        pytest.param(None, ("denied", 500), id="no dict"),
    ],
)
async def test_on_connect_gets_a_scope_and_returns_a_dict(answer, outcome, caplog):
    """The on_connect gets a scope and must return a dict either accepting the connection (with optional subprotocol) or closing it immediately."""
    scopes = []

    async def answering(scope):
        scopes.append(scope)
        return answer

    @websocket(on_connect=answering)
    async def handler(scope, receiver):
        async for message in receiver:
            yield ws_send(message)

    try:
        async with talk(handler, "/door", subprotocols=["sub-123"]) as ws:
            assert outcome == ("accepted", ws.accepted["subprotocol"])
    except Denied as denied:
        assert outcome == ("denied", denied.response["status"])
    assert [(scope["type"], scope["path"]) for scope in scopes] == [("websocket", "/door")]


async def test_accepts_or_declines_by_something():
    """The function connection_accept accepts or declines the connection attempt by the client based on the result of something()."""
    results = iter([True, False, True])
    async with client(build_server(guarded(lambda: next(results)))) as c:
        for accepts in (True, False, True):
            try:
                async with c.websocket("/", subprotocols=["sub-123"]) as ws:
                    await ws.send("hello")
                    assert (await ws.expect(), accepts) == ("@ECHO: hello", True)
            except Denied as denied:
                assert (denied.response["status"], accepts) == (403, False)


async def test_subprotocol_is_optional():
    """The subprotocol is an optional parameter."""
    assert ws_accept(subprotocol="sub-123") == {"type": "websocket.accept", "subprotocol": "sub-123"}
    assert ws_accept()["type"] == "websocket.accept"
    async with talk(guarded(lambda: True), subprotocols=["sub-123"]) as ws:
        assert ws.accepted["subprotocol"] == "sub-123"
