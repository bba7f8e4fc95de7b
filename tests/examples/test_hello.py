"""examples/hello.py"""

from __future__ import annotations

from shallot.testing import client


async def test_every_path_says_hello(program):
    async with client(program("hello").app) as c:
        for path in ("/", "/anything"):
            answer = await c.get(path)
            assert (answer["status"], answer["body"]) == (200, b"hello")
