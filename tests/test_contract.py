from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shallot.contract import effect_faults, message_faults, request_faults, response_faults
from shallot.keys import REQUEST
from shallot.testing import request

GET = request("GET", "/")
WS = request("WS", "/", headers={"sec-websocket-protocol": "v1"})


async def stream() -> AsyncIterator[bytes]:
    yield b"x"


def conversation(**changes: Any) -> Any:
    kept = {"handler": print, "params": (), "subprotocol": None, "limits": {}, "hooks": {}, "taps": [], **changes}
    return {"status": 101, "websocket": {key: value for key, value in kept.items() if value is not ...}}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as it is"),
        pytest.param({"path_params": {"n": 1}, "route": {"path": "/", "methods": ["GET"], "name": None, "data": {}}}, id="routed"),
        pytest.param({"session": {}, "request_id": "x", "identity": object(), "mine": {1: 2}, "conversation_limits": {"send_s": 1}}, id="other keys"),
        pytest.param({"method": "M-SEARCH", "stream": stream(), "nested_params": {"a": {"b": ["c"]}}}, id="unusual"),
    ],
)
def test_requests_that_keep_the_contract(changes: Any) -> None:
    assert request_faults({**GET, **changes}) == []
    assert request_faults({**WS, "subprotocols": ["v1"]}) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"type": "lifespan"}, "request['type']: expected 'http' or 'websocket', got the str 'lifespan'"),
        ({"method": "get"}, "request['method']: expected a token in upper case, got the str 'get'"),
        ({"method": "GET "}, "request['method']: expected a token in upper case, got the str 'GET '"),
        ({"method": b"GET"}, "request['method']: expected a token in upper case, got a bytes"),
        ({"path": "x"}, "request['path']: expected a str that begins with '/', without control characters, got the str 'x'"),
        ({"path": "/\x00"}, "request['path']: expected a str that begins with '/', without control characters, got the str '/\\x00'"),
        ({"path": "/\x7f"}, "request['path']: expected a str that begins with '/', without control characters, got the str '/\\x7f'"),
        ({"path": None}, "request['path']: expected a str that begins with '/', without control characters, got None"),
        ({"headers": {"a": 1}}, "request['headers']: expected a dict of str, got a dict"),
        ({"headers": [("a", "1")]}, "request['headers']: expected a dict of str, got a list"),
        ({"headers": {"X-A": "1"}}, "request['headers']: names are lower case, got 'X-A'"),
        ({"headers_list": [(b"a",)]}, "request['headers_list']: expected a list of pairs of bytes, got a list"),
        ({"headers_list": [(b"a", "1")]}, "request['headers_list']: expected a list of pairs of bytes, got a list"),
        ({"body": "x"}, "request['body']: expected bytes, got the str 'x'"),
        ({"config": None}, "request['config']: expected a dict, got None"),
        ({"run_in_thread": 1}, "request['run_in_thread']: expected a function, got the int 1"),
        ({"stream": [b"x"]}, "request['stream']: expected an async iterator of bytes, got a list"),
        ({"path_params": ["1"]}, "request['path_params']: expected a dict, values by tag, got a list"),
        ({"route": {"path": "/"}}, "request['route']: expected a dict of path, methods, name and data, got a dict"),
        ({"route": "/"}, "request['route']: expected a dict of path, methods, name and data, got the str '/'"),
        ({"conversation_limits": {"body_s": 1}}, "request['conversation_limits']: expected a dict of limits that a conversation may set, got a dict"),
        ({"conversation_limits": []}, "request['conversation_limits']: expected a dict of limits that a conversation may set, got a list"),
        ({"query_params": {"a": "b"}}, "request['query_params']: expected a dict of lists of str, got a dict"),
        ({"cookies": {"secret": 1}}, "request['cookies']: expected a dict of str, got a dict"),
        ({"request_id": True}, "request['request_id']: expected a str, got the bool True"),
        ({"type": "websocket"}, "request: the method 'WS' and the type 'websocket' belong together, got 'GET' and 'websocket'"),
        ({"method": "WS"}, "request: the method 'WS' and the type 'websocket' belong together, got 'WS' and 'http'"),
        ({"type": "websocket", "method": "WS", "body": b"x"}, "request: a WebSocket's handshake has no body and no stream"),
        ({"type": "websocket", "method": "WS", "stream": stream()}, "request: a WebSocket's handshake has no body and no stream"),
    ],
)
def test_requests_that_break_it(changes: Any, fault: str) -> None:
    assert fault in request_faults({**GET, **changes})


