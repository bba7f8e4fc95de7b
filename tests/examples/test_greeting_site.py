"""examples/greeting_site.py"""

from __future__ import annotations

import re

import pytest

from shallot.describe import check
from shallot.testing import Denied, client

HOST = {"host": "example.org"}


async def test_a_user_logs_in_with_the_form_of_the_page(program):
    async with client(program("greeting_site").app, scheme="https", headers=HOST) as c:
        page = (await c.get("/"))["body"].decode()
        assert "Hello, stranger" in page
        token = re.search(r'value="([^"]+)"', page)[1]
        assert (await c.post("/login"))["status"] == 403
        answer = await c.post("/login", form={"__anti_forgery_token": token})
        assert (answer["status"], answer["headers"]["location"]) == (303, "/")
        assert "Hello, Ann" in (await c.get("/"))["body"].decode()


async def test_only_its_own_pages_open_the_socket(program):
    async with client(program("greeting_site").app, scheme="https", headers=HOST) as c:
        with pytest.raises(Denied):
            async with c.websocket("/echo", headers={"origin": "https://evil.example"}):
                pass
        async with c.websocket("/echo", headers={"origin": "https://example.org"}) as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"


async def test_it_serves_nothing_without_tls_or_under_another_name(program):
    async with client(program("greeting_site").app, headers=HOST) as c:
        assert (await c.get("/"))["headers"]["location"] == "https://example.org/"
        assert (await c.get("/", headers={"host": "evil.example"}))["status"] == 400


async def test_on_ones_own_machine(program, monkeypatch):
    monkeypatch.setenv("SITE_DEBUG", "1")
    monkeypatch.setenv("SITE_KEY", "0123456789abcdefghijklmnopqrstuv")
    app = program("greeting_site").app
    async with client(app, headers={"host": "localhost:8000"}) as c:
        assert (await c.get("/"))["status"] == 200
        assert (await c.get("/"))["headers"].get("strict-transport-security") is None
    assert {"debug-on", "session-key-known"} <= {finding["id"] for finding in check(app)}


def test_check_finds_nothing(program):
    assert [finding for finding in check(program("greeting_site").app) if finding["level"] != "info"] == []
