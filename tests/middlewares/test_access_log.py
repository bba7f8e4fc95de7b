from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_close, ws_send
from shallot.compose import apply_middleware
from shallot.errors import BadRequest, ClientDisconnect
from shallot.middlewares import access_log
from shallot.middlewares.access_log import SECRET, access_fields, format_access, wrap_access_log
from shallot.middlewares.errors import wrap_errors
from shallot.middlewares.request_id import wrap_request_id
from shallot.middlewares.routing import wrap_routes
from shallot.outcomes import Outcome
from shallot.response import text
from shallot.testing import Denied, client, request, virtual_time

SEED = "hunter2-SECRET"


@pytest.fixture(autouse=True)
def all_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def written(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "shallot.access"]


def asking(path: str = "/", **keys: Any) -> Any:
    return {"method": "GET", "path": path, "headers": {}, **keys}


@virtual_time
async def test_over_the_time_for_a_response_the_record_says_503(caplog: pytest.LogCaptureFixture) -> None:
    async def slow(request: Any) -> Any:
        await asyncio.sleep(61)

    async with client(build_server(apply_middleware(wrap_access_log())(slow)), deadline_s=100) as c:
        assert (await c.get("/"))["status"] == 503
    [(level, line)] = written(caplog)
    assert (level, line.split(" 0B")[0]) == ("ERROR", '127.0.0.1 GET "/" 503')


