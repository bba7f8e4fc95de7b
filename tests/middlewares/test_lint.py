from __future__ import annotations

import logging
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.compose import apply_middleware, middleware_factory
from shallot.middlewares import wrap_cookies, wrap_cors, wrap_json, wrap_parameters, wrap_routes
from shallot.middlewares.lint import lint_layers, lint_request, lint_response, lint_tap, wrap_lint
from shallot.response import text, with_header
from shallot.testing import client, request

GET, WS = request("GET", "/"), request("WS", "/")


async def hello(request: Any) -> Any:
    return {"status": 200, "body": b"hello", "headers": {"vary": "a"}}


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield {"type": "websocket.send"} if message == "broken" else ws_send(message)


def layer(name: str, *, before: Any = None, after: Any = None, tap: Any = None) -> Any:
    """A user's own layer, that does one thing."""

    def middleware(next_middleware: Any) -> Any:
        async def inside(handler: Any, request: Any) -> Any:
            response = await next_middleware(handler, before(request) if before else request)
            if tap:
                response = {**response, "websocket": {**response["websocket"], "taps": [*response["websocket"]["taps"], tap]}}
            return after(response) if after else response

        return inside

    middleware.__name__ = name
    return middleware


def harmless(name: str = "wrap_harmless") -> Any:
    return layer(name, after=lambda response: with_header(response, "x-harmless", "1"))


def change_in_place(response: Any) -> Any:
    response["headers"]["vary"] = "b"
    return response


def add_in_place(response: Any) -> Any:
    response["headers_sent"] = True
    return {**response}


FAULTS = [
    pytest.param({"after": lambda response: None}, "expected a response, a dict like {'status': 200}, got None", id="returns None"),
    pytest.param({"after": lambda response: {**response, "body": "x"}}, "response['body']: expected bytes, got the str 'x'", id="a body of text"),
    pytest.param({"after": lambda response: with_header(response, "x", "a\nb")}, "response: header 'x': the value holds the control character", id="a header"),
    pytest.param({"after": change_in_place}, "it changed response['headers'] in place; a middleware returns a changed copy", id="changes a header in place"),
    pytest.param({"after": add_in_place}, "it changed response['headers_sent'] in place; a middleware returns a changed copy", id="adds a key in place"),
    pytest.param({"before": lambda request: {**request, "cookies": None}}, "request['cookies']: expected a dict of str, got None", id="spoils a key"),
    pytest.param({"before": lambda request: None}, "expected a request, a dict, got None", id="passes no request on"),
]


@pytest.mark.parametrize("position", [0, 1, 2], ids=["outermost", "between", "innermost"])
@pytest.mark.parametrize(("does", "fault"), FAULTS)
async def test_the_layer_that_breaks_the_contract_is_named(does: Any, fault: str, position: int) -> None:
    layers = [harmless(f"wrap_{number}") for number in range(2)]
    layers.insert(position, layer("wrap_wrong", **does))
    with pytest.raises(TypeError) as caught:
        await apply_middleware(*lint_layers(*layers))(hello)(dict(GET))
    assert str(caught.value).startswith(f"lint: wrap_wrong broke the contract: {fault}")


