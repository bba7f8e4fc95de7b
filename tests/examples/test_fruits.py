"""examples/fruits.py"""

from __future__ import annotations

import pytest

from shallot.testing import client


async def test_the_table_is_answered_and_its_paths_can_be_made(program):
    async with client(program("fruits").app) as c:
        assert (await c.get("/fruits"))["json"] == {"fruits": ["/fruits/1"]}
        assert (await c.get("/fruits/1"))["json"] == {"name": "apple"}


async def test_a_fruit_that_is_put_is_there(program):
    async with client(program("fruits").app) as c:
        assert (await c.get("/fruits/2"))["status"] == 404
        put = await c.put("/fruits/2", json={"name": "pear"})
        assert (put["status"], put["json"]) == (201, {"name": "pear"})
        assert (await c.get("/fruits/2"))["json"] == {"name": "pear"}
        assert (await c.get("/fruits"))["json"] == {"fruits": ["/fruits/1", "/fruits/2"]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/fruits/", 200, id="a trailing slash changes nothing"),
        pytest.param("HEAD", "/fruits/1", 200, id="HEAD comes from GET"),
        pytest.param("GET", "/fruits/one", 404, id="not an int"),
        pytest.param("DELETE", "/fruits/1", 405, id="no such method"),
        pytest.param("GET", "/vegetables", 404, id="no such path"),
    ],
)
async def test_what_else_may_be_asked(program, method, path, status):
    async with client(program("fruits").app) as c:
        assert (await c.request(method, path))["status"] == status


async def test_two_loads_of_the_program_share_no_fruit(program):
    async with client(program("fruits").app) as c:
        await c.put("/fruits/2", json={"name": "pear"})
    async with client(program("fruits").app) as c:
        assert (await c.get("/fruits/2"))["status"] == 404
