"""examples/echo.py"""

from __future__ import annotations

import pytest

from shallot.testing import Denied, client

TOKEN = {"cookie": "token=ann"}


async def test_who_brings_no_token_gets_a_401_and_no_socket(program):
    async with client(program("echo").app) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket("/echo"):
                pass
    assert (denied.value.response["status"], denied.value.response["body"]) == (401, b"who are you?")


@pytest.mark.parametrize(("origin", "status"), [("http://localhost", None), ("https://elsewhere.example", 403)])
async def test_pages_of_other_sites_stay_outside(program, origin, status):
    async with client(program("echo").app) as c:
        try:
            async with c.websocket("/echo", headers={**TOKEN, "host": "localhost", "origin": origin}) as ws:
                await ws.send("hi")
                assert (await ws.expect(), status) == ("hi", None)
        except Denied as denied:
            assert denied.response["status"] == status


@pytest.mark.parametrize("message", ["hi", "", "käse", b"\x00\xff"], ids=["text", "empty", "not ASCII", "bytes"])
async def test_what_is_sent_comes_back_as_it_was(program, message):
    async with client(program("echo").app) as c, c.websocket("/echo", headers=TOKEN) as ws:
        await ws.send(message)
        assert await ws.expect() == message


async def test_exit_is_echoed_and_then_the_socket_closed(program, capsys):
    async with client(program("echo").app) as c, c.websocket("/echo", headers=TOKEN) as ws:
        await ws.send("exit")
        assert await ws.expect() == "exit"
        assert await ws.expect_close() == {"code": 1001, "reason": "bye"}
    assert capsys.readouterr().out == "ann left with 1001\n"


async def test_the_client_that_leaves_is_named(program, capsys):
    async with client(program("echo").app) as c, c.websocket("/echo", headers=TOKEN) as ws:
        await ws.close(4000, "enough")
    assert capsys.readouterr().out == "ann left with 4000\n"


@pytest.mark.parametrize(("offered", "chosen"), [((), None), (["v1"], "v1"), (["v0", "v1"], "v1"), (["v2"], None)], ids=["none", "v1", "v0 and v1", "another"])
async def test_the_subprotocol_is_chosen_where_it_was_offered(program, offered, chosen):
    async with client(program("echo").app) as c, c.websocket("/echo", headers=TOKEN, subprotocols=offered) as ws:
        assert ws.accepted["subprotocol"] == chosen


async def test_a_message_over_64_kib_is_too_much(program):
    async with client(program("echo").app) as c, c.websocket("/echo", headers=TOKEN) as ws:
        await ws.send("x" * 65536)
        assert len(await ws.expect()) == 65536
        await ws.send("x" * 65537)
        await ws.expect_close(1009)
