"""examples/build_log.py"""

from __future__ import annotations

from shallot.testing import client


async def test_lines_posted_over_http_arrive_on_the_socket_in_order(program):
    async with client(program("build_log").app) as c, c.websocket("/jobs/docs") as ws:
        for line in ("fetching", "compiling"):
            assert (await c.post("/jobs/docs", body=line.encode()))["status"] == 204
        assert [await ws.expect(), await ws.expect()] == ["fetching", "compiling"]


async def test_stop_is_an_effect_of_our_own_that_ends_the_feed_and_the_conversation(program):
    async with client(program("build_log").app) as c, c.websocket("/jobs/docs") as ws:
        await c.post("/jobs/docs", body=b"compiling")
        assert await ws.expect() == "compiling"
        await ws.send("stop")
        await ws.expect_close(1000)


async def test_a_job_that_nobody_knows_has_no_log(program):
    async with client(program("build_log").app) as c:
        async with c.websocket("/jobs/moon") as ws:
            await ws.expect_close(1000)
        assert (await c.post("/jobs/moon", body=b"landing"))["status"] == 404


async def test_lines_that_nobody_reads_are_bounded(program):
    async with client(program("build_log").app) as c:
        for number in range(100):
            assert (await c.post("/jobs/app", body=b"%d" % number))["status"] == 204
        assert (await c.post("/jobs/app", body=b"too many"))["status"] == 503
