"""``play``: scenarios against real apps, on virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from shallot import after, build_server, standard_not_found, websocket, ws_close, ws_send, ws_send_json
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import text, ws_accept
from shallot.testing import Denied, Unexpected, play


async def greet(scope):
    if scope.get("who") == "nobody":
        return text("who are you?", 401)
    return ws_accept("v1" if "v1" in scope["subprotocols"] else None)


@websocket(on_connect=greet, idle_s=600)
async def talk(scope, receiver):
    async for message in receiver:
        match message:
            case "who":
                yield ws_send_json({"who": scope.get("who")})
            case "bye":
                yield ws_close(4000, "bye")
            case "later":
                yield after(30, "later")
            case {"type": "timer.fired"}:
                yield ws_send("now")
            case _:
                yield ws_send(message)


@pytest.mark.parametrize(
    "scenario",
    [
        [],
        [("->", "a"), ("<-", "a"), ("->", b"\0"), ("<-", b"\0")],
        [("->", {"a": [1]}), ("<-", {"a": [1]}), ("->", []), ("<-", [])],
        [("->", "bye"), ("<-", ws_close(4000, "bye"))],
        [("->", "a"), ("->", ws_close(3000))],
        [("->", "later"), (30, "<-", "now"), (100, "->", "a"), (100, "<-", "a"), (700, "<-", ws_close(1001))],
        '-> "later"\n30s <- "now"',
    ],
    ids=["nothing", "text and bytes", "json", "our close", "their close", "times", "text"],
)
def test_plays(scenario: Any) -> None:
    play(talk, scenario)


def test_keys_and_params() -> None:
    @websocket
    async def handler(scope, receiver, room, number):
        yield ws_send_json([scope["identity"], room, number])
        async for _ in receiver:
            pass

    play(handler, [("<-", ["ann", "lobby", 3])], params=["lobby", 3], keys={"identity": "ann"})


def test_an_app_and_its_handshake() -> None:
    @websocket
    async def handler(scope, receiver, room):
        yield ws_send_json([room, scope["headers"]["x-a"], scope["query_string"].decode(), scope["subprotocols"]])

    app = build_server(apply_middleware(wrap_routes([("/{room}", ["WS"], handler)]))(standard_not_found))
    rows: Any = [("<-", ["lobby", "1", "q=2", ["v1"]]), ("<-", ws_close())]
    play(app, rows, path="/lobby", headers={"x-a": "1"}, query={"q": "2"}, subprotocols=["v1"])
    with pytest.raises(TypeError, match="routes"):
        play(app, rows, params=["lobby"])


def test_a_denial() -> None:
    play(talk, [("<-", 401)], keys={"who": "nobody"})
    with pytest.raises(Unexpected, match="403, got 401"):
        play(talk, [("<-", 403)], keys={"who": "nobody"})
    with pytest.raises(Unexpected, match="was accepted"):
        play(talk, [("<-", 401)])
    with pytest.raises(Denied):
        play(talk, [("->", "a")], keys={"who": "nobody"})


@pytest.mark.parametrize(
    "scenario, message, line",
    [
        ([("->", "a"), ("<-", "b")], "expected 'b', got 'a'", 1),
        ([("->", "a"), ("<-", "a"), ("<-", "a")], "expected a message, got close 1001", 2),
        ([("->", "a")], "expected nothing, got 'a'", 1),
        ([("->", "bye"), ("<-", ws_close(4001))], "expected close 4001 '', got close 4000 'bye'", 1),
        ([("->", "later"), (20, "<-", "now")], "at 20 s, and it came at 30 s", 1),
        ([("->", "later"), (40, "<-", "now")], "at 40 s, and it came at 30 s", 1),
    ],
    ids=["other", "missing", "too much", "close", "late", "early"],
)
def test_the_first_difference_is_told(scenario: Any, message: str, line: int) -> None:
    with pytest.raises(Unexpected, match=message) as caught:
        play(talk, scenario)
    shown = caught.value.__notes__[-1].splitlines()[1:]
    assert [number for number, text in enumerate(shown) if text.startswith(">")] == ([line] if line < len(scenario) else [])
