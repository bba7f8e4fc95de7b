"""examples/resources.py"""

from __future__ import annotations

from shallot.testing import client


async def test_the_connection_lives_as_long_as_the_app(program, monkeypatch):
    module = program("resources")
    made = []
    connect = module.connect

    async def watched():
        made.append(await connect())
        return made[-1]

    monkeypatch.setattr(module, "connect", watched)
    async with client(module.app) as c:
        for _ in range(2):
            assert (await c.get("/"))["json"] == {"question": "everything", "answer": 42}
        assert [connection.is_open for connection in made] == [True]
    assert [connection.is_open for connection in made] == [False]