@pytest.mark.parametrize("key", [name for name, key in REQUEST.items() if key.required])
def test_keys_that_a_request_needs(key: str) -> None:
    assert f"request: needs the key {key!r}" in request_faults({name: value for name, value in GET.items() if name != key})


def test_a_request_is_a_dict() -> None:
    assert request_faults(None) == ["expected a request, a dict, got None"]


@pytest.mark.parametrize(
    ("asked", "response"),
    [
        pytest.param(GET, {"status": 200}, id="least"),
        pytest.param(GET, {"status": 200, "headers": {"Vary": "a", "set-cookie": ["a", "b"]}, "body": b"x", "mine": 1, "text": "x", 7: 7}, id="most"),
        pytest.param(GET, {"status": 200, "cookies": {"a": {"value": "1"}, "b": None}}, id="cookies that nobody has sent yet"),
        pytest.param(GET, {"status": 200, "effects": [{"type": "my.kind"}]}, id="effects"),
        pytest.param(GET, {"status": 200, "stream": stream()}, id="a stream"),
        pytest.param(GET, {"status": 200, "file": Path("x")}, id="a file"),
        pytest.param(request("GET", "/", headers={"accept": "text/event-stream"}), conversation(), id="events"),
        pytest.param(GET, {"status": 426, "headers": {"upgrade": "websocket", "connection": "upgrade"}}, id="426"),
        pytest.param(WS, {"status": 404, "body": b"no"}, id="a denial"),
        pytest.param(WS, conversation(reads=False), id="a conversation"),
        pytest.param({**WS, "subprotocols": ["v1"]}, {**conversation(subprotocol="v1"), "cookies": {"a": None}}, id="a subprotocol"),
        pytest.param(request("HEAD", "/"), {"status": 200, "headers": {"content-length": "5"}}, id="HEAD"),
    ],
)
def test_responses_that_keep_the_contract(asked: Any, response: Any) -> None:
    assert response_faults(response, asked) == []


@pytest.mark.parametrize(
    ("asked", "response", "faults"),
    [
        (GET, None, ["expected a response, a dict like {'status': 200}, got None"]),
        (GET, [1], ["expected a response, a dict like {'status': 200}, got a list"]),
        (GET, {}, ["response: needs the key 'status'"]),
        (GET, {"status": "200"}, ["response['status']: expected an int, got the str '200'"]),
        (GET, {"status": True}, ["response['status']: expected an int, got the bool True"]),
        (GET, {"status": 200, "body": "x", "headers": []}, ["response['headers']: expected a dict, got a list",
                                                      "response['body']: expected bytes, got the str 'x'"]),
        (GET, {"status": 200, "stream": iter(())}, ["response['stream']: expected an async iterable of bytes, got a tuple_iterator"]),
        (GET, {"status": 200, "file": b"x"}, ["response['file']: expected a path, got a bytes"]),
        (GET, {"status": 200, "cookies": {"a": "1"}}, ["response['cookies']: expected a dict, name -> its attributes, or None, got a dict"]),
        (GET, {"status": 200, "content": b"x"}, ["response['content']: nothing reads that; did you mean 'body'?"]),
        (GET, {"status": 200, "Headers": {}}, ["response['Headers']: nothing reads that; did you mean 'headers'?"]),
        (GET, {"status_code": 200}, ["response: needs the key 'status'", "response['status_code']: nothing reads that; did you mean 'status'?"]),
        (GET, {"status": 200, "compress": 0}, ["response['compress']: expected True or False, got the int 0"]),
        (GET, {"status": 200, "effects": {}}, ["response['effects']: expected a list of effects, got a dict"]),
        (GET, {"status": 200, "effects": [{}]}, ["expected an effect, a dict with a 'type', got a dict"]),
        (GET, {"status": 200, "headers": {"Connection": "close"}}, ["response['headers']: 'Connection' is the server's to say"]),
        (GET, {"status": 700}, ["response: a response's status must be 200 to 599, got 700"]),
        (GET, {"status": 101}, ["response: status 101 answers a WebSocket request and needs the key 'websocket'; "
                                "use @websocket, and the method 'WS' in the route"]),
        (GET, {"status": 200, "websocket": {}}, ["response['websocket']: only a response with status 101 opens a conversation, this one has 200"]),
        (GET, conversation(), ["response['status']: 101 answers the handshake of a WebSocket, and this request is none"]),
        (WS, {"status": 101, "websocket": 1}, ["response['websocket']: expected a dict; @websocket makes it, got the int 1"]),
        (WS, conversation(handler=None), ["response['websocket']['handler']: expected a function, got None"]),
        (WS, conversation(params=...), ["response['websocket']: needs the key 'params'"]),
        (WS, conversation(reads=True), ["response['websocket']['reads']: expected False, or no such key, got the bool True"]),
        (WS, conversation(taps=[{"massage": print}]), ["response['websocket']['taps']: expected a list of taps, "
                                                      "dicts of functions: begin, message, effect, result, end, got a list"]),
        (WS, conversation(hooks={"on_close": 1}), ["response['websocket']['hooks']: expected a dict of functions: on_disconnect, on_close, got a dict"]),
        (WS, conversation(subprotocol="v2"), ["response['websocket']: the client did not offer the subprotocol 'v2'"]),
        (WS, {**conversation(), "body": b"x"}, ["response: a response with status 101 has no body; leave out body, stream and file: "
                                                "the conversation yields what is to be sent"]),
    ],
)  # fmt: skip
def test_responses_that_break_it(asked: Any, response: Any, faults: list[str]) -> None:
    assert response_faults(response, asked) == faults


