from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

import shallot.testing
from shallot.codec.json import format_json
from shallot.testing import Denied, Unexpected, WrongEvent, client, virtual_time

from .apps import sending

START = {"type": "http.response.start", "status": 200}


async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it was asked, as JSON."""
    events = [await receive()]
    while events[-1]["more_body"]:
        events.append(await receive())
    told = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "scheme": scope["scheme"],
        "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
        "bodies": [event["body"].decode() for event in events],
        "extensions": scope["extensions"],
        "state": scope.get("state"),
    }
    await send({**START, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": format_json(told)})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept", "headers": [(b"set-cookie", b"seen=1")]})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"set-cookie", b"denied=1")]})
    await send({"type": "websocket.http.response.body"})


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.mark.parametrize("name", shallot.testing.__all__)
def test_no_module_takes_the_place_of_a_name(name: str) -> None:
    assert not inspect.ismodule(getattr(shallot.testing, name))


# ---- requests


async def test_the_example() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await echo(scope, receive, send)
        else:
            await mirror(scope, receive, send)

    async with client(app, lifespan=False) as c:
        assert (await c.get("/fruits"))["status"] == 200
        async with c.websocket("/echo") as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
async def test_each_method(method: str) -> None:
    async with client(mirror, lifespan=False) as c:
        told = (await getattr(c, method)("/a%20b?c=d", query={"e": 1}))["json"]
    assert (told["method"], told["path"], told["query"], told["scheme"]) == (method.upper(), "/a b", "c=d&e=1", "http")


async def test_head_has_no_body() -> None:
    async with client(mirror, lifespan=False) as c:
        answer = await c.head("/")
    assert (answer["status"], answer["body"]) == (200, b"")


@pytest.mark.parametrize(
    ("sent", "bodies", "headers"),
    [
        ({}, [""], {}),
        ({"body": b"raw"}, ["raw"], {"content-length": "3"}),
        ({"body": "käse"}, ["käse"], {"content-length": "5"}),
        ({"json": {"a": 1}}, ['{"a":1}'], {"content-length": "7", "content-type": "application/json"}),
        ({"json": None}, ["null"], {"content-length": "4", "content-type": "application/json"}),
        ({"json": 1, "headers": {"Content-Type": "a/b"}}, ["1"], {"content-length": "1", "content-type": "a/b"}),
        ({"form": {"a": ["1", "2"]}}, ["a=1&a=2"], {"content-length": "7", "content-type": "application/x-www-form-urlencoded"}),
        ({"chunks": [b"a", b"", b"b"]}, ["a", "", "b"], {"transfer-encoding": "chunked"}),
        ({"chunks": []}, [""], {"transfer-encoding": "chunked"}),
        ({"headers": {"Host": None, "x": "y"}}, [""], {"x": "y", "host": None}),
        ({"cookies": {"a": "b c"}}, [""], {"cookie": "a=b%20c"}),
    ],
    ids=str,
)
async def test_what_a_request_carries(sent: dict[str, Any], bodies: list[str], headers: dict[str, str | None]) -> None:
    async with client(mirror, lifespan=False) as c:
        told = (await c.request("POST", "/", **sent))["json"]
    assert told["bodies"] == bodies
    assert told["headers"] == {name: value for name, value in {"host": "localhost", **headers}.items() if value is not None}


async def test_a_request_has_one_body() -> None:
    async with client(mirror, lifespan=False) as c:
        with pytest.raises(TypeError, match=r"^a request has one body: body and json were given$"):
            await c.post("/", body=b"", json=1)


@pytest.mark.parametrize(
    ("sent", "cure"),
    [("data", "form"), ("params", "query"), ("content", "body"), ("timeout", "one of headers, body, chunks, json, form, query, cookies, deadline_s")],
)
async def test_what_a_request_cannot_carry_is_told(sent: str, cure: str) -> None:
    async with client(mirror) as c:
        with pytest.raises(TypeError) as caught:
            await c.post("/fruits", **{sent: {"a": "1"}})  # type: ignore[misc]
        assert str(caught.value) == f"POST /fruits: a request cannot carry {sent!r}; write {cure}"
        with pytest.raises(TypeError):
            async with c.stream("GET", "/fruits", **{sent: {"a": "1"}}):  # type: ignore[misc]
                raise AssertionError("sent")


async def test_a_handler_is_no_app() -> None:
    async def hello(request: Any) -> Any:
        raise AssertionError("called")

    with pytest.raises(TypeError, match=r"^client: expected an ASGI app, .*: too many positional arguments; a handler becomes one by build_server\(\.\.\.\)$"):
        async with client(hello):  # type: ignore[arg-type]
            raise AssertionError("started")


async def test_the_clients_own_headers_and_scheme() -> None:
    async with client(mirror, lifespan=False, headers={"Authorization": "Bearer a", "x": "1"}, scheme="https") as c:
        told = (await c.get("/", headers={"X": "2"}))["json"]
    assert told["headers"] == {"host": "localhost", "authorization": "Bearer a", "x": "2"}
    assert told["scheme"] == "https"


@pytest.mark.parametrize(
    ("given", "offered"), [(None, {"websocket.http.response": {}}), ({}, {}), ({"http.response.pathsend": {}}, {"http.response.pathsend": {}})], ids=str
)
async def test_extensions(given: dict[str, dict[str, Any]] | None, offered: dict[str, Any]) -> None:
    async with client(mirror, lifespan=False, extensions=given) as c:
        assert (await c.get("/"))["json"]["extensions"] == offered


async def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    app = sending(START, {"type": "http.response.pathsend", "path": str(tmp_path / "x")})
    async with client(app, lifespan=False, extensions={"http.response.pathsend": {}}) as c:
        assert (await c.get("/"))["body"] == b"content"


# ---- cookies


async def test_cookies_are_kept_and_sent() -> None:
    lines = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=%20"), (b"set-cookie", b"c=; Max-Age=0")]
    async with client(sending({**START, "headers": lines}, body()), lifespan=False, cookies={"c": "3", "d": "4"}) as c:
        await c.get("/")
        assert c.cookies == {"a": "1", "b": "%20", "d": "4"}
        c._app = mirror  # type: ignore[assignment]
        assert (await c.get("/", cookies={"d": "5"}))["json"]["headers"]["cookie"] == "d=5; a=1; b=%20"
        assert c.cookies["d"] == "4"


async def test_cookies_of_streams_and_handshakes_are_kept() -> None:
    async with client(sending({**START, "headers": [(b"set-cookie", b"a=1")]}, body()), lifespan=False) as c:
        async with c.stream("GET", "/") as answer:
            assert answer.status == 200
        c._app = echo
        async with c.websocket("/"):
            pass
        c._app = refuse
        with pytest.raises(Denied):
            async with c.websocket("/"):
                pass
        assert c.cookies == {"a": "1", "seen": "1", "denied": "1"}


# ---- what goes wrong


@pytest.mark.parametrize(("events", "status"), [([], 500), ([START], 200)], ids=["before the response", "in the response"])
async def test_an_error_of_the_app_without_raising(events: list[dict[str, Any]], status: int) -> None:
    error = KeyError("oh")
    async with client(sending(*events, error=error), lifespan=False, raise_errors=False) as c:
        answer = await c.get("/")
    assert (answer["status"], answer["error"], answer["cut"]) == (status, error, status == 200)


async def test_no_answer_without_raising() -> None:
    async with client(sending(), lifespan=False, raise_errors=False) as c:
        assert await c.get("/") == {
            "status": 500,
            "headers": {"content-type": "text/plain; charset=utf-8"},
            "headers_list": [("content-type", "text/plain; charset=utf-8")],
            "body": b"Internal Server Error",
            "chunks": [b"Internal Server Error"],
            "cut": False,
        }


@pytest.mark.parametrize("events", [[], [START, body(b"x")]], ids=["before the response", "after the response"])
async def test_an_error_of_the_app_is_raised(events: list[dict[str, Any]]) -> None:
    async with client(sending(*events, error=KeyError("oh")), lifespan=False) as c:
        with pytest.raises(KeyError, match="oh"):
            await c.get("/")


async def test_an_error_after_the_response_without_raising() -> None:
    async with client(sending(START, body(b"x"), error=KeyError("oh")), lifespan=False, raise_errors=False) as c:
        answer = await c.get("/")
    assert (answer["body"], answer["cut"], str(answer["error"])) == (b"x", False, "'oh'")


@pytest.mark.parametrize("error", [None, KeyError("oh")])
async def test_a_response_that_began_is_cut(error: Exception | None) -> None:
    async with client(sending(START, body(b"x", more=True), error=error), lifespan=False) as c:
        answer = await c.get("/")
    assert (answer["body"], answer["cut"], answer.get("error")) == (b"x", True, error)


async def test_no_answer_at_all() -> None:
    async with client(sending(), lifespan=False) as c:
        with pytest.raises(Unexpected, match=r"^the app ended without a response\nhttp /x: the app has ended\nso far: nothing$"):
            await c.get("/x")


async def test_a_wrong_event_is_raised_even_if_the_app_takes_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(WrongEvent):
            await send(body())
        await send(START)
        await send(body())

    async with client(app, lifespan=False) as c:
        with pytest.raises(WrongEvent, match=r"^'http.response.body' was sent where 'http.response.start' may come"):
            await c.get("/")
    async with client(app, lifespan=False, raise_errors=False) as c:
        assert (await c.get("/"))["status"] == 200


async def test_a_wrong_length_is_raised() -> None:
    async with client(sending({**START, "headers": [(b"content-length", b"2")]}, body(b"x")), lifespan=False) as c:
        with pytest.raises(WrongEvent, match=r"^content-length announces 2 bytes, but 1 were sent$"):
            await c.get("/")


async def never(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.get_running_loop().create_future()


async def lingering(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(body())
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(("app", "what"), [(never, "the response to GET /x"), (lingering, "the app to end after its response to GET /x")])
@virtual_time
async def test_each_wait_has_a_deadline(app: Any, what: str) -> None:
    async with client(app, lifespan=False, deadline_s=0.01) as c:
        with pytest.raises(Unexpected, match=rf"^waited 0\.01 s for {what}\n"):
            await c.get("/x")
    async with client(app, lifespan=False) as c:
        with pytest.raises(Unexpected, match=r"^waited 0\.02 s for "):
            await c.get("/x", deadline_s=0.02)


async def test_after_the_response_comes_a_disconnect() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["type"])
        await send(START)
        await send(body())
        seen.append((await receive())["type"])

    async with client(app, lifespan=False) as c:
        await c.get("/")
    assert seen == ["http.request", "http.disconnect"]


# ---- streams, sockets, lifespan


async def test_a_stream_can_be_left() -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        try:
            while True:
                await send(body(b"tick", more=True))
        except OSError as error:
            ended.append(str(error))

    async with client(app, lifespan=False) as c, c.stream("POST", "/live", json=1, deadline_s=1) as answer:
        async for chunk in answer:
            assert chunk == b"tick"
            break
    assert ended == ["'http.response.body' was sent on a closed connection"]


async def test_a_socket_is_opened_with_all_it_needs() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    async with client(app, lifespan=False, headers={"x": "1"}, cookies={"a": "1"}, scheme="https") as c:
        async with c.websocket("/ws?a=b", query={"c": 1}, headers={"Origin": "https://localhost"}, cookies={"b": "2"}, subprotocols=["v1"], deadline_s=1):
            pass
    scope = scopes[0]
    headers = dict(scope["headers"])
    assert (scope["type"], scope["scheme"], scope["query_string"], scope["subprotocols"]) == ("websocket", "wss", b"a=b&c=1", ["v1"])
    assert (headers[b"x"], headers[b"origin"], headers[b"cookie"], headers[b"upgrade"]) == (b"1", b"https://localhost", b"a=1; b=2", b"websocket")
    assert scope["extensions"] == {"websocket.http.response": {}}


async def test_without_the_extension_a_denial_is_a_403() -> None:
    async with client(sending({"type": "websocket.close"}), lifespan=False, extensions={}) as c:
        with pytest.raises(Denied) as caught:
            async with c.websocket("/"):
                pass
        assert caught.value.response["status"] == 403


@pytest.mark.parametrize(("after_leave", "seen"), [("raise", ["OSError"]), ("swallow", [])])
async def test_after_leave(after_leave: Any, seen: list[str]) -> None:
    caught: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"} if scope["type"] == "websocket" else START)
        await receive()
        try:
            await send({"type": "websocket.send", "text": "x"} if scope["type"] == "websocket" else body(more=True))
        except OSError:
            caught.append("OSError")

    async with client(app, lifespan=False, after_leave=after_leave) as c:
        async with c.websocket("/"):
            pass
        async with c.stream("GET", "/"):
            pass
    assert caught == seen * 2


async def test_the_lifespan_is_run_and_its_state_handed_to_each_request() -> None:
    log: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await mirror(scope, receive, send)
            scope["state"]["own"] = True
            return
        scope["state"]["db"] = "open"
        for phase in ("startup", "shutdown"):
            log.append((await receive())["type"])
            await send({"type": f"lifespan.{phase}.complete"})

    async with client(app) as c:
        assert log == ["lifespan.startup"]
        for _ in range(2):
            assert (await c.get("/"))["json"]["state"] == {"db": "open"}
    assert log == ["lifespan.startup", "lifespan.shutdown"]


async def test_without_lifespan_there_is_no_state() -> None:
    async with client(mirror, lifespan=False) as c:
        assert (await c.get("/"))["json"]["state"] is None


async def test_a_failed_start_is_told() -> None:
    with pytest.raises(Unexpected, match=r"^the app's startup failed: no database$"):
        async with client(sending({"type": "lifespan.startup.failed", "message": "no database"})):
            pass
