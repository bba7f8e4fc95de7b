"""examples/showcase: the page asks for nothing from elsewhere, and what it shows is what runs."""

from __future__ import annotations

import asyncio
import importlib
import re
from contextlib import aclosing
from inspect import getsource
from pathlib import Path
from types import SimpleNamespace

import pytest

from shallot.testing import Denied, client

STATIC = Path(__file__).parents[2] / "examples" / "showcase" / "static"
FILES = sorted(path.name for path in STATIC.iterdir())


# ---- the page


async def test_the_page_is_served_with_a_strict_policy(showcase):
    async with client(showcase.app) as c:
        page = await c.get("/")
    assert (page["status"], page["headers"]["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().partition(" ")[::2] for part in page["headers"]["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert page["headers"]["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_asked_from_elsewhere(name):
    addresses = set(re.findall(r"(?:https?|wss?):?//[^\s\"'`]+", (STATIC / name).read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_nothing_is_inline():
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)
    assert not re.search(
        r"innerHTML|insertAdjacentHTML|document\.write|\beval\b", "".join((STATIC / name).read_text() for name in FILES if name.endswith(".js"))
    )


async def test_all_that_the_page_refers_to_is_there(showcase):
    async with client(showcase.app) as c:
        seen, todo = {}, ["/"]
        while todo:
            answer = await c.get(path := todo.pop())
            seen[path] = answer["status"], answer["headers"]["content-type"].partition(";")[0]
            if "charset" in answer["headers"]["content-type"] or path.endswith((".js", ".css")):
                todo += set(re.findall(r'"(/[\w.-]+\.(?:js|css|svg))"', answer["body"].decode())) - seen.keys() - set(todo)
    assert seen == {
        "/": (200, "text/html"),
        "/favicon.svg": (200, "image/svg+xml"),
        "/page.css": (200, "text/css"),
        "/page.js": (200, "text/javascript"),
        "/socket.js": (200, "text/javascript"),
        "/source.js": (200, "text/javascript"),
    }


async def test_the_routes_are_the_table(showcase):
    async with client(showcase.app) as c:
        rows = (await c.get("/routes"))["json"]
    assert [(row["path"], row["methods"], row["name"]) for row in rows] == [(path, methods, data["name"]) for path, methods, _, data in showcase.routes]


async def test_the_sources_are_those_of_the_handlers(showcase):
    async with client(showcase.app) as c:
        for name, function in [*((data["name"], handler) for _, _, handler, data in showcase.routes), *showcase.effects.items()]:
            shown = await c.get(f"/source/{name}")
            assert shown["body"].decode() == getsource(function)
            assert re.match(r"(?:@websocket[^\n]*\n)?async def ", shown["body"].decode())
        unknown = await c.get("/source/nothing")
    assert unknown["status"] == 404


def test_the_page_asks_for_each_conversation_and_each_effect(showcase):
    asked = set(re.findall(r'data-(?:source|effect)="([^"]+)"', (STATIC / "index.html").read_text()))
    assert asked == {data["name"] for _, methods, _, data in showcase.routes if "WS" in methods} | set(showcase.effects)


# ---- the room


async def test_two_windows_talk(showcase):
    async with client(showcase.app) as c, c.websocket("/chat/lobby?name=Ann") as ann:
        me, you = {"name": "Ann", "seat": 1}, {"name": "Bob", "seat": 2}
        assert await ann.expect_json() == {"kind": "welcome", "seat": 1, "here": [me]}
        async with c.websocket("/chat/lobby?name=Bob") as bob:
            assert await bob.expect_json() == {"kind": "welcome", "seat": 2, "here": [me, you]}
            assert await ann.expect_json() == {"kind": "joined", "from": you}
            for window, guest, words in [(ann, me, "hello, Bob"), (bob, you, "<b>hello</b>, Ann"), (ann, me, "käse 🧅")]:
                await window.send(words)
                said = {"kind": "said", "from": guest, "text": words}
                assert [await ann.expect_json(), await bob.expect_json()] == [said, said]
        assert await ann.expect_json() == {"kind": "left", "from": you}


async def test_rooms_do_not_hear_each_other(showcase):
    async with client(showcase.app) as c, c.websocket("/chat/here?name=Ann") as ann, c.websocket("/chat/there?name=Bob") as bob:
        await ann.expect_json()
        await bob.expect_json()
        await ann.send("hello")
        assert (await ann.expect_json())["text"] == "hello"
        await bob.expect_nothing()


@pytest.mark.parametrize("words", ["", "  \n", "x" * 501, b"bytes"], ids=["nothing", "blanks", "501 characters", "bytes"])
async def test_what_cannot_be_said_is_refused_and_the_talk_goes_on(showcase, words):
    async with client(showcase.app) as c, c.websocket("/chat/lobby?name=Ann") as ann:
        await ann.expect_json()
        await ann.send(words)
        assert await ann.expect_json() == {"kind": "refused", "limit": 500}
        await ann.send("y" * 500)
        assert (await ann.expect_json())["text"] == "y" * 500


async def test_a_message_over_4_kib_closes(showcase):
    async with client(showcase.app) as c, c.websocket("/chat/lobby?name=Ann") as ann:
        await ann.expect_json()
        await ann.send("x" * 4097)
        await ann.expect_close(1009)


@pytest.mark.parametrize("query", ["", "?name=", "?name=%20", f"?name={'n' * 25}", "?name=a%0Ab"], ids=["none", "empty", "blank", "too long", "two lines"])
async def test_the_door_asks_for_a_name(showcase, query):
    async with client(showcase.app) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket(f"/chat/lobby{query}"):
                pass
    assert denied.value.response["status"] == 400


@pytest.fixture
def rooms(showcase):
    return importlib.import_module("examples.showcase.rooms")


async def test_a_slow_member_loses_the_oldest_and_is_told(rooms):
    held = {}
    async with aclosing(rooms.listen(held, "lobby", {"name": "Ann"})) as news:
        assert (await anext(news))["kind"] == "welcome"
        for number in range(rooms.INBOX + 3):
            rooms.tell(held, "lobby", {"number": number})
        assert await anext(news) == {"kind": "missed", "count": 3}
        assert [(await anext(news))["number"] for _ in range(rooms.INBOX)] == list(range(3, rooms.INBOX + 3))
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        rooms.tell(held, "lobby", {"number": "last"})
        assert await waiting == {"number": "last"}
    assert held == {}


# ---- the ticker and the echo


async def test_tickers_are_counted_in_and_out(showcase, monkeypatch):
    handlers = importlib.import_module("examples.showcase.handlers")
    turns = asyncio.Queue()
    monkeypatch.setattr(handlers, "asyncio", SimpleNamespace(sleep=lambda seconds: turns.get()))
    async with client(showcase.app) as c, c.websocket("/ticker") as first:
        assert await first.expect_json() == {"tick": 1, "running": 1}
        async with c.websocket("/ticker") as second:
            assert await second.expect_json() == {"tick": 1, "running": 2}
        turns.put_nowait(None)
        assert await first.expect_json() == {"tick": 2, "running": 1}


async def test_the_echo_ends_at_exit(showcase):
    async with client(showcase.app) as c, c.websocket("/echo") as ws:
        for message in ("hi", b"\x00", "exit"):
            await ws.send(message)
            assert await ws.expect() == message
        assert await ws.expect_close() == {"code": 1001, "reason": "bye"}
