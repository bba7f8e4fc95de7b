"""examples/chat.py"""

from __future__ import annotations

import pytest

from shallot import channels
from shallot.channels import memory_channels
from shallot.testing import Denied, client


async def test_a_room(program):
    async with client(program("chat").app) as c, c.websocket("/chat/lobby?name=ann") as ann:
        assert await ann.expect_json() == {"notice": "ann joined"}
        async with c.websocket("/chat/lobby?name=bob") as bob:
            for ws in (ann, bob):
                assert await ws.expect_json() == {"notice": "bob joined"}
            await bob.send("hi")
            heard = await bob.expect_json()
            assert (heard["type"], heard["data"]) == ("channel.message", {"from": "bob", "text": "hi"})
            assert await ann.expect_json() == heard
        async with c.websocket("/chat/garden?name=eve") as eve:
            assert await eve.expect_json() == {"notice": "eve joined"}
            await eve.send("alone")
            assert (await eve.expect_json())["data"] == {"from": "eve", "text": "alone"}


async def test_who_comes_back_misses_nothing(program):
    async with client(program("chat").app) as c, c.websocket("/chat/lobby?name=ann") as ann:
        await ann.expect_json()
        cursors = []
        for words in ("one", "two", "three"):
            await ann.send(words)
            cursors.append((await ann.expect_json())["cursor"])
        async with c.websocket(f"/chat/lobby?name=ann&cursor={cursors[0]}") as back:
            assert [(await back.expect_json())["data"]["text"] for _ in range(2)] == ["two", "three"]
        async with c.websocket("/chat/lobby?name=ann&cursor=forged") as back:
            assert await back.expect_json() == {"notice": "some messages could not be recovered"}
            assert [(await back.expect_json())["data"]["text"] for _ in range(3)] == ["one", "two", "three"]


async def test_nobody_comes_in_without_a_name(program):
    async with client(program("chat").app) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket("/chat/lobby"):
                pass
    assert (denied.value.response["status"], denied.value.response["body"]) == (401, b"who are you?")


def test_one_line_tells_where_the_channels_are(program, monkeypatch):
    made = []

    def somewhere_else(url, topics):
        made.append((url, set(topics)))
        return memory_channels(topics)

    monkeypatch.setattr(channels, "redis_channels", somewhere_else, raising=False)
    monkeypatch.setenv("CHAT_REDIS", "redis://localhost")
    program("chat")
    assert made == [("redis://localhost", {"chat:*"})]