@pytest.mark.parametrize("position", [0, 1, 2], ids=["outermost", "between", "innermost"])
@pytest.mark.parametrize(("does", "fault"), FAULTS[:2])
async def test_K7_a_broken_layer_is_a_500_and_named_in_the_log(does: Any, fault: str, position: int, caplog: Any) -> None:
    layers = [harmless(f"wrap_{number}") for number in range(2)]
    layers.insert(position, layer("wrap_wrong", **does))
    async with client(build_server(apply_middleware(*lint_layers(*layers))(hello)), raise_errors=False) as c:
        answer = await c.get("/")
    assert answer["status"] == 500 and b"wrap" not in answer["body"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR and f"lint: wrap_wrong broke the contract: {fault}" in str(record.exc_info[1])


async def test_K7_a_layer_that_raises_is_a_500(caplog: Any) -> None:
    def fail(response: Any) -> Any:
        raise KeyError("x")

    async with client(build_server(apply_middleware(*lint_layers(harmless(), layer("wrap_raising", after=fail)))(hello))) as c:
        assert (await c.get("/"))["status"] == 500
    assert "KeyError" in caplog.text


async def test_K7_nobody_can_answer_twice() -> None:
    def wrap_retry(next_middleware: Any) -> Any:
        async def retry(handler: Any, request: Any) -> Any:
            await next_middleware(handler, request)
            return await next_middleware(handler, request)

        return retry

    async with client(build_server(apply_middleware(*lint_layers(wrap_retry, harmless()))(hello))) as c:
        answer = await c.get("/")
    assert (answer["status"], answer["body"]) == (200, b"hello")


async def test_the_handler_is_named() -> None:
    async def wrong(request: Any) -> Any:
        return "hi"

    for layers in ([harmless()], [harmless(), wrap_routes([("/", ["GET"], wrong)])]):
        with pytest.raises(TypeError, match=r"^lint: the handler .*wrong broke the contract: expected a response, a dict like .*, got the str 'hi'$"):
            await apply_middleware(*lint_layers(*layers))(wrong)(dict(GET))


async def test_a_handler_without_a_name() -> None:
    class Wrong:
        def __repr__(self) -> str:
            return "Wrong()"

        async def __call__(self, request: Any) -> Any:
            return None

    with pytest.raises(TypeError, match=r"^lint: the handler Wrong\(\) broke the contract"):
        await apply_middleware(*lint_layers(harmless()))(Wrong())(dict(GET))


async def test_several_faults_are_counted() -> None:
    with pytest.raises(TypeError, match=r"needs the key 'method'; \.\.\. and 5 more$"):
        lint_request({"type": "http"}, "x")
    assert lint_request(GET, "x") is GET
    answer: Any = {"status": 200}
    assert lint_response(answer, GET, "x") is answer


async def test_what_keeps_the_contract_passes() -> None:
    layers = [wrap_cors(), wrap_cookies, wrap_json(), wrap_parameters(), wrap_routes([("/", ["GET", "POST"], hello), ("/echo", ["WS"], echo)])]
    bare, watched = (apply_middleware(*pile)(standard_not_found) for pile in (layers, lint_layers(*layers)))
    assert watched.spec == [{"name": "wrap_lint", "options": {"place": "outside of all"}}, *bare.spec]
    async with client(build_server(bare)) as one, client(build_server(watched)) as other:
        for method, path in [("GET", "/"), ("HEAD", "/"), ("OPTIONS", "/"), ("PUT", "/"), ("POST", "/"), ("GET", "/echo"), ("GET", "/none")]:
            assert await one.request(method, path) == await other.request(method, path)
        async with other.websocket("/echo") as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"
            assert ws.accepted["headers"] == {"access-control-allow-origin": "*"}


def test_what_a_layer_carries_stays() -> None:
    @middleware_factory
    def wrap_mine() -> Any:
        middleware = layer("wrap_mine")
        middleware.on_refusal = text
        return middleware

    class Layer:
        __slots__ = ()

        def __call__(self, next_middleware: Any) -> Any:
            return next_middleware

        def __repr__(self) -> str:
            return "Layer()"

    _, mine, own = lint_layers(wrap_mine, Layer())
    assert (mine.__name__, mine.on_refusal, mine.spec) == ("wrap_mine", text, {"name": "wrap_mine", "options": {}})
    assert own.__name__ == "Layer()"


def test_a_layer_that_is_none_is_found_at_the_start() -> None:
    def wrap_forgetful(next_middleware: Any) -> Any:
        pass

    with pytest.raises(TypeError, match="apply_middleware: wrap_forgetful must return a function"):
        apply_middleware(*lint_layers(wrap_forgetful))


# ---- conversations


async def failing(*layers: Any, said: str = "hi", caplog: Any) -> str:
    """What the log says of a conversation, which ended with 1011."""
    async with client(build_server(apply_middleware(*layers)(echo))) as c, c.websocket("/") as ws:
        await ws.send(said)
        await ws.expect_close(1011)
    [record] = caplog.records
    return str(record.exc_info[1])


TEXTLESS = {"effect": lambda scope, effect: {"type": "websocket.send"}}
NUMBER = {"message": lambda scope, message: 1}
NO_EFFECT = "effect: a websocket.send has exactly one of 'text' and 'bytes'"
NO_MESSAGE = "expected a message, a dict with a 'type', got the int 1"


@pytest.mark.parametrize(
    ("layers", "said", "logged"),
    [
        ([harmless()], "broken", f"lint: the handler, or the tap of a layer outside of wrap_lint (outside of all) broke the contract: {NO_EFFECT}"),
        ([layer("wrap_tap", tap=TEXTLESS)], "hi", f"lint: the tap of wrap_tap broke the contract: {NO_EFFECT}"),
        ([harmless(), layer("wrap_tap", tap=NUMBER), harmless()], "hi", f"lint: the tap of wrap_tap broke the contract: {NO_MESSAGE}"),
        ([layer("wrap_tap", tap=NUMBER), layer("wrap_good", tap={"end": print})], "hi", f"lint: the tap of wrap_tap broke the contract: {NO_MESSAGE}"),
    ],
    ids=["the handler", "an effect", "a message", "two taps"],
)
async def test_who_broke_a_conversation_is_named(layers: Any, said: str, logged: str, caplog: Any) -> None:
    assert await failing(*lint_layers(*layers), said=said, caplog=caplog) == logged


async def test_a_tap_that_drops_is_right() -> None:
    drop = {"message": lambda scope, message: None if message == "broken" else message}
    async with client(build_server(apply_middleware(*lint_layers(layer("wrap_drop", tap=drop)))(echo))) as c, c.websocket("/") as ws:
        await ws.send("broken")
        await ws.send("hi")
        assert await ws.expect() == "hi"


async def test_a_place_alone(caplog: Any) -> None:
    outside, inside = (
        "lint: a layer outside of wrap_lint (here) broke the contract: ",
        "lint: the handler, or a layer inside of wrap_lint (here) broke the contract: ",
    )
    for layers, said in [
        ([layer("wrap_wrong", before=lambda request: {}), wrap_lint("here")], outside),
        ([wrap_lint("here"), layer("wrap_wrong", after=lambda response: {})], inside),
    ]:
        with pytest.raises(TypeError) as caught:
            await apply_middleware(*layers)(hello)(dict(GET))
        assert str(caught.value).startswith(said)
    assert (await apply_middleware(wrap_lint())(hello)(dict(GET)))["body"] == b"hello"
    said = await failing(layer("wrap_tap", tap=NUMBER), wrap_lint(), caplog=caplog)
    assert said == f"lint: a layer outside of wrap_lint broke the contract: {NO_MESSAGE}"


def test_a_tap_of_ones_own() -> None:
    tap = lint_tap("the feed", "the tests")
    assert (tap["message"]({}, "x"), tap["effect"]({}, ws_send("x"))) == ("x", ws_send("x"))
    with pytest.raises(TypeError, match="^lint: the feed broke the contract"):
        tap["message"]({}, 1)
    with pytest.raises(TypeError, match="^lint: the tests broke the contract"):
        tap["effect"]({}, 1)


async def test_a_denial_passes() -> None:
    assert (await apply_middleware(*lint_layers(harmless()))(standard_not_found)(dict(WS)))["status"] == 404
    assert (await apply_middleware(wrap_lint())(standard_not_found)(dict(WS)))["status"] == 404