@pytest.mark.parametrize(
    ("request_", "outcome", "fields", "line"),
    [
        pytest.param(asking(), Outcome(200, 0.0012, 0, 5), {}, '- GET "/" 200 5B 1.2ms', id="a request"),
        pytest.param(asking(client=("::1", 1)), Outcome(None, 0.1), {"client": "::1"}, '::1 GET "/" - 0B 100.0ms', id="nobody was answered"),
        pytest.param(asking(client=None), Outcome(200, 0.0, 0, None), {}, '- GET "/" 200 - 0.0ms', id="a file"),
        pytest.param(asking(), Outcome(200, 0.0, 0, 7, is_whole=False), {"cut": True}, '- GET "/" 200 7B cut 0.0ms', id="a stream that was cut"),
        pytest.param(
            asking("/a/1", route={"path": "/a/{n}"}, request_id="i"),
            Outcome(200, 0.0),
            {"route": "/a/{n}", "request_id": "i"},
            '- GET "/a/1" 200 0B 0.0ms',
            id="its row and its id",
        ),
        pytest.param(
            asking(),
            Outcome(101, 2.0, 3, 4, 1, 2, {"code": 4000, "reason": SEED, "by": "client"}),
            {"messages_in": 1, "messages_out": 2, "code": 4000, "by": "client"},
            '- GET "/" closed 4000 by client in 1/3B out 2/4B 2000.0ms',
            id="a conversation",
        ),
    ],
)
def test_fields_and_line(request_: Any, outcome: Outcome, fields: dict[str, Any], line: str) -> None:
    told = access_fields(request_, outcome)
    assert {name: told[name] for name in fields} == fields
    assert set(told) - set(fields) == {"method", "path", "status", "ms", "bytes_in", "bytes_out"}
    assert format_access(told) == line


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/a\r\nINFO fake", r"/a\x0d\x0aINFO fake"), ("/\x1b[2J", r"/\x1b[2J"), ("/\u202ex", r"/\u202ex"), ("/" + "x" * 300, "/" + "x" * 196 + "...")],
    ids=["a forged line", "a terminal's command", "turned around", "long"],
)
async def test_K2_log_injection(path: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    async def hello(request: Any) -> Any:
        return text("hi")

    ask = {**request("GET", "/"), "path": path, "method": "GE\nT", "client": ("1\n2", 5)}
    ask["headers"] = {"user-agent": path}
    await apply_middleware(wrap_access_log(headers=["user-agent", "absent"]))(hello)(ask)
    record: Any = caplog.records[0]
    assert record.access["path"] == shown
    assert record.access["headers"] == {"user-agent": shown}
    assert record.getMessage().startswith(rf'1\x0a2 GE\x0aT "{shown}" 200 2B ')


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)
        if message == "fail":
            raise ValueError("no")
        if message == "exit":
            yield ws_close(4001, SEED)


async def count(request: Any) -> Any:
    async def numbers() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return {"status": 200, "stream": numbers()}


async def fail(request: Any) -> Any:
    raise ValueError("no")


async def refuse(request: Any) -> Any:
    raise BadRequest("no")


async def hello(request: Any) -> Any:
    return text("hello")


ROUTES = [("/echo", ["WS"], echo), ("/count", ["GET"], count), ("/fail", ["GET"], fail), ("/refuse", ["GET"], refuse), ("/hello", ["GET", "POST"], hello)]
PILE = apply_middleware(wrap_request_id, wrap_access_log, wrap_errors, wrap_routes(ROUTES))
APP = build_server(PILE(standard_not_found))
BARE = build_server(apply_middleware(wrap_access_log, wrap_routes(ROUTES))(standard_not_found))


async def test_one_record_per_request(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "perf_counter", lambda: 0.0)
    monkeypatch.setattr("shallot.outcomes.perf_counter", lambda: 0.25)
    async with client(APP) as c:
        for path in ("/hello", "/count", "/refuse", "/fail", "/nowhere"):
            await c.get(path)
    assert written(caplog) == [
        ("INFO", '127.0.0.1 GET "/hello" 200 5B 250.0ms'),
        ("INFO", '127.0.0.1 GET "/count" 200 6B 250.0ms'),
        ("INFO", '127.0.0.1 GET "/refuse" 400 57B 250.0ms'),
        ("ERROR", '127.0.0.1 GET "/fail" 500 110B 250.0ms'),
        ("INFO", '127.0.0.1 GET "/nowhere" 404 9B 250.0ms'),
    ]
    records: list[Any] = [record for record in caplog.records if record.name == "shallot.access"]
    assert all(record.request_id == record.access["request_id"] for record in records)


async def test_one_record_per_conversation(caplog: pytest.LogCaptureFixture) -> None:
    async with client(APP) as c:
        async with c.websocket("/echo") as ws:
            await ws.send("héy")
            await ws.expect()
            await ws.close(1000)
        async with c.websocket("/echo") as ws:
            await ws.send("exit")
            assert (await ws.expect(), (await ws.expect_close())["code"]) == ("exit", 4001)
        async with c.websocket("/echo") as ws:
            await ws.send("fail")
            assert (await ws.expect(), (await ws.expect_close())["code"]) == ("fail", 1011)
        with pytest.raises(Denied):
            async with c.websocket("/hello"):
                pass
    lines = [(level, line.rpartition(" ")[0]) for level, line in written(caplog)]
    assert lines == [
        ("INFO", '127.0.0.1 WS "/echo" closed 1000 by client in 1/4B out 1/4B'),
        ("INFO", '127.0.0.1 WS "/echo" closed 4001 by server in 1/4B out 1/4B'),
        ("ERROR", '127.0.0.1 WS "/echo" closed 1011 by server in 1/4B out 1/4B'),
        ("INFO", '127.0.0.1 WS "/hello" 404 55B'),
    ]


async def test_a_stream_that_the_client_leaves(caplog: pytest.LogCaptureFixture) -> None:
    async with client(APP) as c:
        async with c.stream("GET", "/count") as answer:
            await anext(aiter(answer))
    assert written(caplog)[0][1].startswith('127.0.0.1 GET "/count" 200 ')


@pytest.mark.parametrize(
    ("error", "level", "status"),
    [(ValueError(), "ERROR", 500), (BadRequest(), "INFO", 400), (ClientDisconnect(), "INFO", None), (asyncio.CancelledError(), "INFO", None)],
    ids=repr,
)
async def test_J1_what_is_raised_passes_on(error: BaseException, level: str, status: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Any) -> Any:
        raise error

    with pytest.raises(type(error)):
        await apply_middleware(wrap_access_log)(broken)(request("GET", "/"))
    record: Any = caplog.records[0]
    assert (record.levelname, record.access["status"]) == (level, status)


async def test_K3_secrets_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    headers = {"cookie": f"session={SEED}", "authorization": f"Bearer {SEED}", "x-api-key": SEED, "referer": f"https://a.b/?t={SEED}", "x-custom": SEED}
    async with client(APP) as c:
        await c.post("/hello", headers=headers, body=SEED, query={"token": SEED})
        await c.get("/fail", headers=headers, query={"token": SEED})
        async with c.websocket("/echo", headers=headers, query={"ticket": SEED}) as ws:
            await ws.send(SEED)
            await ws.expect()
            await ws.close(4000, SEED)
    assert len(written(caplog)) == 3
    assert SEED not in caplog.text
    assert SEED not in repr([vars(record) for record in caplog.records if record.name == "shallot.access"])


async def test_G5_a_token_in_the_url(caplog: pytest.LogCaptureFixture) -> None:
    async with client(APP) as c, c.websocket("/echo", query={"access_token": SEED}) as ws:
        await ws.close(1000)
    assert len(written(caplog)) == 1
    assert SEED not in caplog.text


async def test_K4_bad_requests_are_one_info_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with client(APP) as c:
        for _ in range(50):
            await c.get("/refuse")
            await c.get("/nowhere")
            await c.get("/hello", headers={"host": "two words"})  # refused before any middleware
    assert len(caplog.records) == 150
    assert {record.levelname for record in caplog.records} == {"INFO"}


async def test_nothing_is_put_together_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "shallot.access")
    async with client(BARE) as c:
        await c.get("/hello")
    assert written(caplog) == []


@pytest.mark.parametrize("name", sorted(SECRET))
def test_secret_headers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^wrap_access_log: the header '{name}' carries secrets, which do not belong in a log; leave it out$"):
        wrap_access_log(headers=[name])


def test_options() -> None:
    with pytest.raises(TypeError, match=r"^wrap_access_log: headers must be a collection of names, not the str 'host'; write \['host'\]$"):
        wrap_access_log(headers="host")
    with pytest.raises(ValueError, match="^wrap_access_log: headers are named in lower case, not 'Host'$"):
        wrap_access_log(headers=["Host"])


async def test_another_logger(caplog: pytest.LogCaptureFixture) -> None:
    await apply_middleware(wrap_access_log(logger="mine"))(hello)(request("GET", "/"))
    assert [record.name for record in caplog.records] == ["mine"]
