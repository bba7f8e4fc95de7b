"""``wrap_transcript``: what a conversation heard and yielded, as lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shallot import after, build_server, standard_not_found, websocket, ws_close, ws_send
from shallot.codec.transcripts import parse_transcript
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_parameters, wrap_routes, wrap_transcript
from shallot.middlewares.transcript import transcript_request
from shallot.response import text, ws_accept
from shallot.testing import Denied, client


async def greet(scope):
    scope["identity"] = "ann"
    return text("no", 401) if "refuse" in scope["params"] else ws_accept()


@websocket(on_connect=greet)
async def talk(scope, receiver, room):
    async for message in receiver:
        match message:
            case str(said):
                yield after(100, said)
                try:
                    yield {"type": "job.fail"}
                except LookupError:
                    yield ws_send(said)
            case bytes():
                yield ws_close(4000, "enough")


async def fail(effect, scope):
    raise LookupError("gone")


async def plain(request):
    return text("hi")


def build(lines: list[str], **options: Any) -> Any:
    routes = [("/{room}", ["WS"], talk, {"mine": print}), ("/", ["GET"], plain)]
    pile = apply_middleware(wrap_parameters(), wrap_cookies(), wrap_routes(routes), wrap_transcript(lines.append, **options))
    return build_server(pile(standard_not_found), effects={"job.fail": fail})


async def test_a_conversation_is_written_line_by_line() -> None:
    lines: list[str] = []
    async with client(build(lines)) as c, c.websocket("/lobby?token=secret&n=1", cookies={"id": "secret"}, headers={"authorization": "secret"}) as ws:
        await ws.send('{"password":"secret"}')
        assert await ws.expect() == '{"password":"secret"}'
        await ws.send(b"\0")
        await ws.expect_close(4000)
    assert "secret" not in "".join(lines)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    records = [json.loads(line) for line in lines]
    assert [record["kind"] for record in records] == ["open", "in", "out", "result", "out", "result", "out", "in", "out", "end"]
    (recorded,) = parse_transcript(lines)
    assert (recorded.handler, recorded.params, recorded.request["identity"]) == (f"{__name__}:talk", ["lobby"], "ann")
    assert recorded.request["params"] == {"token": ["[redacted]"], "n": ["1"]}
    outs = [exchange for exchange in recorded.exchanges if exchange.kind == "out"]
    assert outs[1].value == {"type": "job.fail"} and outs[1].error == "LookupError: gone"
    assert outs[-1].value == {"type": "websocket.close", "code": 4000, "reason": "enough"}
    assert recorded.close == {"code": 4000, "reason": "enough", "by": "server"}


async def test_what_is_no_conversation_is_not_written() -> None:
    lines: list[str] = []
    async with client(build(lines)) as c:
        assert (await c.get("/"))["status"] == 200
        with pytest.raises(Denied):
            async with c.websocket("/lobby?refuse=1"):
                raise AssertionError
    assert lines == []


async def test_rules_of_ones_own() -> None:
    lines: list[str] = []
    async with client(build(lines, secrets=["n"])) as c, c.websocket("/lobby?n=secret&token=shown"):
        pass
    assert "secret" not in "".join(lines) and "shown" in "".join(lines)


def test_a_request_without_a_query() -> None:
    assert transcript_request({"path": "/", "config": {"db": object()}, "mine": (1,)}) == {"path": "/", "mine": [1]}


@pytest.mark.parametrize("options, message", [(("file.jsonl",), "a function of a line"), ((print, "token"), "write \\['token'\\]")])
def test_wrong_options(options: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        wrap_transcript(options[0], **({"secrets": options[1]} if options[1:] else {}))