@pytest.mark.parametrize(
    "effect",
    [
        {"type": "websocket.send", "text": "x"},
        {"type": "websocket.send", "bytes": b"x", "text": None},
        {"type": "websocket.close"},
        {"type": "websocket.close", "code": 4000, "reason": "x"},
        {"type": "timer.after", "seconds": 0, "name": "x"},
        {"type": "feed.open", "name": "x", "iterable": stream()},
        {"type": "my.kind", "name": 1},
    ],
)
def test_effects_that_keep_the_contract(effect: Any) -> None:
    assert effect_faults(effect) == []


@pytest.mark.parametrize(
    ("effect", "faults"),
    [
        ("hi", ["expected an effect, a dict with a 'type', got the str 'hi'"]),
        ({"type": 1}, ["expected an effect, a dict with a 'type', got a dict"]),
        ({"type": "websocket.send", "text": b"x"}, ["effect['text']: expected a str, got a bytes"]),
        ({"type": "websocket.send", "text": "x", "bytes": b"x"}, ["effect: a websocket.send has exactly one of 'text' and 'bytes'"]),
        ({"type": "websocket.close", "code": 1006}, ["effect['code']: expected 1000-1003, 1007-1014 or 3000-4999, got the int 1006"]),
        ({"type": "timer.every", "seconds": -1, "name": "x"}, ["effect['seconds']: expected a number, not below 0, got the int -1"]),
        ({"type": "timer.every", "seconds": float("inf"), "name": "x"}, ["effect['seconds']: expected a number, not below 0, got the float inf"]),
        ({"type": "timer.cancel"}, ["effect: needs the key 'name'"]),
        ({"type": "feed.open", "name": "x", "iterable": []}, ["effect['iterable']: expected an async iterable, got a list"]),
    ],
)
def test_effects_that_break_it(effect: Any, faults: list[str]) -> None:
    assert effect_faults(effect) == faults


@pytest.mark.parametrize(
    ("message", "faults"),
    [
        ("x", []),
        (b"x", []),
        ({"type": "timer.fired", "name": "x", "missed": 0}, []),
        ({"type": "feed.item", "name": "x", "data": None}, []),
        ({"type": "channel.message"}, []),
        (None, ["expected a message, a dict with a 'type', got None"]),
        ({"type": "feed.failed", "name": "x", "error": "x"}, ["message['error']: expected an exception, got the str 'x'"]),
    ],
)
def test_messages(message: Any, faults: list[str]) -> None:
    assert message_faults(message) == faults


def test_a_secret_is_not_shown() -> None:
    assert "hunter2" not in str(request_faults({**GET, "cookies": {"a": ["hunter2"]}, "session": ["hunter2"], "body": ["hunter2"]}))
