"""shallot.watcher: sending is cancelled where the client leaves meanwhile, and only then."""

from __future__ import annotations

import asyncio
import logging

import pytest

from shallot.body import BodyStream
from shallot.errors import ClientDisconnect
from shallot.testing.clock import virtual_time
from shallot.watcher import while_connected

GONE = {"type": "http.disconnect"}
EMPTY = {"type": "http.request", "body": b"", "more_body": False}


def telling(*events):
    """A ``receive`` that hands out ``events``, then waits for ever; an error among them is raised."""
    coming = iter(events)

    async def receive():
        for event in coming:
            if isinstance(event, Exception):
                raise event
            return event
        await asyncio.Event().wait()

    return receive


async def short(is_gone):
    await asyncio.sleep(0)
    return b"last"


async def endless(is_gone):
    await asyncio.Event().wait()


@pytest.mark.parametrize("events", [[], [EMPTY], [EMPTY, EMPTY], [ValueError("x")], [{"type": "other"}]], ids=["nothing", "body", "bodies", "raises", "other"])
async def test_a_client_that_stays_is_served(events):
    assert await while_connected(telling(*events), None, short) == b"last"


@pytest.mark.parametrize("events", [[GONE], [EMPTY, GONE], [{"type": "websocket.disconnect"}]], ids=["at once", "after the body", "denial"])
async def test_leaving_ends_it(events):
    with pytest.raises(ClientDisconnect):
        await while_connected(telling(*events), None, endless)
    assert asyncio.current_task().cancelling() == 0


async def test_work_that_swallows_its_cancellation_is_told():
    seen = []

    async def stubborn(is_gone):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(is_gone())
        return b"last"

    with pytest.raises(ClientDisconnect):
        await while_connected(telling(GONE), None, stubborn)
    assert seen == [True]


async def test_an_error_of_the_work_is_passed_on(caplog):
    caplog.set_level(logging.DEBUG)

    async def fail(is_gone):
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await while_connected(telling(), None, fail)
    assert caplog.records == []


@pytest.mark.parametrize("events", [[], [GONE]], ids=["alone", "with the client's leaving"])
async def test_a_cancellation_from_outside_is_passed_on(events):
    started = asyncio.Event()

    async def work(is_gone):
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(while_connected(telling(*events), None, work))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_where_the_request_streams_too_its_reader_comes_first():
    body = BodyStream(telling(), 100, 30, None)
    task = asyncio.create_task(while_connected(telling(GONE), body, endless))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    body.ended.set()
    with pytest.raises(ClientDisconnect):
        await task


@virtual_time
async def test_leaving_is_noticed_beside_an_upload_that_nobody_reads():
    receive = telling({"type": "http.request", "body": b"x", "more_body": True}, GONE)
    began = asyncio.get_running_loop().time()
    with pytest.raises(ClientDisconnect):
        await while_connected(receive, BodyStream(receive, 100, 30, None), endless)
    assert asyncio.get_running_loop().time() - began == 30
