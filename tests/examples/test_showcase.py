"""examples/showcase: the page asks for nothing from elsewhere, and what it shows is what runs."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
from inspect import getsource
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from shallot.testing import Denied, client, virtual_time

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
        "/shallot.js": (200, "text/javascript"),
        "/source.js": (200, "text/javascript"),
    }


async def test_the_routes_are_the_table(showcase):
    async with client(showcase.app) as c:
        rows = (await c.get("/routes"))["json"]
    assert [(row["path"], row["methods"], row["name"]) for row in rows] == [(path, methods, data["name"]) for path, methods, _, data in showcase.routes]


async def test_the_sources_are_those_of_the_handlers(showcase):
    async with client(showcase.app) as c:
        for _, _, handler, data in showcase.routes:
            shown = await c.get(f"/source/{data['name']}")
            assert shown["body"].decode() == getsource(handler)
            assert re.match(r"(?:@websocket[^\n]*\n)?async def ", shown["body"].decode())
        unknown = await c.get("/source/nothing")
    assert unknown["status"] == 404


def test_the_page_shows_each_conversation(showcase):
    asked = set(re.findall(r'data-source="([^"]+)"', (STATIC / "index.html").read_text()))
    assert asked == {data["name"] for _, methods, _, data in showcase.routes if "WS" in methods}


async def test_alone_it_has_no_peers(showcase):
    async with client(showcase.app) as c:
        assert (await c.get("/peers"))["json"] == []


# ---- the room


ANN, BOB = {"id": "seat-a", "name": "Ann"}, {"id": "seat-b", "name": "Bob"}


def door(guest, room="lobby", **more):
    return f"/chat/{room}?{urlencode({'name': guest['name'], 'seat': guest['id'], **more})}"


async def entered(window, *, is_back=False):
    """What is heard up to the welcome, and the welcome; who is not back from a moment's absence hears of his own coming, too."""
    before = []
    while (news := await window.expect_json())["type"] != "welcome":
        before.append(news)
    if not is_back:
        assert (await window.expect_json())["type"] == "channel.joined"
    return before, news


async def test_two_windows_talk(showcase):
    async with client(showcase.app) as c, c.websocket(door(ANN)) as ann:
        before, welcome = await entered(ann)
        assert (before, welcome["here"], welcome["channel"], welcome["by"]) == ([], [ANN], "chat:lobby", os.getpid())
        async with c.websocket(door(BOB)) as bob:
            assert (await entered(bob))[1]["here"] == [ANN, BOB]
            assert (await ann.expect_json())["member"] == BOB
            for window, guest, words in [(ann, ANN, "hello, Bob"), (bob, BOB, "<b>hello</b>, Ann"), (ann, ANN, "käse 🧅")]:
                await window.send(words)
                for hears in (ann, bob):
                    assert (await hears.expect_json())["data"] == {"from": guest, "text": words}


async def test_who_comes_new_reads_what_was_said_and_who_comes_back_what_he_missed(showcase):
    async with client(showcase.app) as c, c.websocket(door(ANN)) as ann:
        await entered(ann)
        cursors = []
        for words in ("one", "two", "three"):
            await ann.send(words)
            cursors.append((await ann.expect_json())["cursor"])
        async with c.websocket(door(BOB)) as bob:
            before, welcome = await entered(bob)
            assert [news["data"]["text"] for news in before] == ["one", "two", "three"]
            assert (welcome["cursor"], welcome["recovered"]) == (cursors[-1], False)
        async with c.websocket(door(BOB, cursor=cursors[0])) as bob:
            before, welcome = await entered(bob, is_back=True)
            assert (before, welcome["recovered"]) == ([], True)
            assert [(await bob.expect_json())["data"]["text"] for _ in range(2)] == ["two", "three"]
        async with c.websocket(door(BOB, cursor="made-up")) as bob:
            await entered(bob, is_back=True)
            assert (await bob.expect_json())["type"] == "channel.gap"


async def test_who_only_listens_hears_events(showcase):
    async with client(showcase.app) as c, c.stream("GET", door(BOB), headers={"accept": "text/event-stream"}) as events:
        async with c.websocket(door(ANN)) as ann:
            await entered(ann)
            await ann.send("hello")
            async for event in events:
                if b"hello" in event:
                    break
        assert event.startswith(b"id: ")


async def test_rooms_do_not_hear_each_other(showcase):
    async with client(showcase.app) as c, c.websocket(door(ANN, "here")) as ann, c.websocket(door(BOB, "there")) as bob:
        await entered(ann)
        await entered(bob)
        await ann.send("hello")
        assert (await ann.expect_json())["data"]["text"] == "hello"
        await bob.expect_nothing()


@pytest.mark.parametrize("words", ["", "  \n", "x" * 501, b"bytes"], ids=["nothing", "blanks", "501 characters", "bytes"])
async def test_what_cannot_be_said_is_refused_and_the_talk_goes_on(showcase, words):
    async with client(showcase.app) as c, c.websocket(door(ANN)) as ann:
        await entered(ann)
        await ann.send(words)
        assert await ann.expect_json() == {"type": "refused", "limit": 500}
        await ann.send("y" * 500)
        assert (await ann.expect_json())["data"]["text"] == "y" * 500


async def test_a_message_over_4_kib_closes(showcase):
    async with client(showcase.app) as c, c.websocket(door(ANN)) as ann:
        await entered(ann)
        await ann.send("x" * 4097)
        await ann.expect_close(1009)


@pytest.mark.parametrize(
    "query",
    ["", "?name=&seat=a", "?name=%20&seat=a", f"?name={'n' * 25}&seat=a", "?name=a%0Ab&seat=a", "?name=Ann", "?name=Ann&seat=a/b"],
    ids=["none", "empty", "blank", "too long", "two lines", "no seat", "no such seat"],
)
async def test_the_door_asks_for_a_name_and_a_seat(showcase, query):
    async with client(showcase.app) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket(f"/chat/lobby{query}"):
                pass
    assert denied.value.response["status"] == 400


async def test_the_door_knows_no_room_of_a_name_without_end(showcase):
    async with client(showcase.app) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket(door(ANN, room="r" * 25)):
                pass
    assert denied.value.response["status"] == 404


# ---- the ticker and the echo


@virtual_time
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
