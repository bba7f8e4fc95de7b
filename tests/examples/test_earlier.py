"""Programs in the shape of the earlier package's tutorial, as they would have been written for it: they run unmodified.

All of them ran under 2.0.0 too, but for what it documented and did not do: ``wrap_json`` without parentheses, and values of a path.
"""

from __future__ import annotations

import pytest

from shallot import build_server
from shallot.testing import client


async def test_a_greeting(earlier):
    async with client(earlier("greeting").app) as c:
        answer = await c.get("/", headers={"user-agent": "curl"})
        assert (answer["status"], answer["body"]) == (200, b"Good day to you and to curl")
        assert answer["headers"]["content-type"] == "text/plain; charset=utf-8"
        assert (await c.get("/"))["body"] == b"Good day to you and to None"


async def test_a_shelf_of_files(earlier, tmp_path, monkeypatch):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "favicon.ico").write_bytes(b"\x00\x00\x01\x00")
    monkeypatch.chdir(tmp_path)
    async with client(earlier("shelf").app) as c:
        icon = await c.get("/favicon.ico")
        assert (icon["status"], icon["body"], icon["headers"]["content-type"]) == (200, b"\x00\x00\x01\x00", "image/vnd.microsoft.icon")
        assert (await c.get("/favicon.ico", headers={"if-none-match": icon["headers"]["etag"]}))["status"] == 304
        assert (await c.get("/"))["body"].startswith(b"Nothing on the shelf")


async def test_a_stock_of_goods(earlier):
    async with client(earlier("stock").app) as c:
        assert (await c.get("/goods"))["json"] == {"goods": ["tea", "salt"]}
        assert (await c.get("/goods/tea"))["json"] == {"kind": "leaves", "boxes": 2}
        assert (await c.post("/goods", json={"tea": 9, "salt": 1}))["json"] == {"counted": ["salt", "tea"]}
        assert (await c.get("/goods/tea"))["json"] == {"kind": "leaves", "boxes": 9}
        assert (await c.post("/goods", body=b"{", headers={"content-type": "application/json"}))["status"] == 400
        assert (await c.get("/nowhere"))["body"] == b"Nothing here"


async def test_a_parrot_and_a_listener_that_trips(earlier, caplog):
    module = earlier("parrot")
    async with client(module.app) as c:
        async with c.websocket("/parrot") as ws:
            for word in ("one", "two"):
                await ws.send(word)
                assert await ws.expect() == f"{word}, {word}!"
        async with c.websocket("/listener") as ws:
            await ws.send("hush")
            await ws.expect_nothing()
            await ws.send("trip")
            assert await ws.expect_close() == {"code": 1011, "reason": ""}
    assert module.heard == ["hush", "trip"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [RuntimeError]


async def test_patterns_of_talking(earlier):
    module = earlier("patterns")
    async with client(module.app) as c:
        async with c.websocket("/reporting") as ws:
            await ws.send("rain")
            await ws.send("sun")
            await ws.close()
        assert module.reports == ["rain", "sun"]
        async with c.websocket("/counting") as ws:
            assert [await ws.expect() for _ in range(100)] == [f"number {number}" for number in range(100)]
        async with c.websocket("/turns") as ws:
            for said, answer in [("knock knock", "who is there?"), ("bob", "pardon?"), ("enough", "as you like")]:
                await ws.send(said)
                assert await ws.expect() == answer
            await ws.expect_close(1000)


@pytest.mark.leaks  # the program starts tasks that nobody ends: such programs exist, and must run
async def test_a_crowd_that_reads_in_a_task_of_its_own(earlier):
    app = build_server(earlier("crowd").handler, limits={"linger_s": 0.05})  # it never comes back to see that its client left; 5 s by default
    async with client(app) as c:
        assert (await c.get("/"))["json"] == {"alive": True}
        async with c.websocket("/crowd/ann") as ann, c.websocket("/crowd/bob") as bob:
            await ann.send("hello")
            assert await bob.expect() == "ann says hello"
            await bob.send("good day")
            assert await ann.expect() == "bob says good day"
            await ann.expect_nothing()
        async with c.websocket("/crowd/eve") as eve, c.websocket("/crowd/ann") as ann:
            await ann.send("anybody?")
            assert await eve.expect() == "ann says anybody?"
