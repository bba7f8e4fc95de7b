"""examples/orders.py"""

from __future__ import annotations

import json

from shallot.codec.event_stream import parse_events
from shallot.testing import client

ACCEPT = {"accept": "text/event-stream"}


async def events_of(stream, count, *, places=False):
    data, events = b"", []
    async for chunk in stream:
        parsed, data = parse_events(data + chunk)
        events += [event for event in parsed if places or event.get("event") != "place"]
        if len(events) >= count:
            return events
    raise AssertionError(f"the stream ended after {events}")


async def test_an_order_reaches_sockets_and_streams(program):
    async with client(program("orders").app) as c:
        async with c.websocket("/orders/live") as ws, c.stream("GET", "/orders/live", headers=ACCEPT) as stream:
            await events_of(stream, 1, places=True)  # it has subscribed
            assert (await c.post("/orders", json={"fruit": "pear"}))["status"] == 202
            heard = await ws.expect_json()
            (event,) = await events_of(stream, 1)
            assert heard["data"] == {"fruit": "pear"}
            assert (json.loads(event["data"]), event["id"]) == (heard, heard["cursor"])


async def test_who_comes_again_gets_what_was_missed(program):
    async with client(program("orders").app) as c:
        async with c.stream("GET", "/orders/live", headers=ACCEPT) as stream:
            (place,) = await events_of(stream, 1, places=True)
        for number in (1, 2):
            await c.post("/orders", json=number)
        async with c.websocket(f"/orders/live?cursor={place['id']}") as ws:
            heard = [await ws.expect_json() for _ in range(2)]
        assert [message["data"] for message in heard] == [1, 2]
        async with c.stream("GET", "/orders/live", headers={**ACCEPT, "last-event-id": heard[0]["cursor"]}) as stream:
            assert json.loads((await events_of(stream, 1))[0]["data"])["data"] == 2
        async with c.websocket("/orders/live?cursor=forged") as ws:
            assert (await ws.expect_json())["type"] == "channel.gap"


async def test_neither_a_page_nor_a_get_without_the_accept(program):
    async with client(program("orders").app) as c:
        assert (await c.get("/orders/live"))["status"] == 426
