"""wrap_hosts: ours, and nobody else's."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket
from shallot.compose import apply_middleware
from shallot.middlewares.hosts import hosts_request, wrap_hosts
from shallot.middlewares.routing import wrap_routes
from shallot.testing import Denied, client, request


async def answer(hosts: Any, *asked: Any) -> list[int]:
    ran = []

    async def handler(request: Any) -> Any:
        ran.append(request)
        return {"status": 200}

    composed = apply_middleware(wrap_hosts(hosts))(handler)
    statuses = [(await composed(request))["status"] for request in asked]
    assert len(ran) == statuses.count(200)
    return statuses


def of(host: str | None, method: str = "GET") -> Any:
    return request(method, "/", headers={} if host is None else {"host": host})


@pytest.mark.parametrize("method", ["GET", "WS"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 400) for host in ("localhost/health?", "a@b", "a b", "a,b", "[::1", "a:99999", "", "example.com,example.com", None)),
        *((host, 200) for host in ("[::1]:80", "a.b:8000")),
    ],
)
async def test_A1_malformed_host(host: str | None, status: int, method: str) -> None:
    assert await answer(["*"], of(host, method)) == [status]


@pytest.mark.parametrize("second", ["a.example", "b.example"])
async def test_A2_two_hosts_or_none(second: str) -> None:
    """The core refuses both, whatever the server lets through."""

    async def hello(request: Any) -> Any:
        return {"status": 200}

    async with client(build_server(apply_middleware(wrap_hosts(["a.example"]))(hello))) as c:
        assert (await c.get("/", headers={"host": ["a.example", second]}))["status"] == 400
        assert (await c.get("/", headers={"host": "a.example"}))["status"] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.com", 400),
        ("EXAMPLE.com.", 200),
        ("example.com.evil.com", 400),
        ("notexample.com", 400),
        ("example.com:8443", 200),
        ("a.example.com", 400),
    ],
)
async def test_A3_host_that_is_not_ours(host: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shallot.hosts")
    assert await answer(["example.com"], of(host), of(host)) == [status, status]
    records = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert records == ([("INFO", "a request from 127.0.0.1 was refused: its host is none of ours")] * 2 if status == 400 else [])


def test_the_answer_does_not_repeat_the_host() -> None:
    response: Any = hosts_request(of("evil.example"), lambda host: False)
    assert (response["status"], b"evil" in response["body"], "evil" in str(response["headers"])) == (400, False, False)


@pytest.mark.parametrize(
    ("hosts", "kind", "error"),
    [
        ([], ValueError, "wrap_hosts: hosts is empty, which would refuse every request; name yours, like ['example.org']"),
        ("a.org", TypeError, "wrap_hosts: hosts must be a collection of hosts, not the str 'a.org'; write ['a.org']"),
        (["https://a.org"], ValueError, "wrap_hosts: a host is like 'example.org', "),
    ],
)
def test_wrong_options_are_found_at_build_time(hosts: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_hosts(hosts)
    assert str(caught.value).startswith(error)


async def test_a_websocket_is_denied() -> None:
    @websocket
    async def echo(scope: Any, receiver: Any) -> Any:
        async for message in receiver:
            yield {"type": "websocket.send", "text": message}

    app = build_server(apply_middleware(wrap_hosts(["example.com"]), wrap_routes([("/", ["WS"], echo)]))(standard_not_found))
    async with client(app) as c:
        async with c.websocket("/", headers={"host": "example.com"}) as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"
        with pytest.raises(Denied) as denied:
            async with c.websocket("/", headers={"host": "evil.com"}):
                pass
    assert denied.value.response["status"] == 400
