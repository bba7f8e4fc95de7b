"""A conversation over Server-Sent Events: the conduct of the engine's table, seen by an HTTP client, on virtual time and by servers of each temper."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from shallot import build_server, every, publish, standard_not_found, subscribe, unsubscribe, websocket, ws_send
from shallot.channels import memory_channels
from shallot.codec.cursors import cursor_for
from shallot.codec.event_stream import parse_events
from shallot.errors import CloseWith, WSDisconnect
from shallot.middlewares import apply_middleware, wrap_head, wrap_routes
from shallot.response import text, ws_accept, ws_close
from shallot.testing import FakeServer, client, http_scope, virtual_time
from shallot.websocket.event_streams import KEEP_ALIVE_S

from .halls import Place, now, ticker

ACCEPT = {"accept": "text/event-stream"}
ASKED = {"type": "http.request", "body": b"", "more_body": False}
SERVERS = ["raise", "swallow", "block"]
HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"vary", b"accept"), (b"x-accel-buffering", b"no")]


class Hall(Place):
    """One conversation by events, in an app."""

    def __init__(self, handler: Any, *, taps: Any = (), limits: Any = None, own: Any = None, method: str = "GET", pile: Any = (), **server: Any) -> None:
        super().__init__()

        async def on_connect(scope: Any) -> Any:
            scope["journal"] = self.journal
            self.scope = scope
            return ws_accept(headers={"x-greeting": "hi", "cache-control": "private"})

        hooks = {name: self._noting(name) for name in ("on_disconnect", "on_close")}
        endpoint = websocket(on_connect=on_connect, **hooks, **(own or {}))(handler)

        def wrap_taps(next_middleware: Any) -> Any:
            async def add_taps(handler: Any, request: Any) -> Any:
                response = await next_middleware(handler, request)
                if "websocket" in response:
                    response["websocket"]["taps"].extend(taps)
                return response

            return add_taps

        routes = [("/live", ["WS", "GET"], endpoint)]
        self.app = build_server(apply_middleware(*pile, wrap_taps, wrap_routes(routes))(standard_not_found), limits=limits)
        self.server = FakeServer(http_scope(method, "/live", headers=ACCEPT), [ASKED], **server)

    def _noting(self, name: str) -> Any:
        async def hook(scope: Any) -> None:
            self.journal.append(name)

        return hook

    @property
    def bodies(self) -> list[bytes]:
        return [event["body"] for event in self.sent]

    @property
    def events(self) -> list[Any]:
        return parse_events(b"".join(self.bodies))[0]


def close(code: int, reason: str = "", **id: str) -> dict[str, str]:
    return {"data": f'{{"code":{code},"reason":"{reason}"}}', "event": "close", **id}


OVER = {"id": "end"}


async def silent(scope, receiver):
    try:
        async for message in receiver:
            scope["journal"].append(message)
            yield ws_send("never")
    except WSDisconnect as leaving:
        scope["journal"].append(("left", leaving.code, leaving.reason))
        raise
    finally:
        scope["journal"].append("finally")


# ---- what goes out


@virtual_time
async def test_each_text_is_an_event_and_the_end_closes():
    async def talk(scope, receiver):
        for said in ("one", "", "two\nlines", "händel"):
            yield ws_send(said)

    hall = await Hall(talk).run()
    assert hall.server.sent[0] == {"type": "http.response.start", "status": 200, "headers": [(b"x-greeting", b"hi"), *HEADERS]}
    assert hall.events == [{"data": "one"}, {"data": ""}, {"data": "two\nlines"}, {"data": "händel"}, close(1000, **OVER)]
    assert [event["more_body"] for event in hall.server.sent[1:]] == [True] * 5 + [False]
    assert (hall.journal, hall.close) == (["on_close"], (1000, "", "server"))


@pytest.mark.parametrize(
    ("code", "mark"), [(1000, OVER), (1008, OVER), (4000, OVER), (1001, {}), (1012, {}), (1013, {})], ids=lambda value: str(value or "come back")
)
@virtual_time
async def test_ws_close_says_so_at_once_and_whether_to_come_again(code, mark):
    async def talk(scope, receiver):
        yield ws_send("one")
        yield ws_close(code, "why")
        scope["journal"].append("nothing after it runs")

    hall = await Hall(talk).run()
    assert hall.events == [{"data": "one"}, close(code, "why", **mark)]
    assert (hall.journal, hall.close) == (["on_close"], (code, "why", "server"))


@virtual_time
async def test_a_failure_is_told_without_its_text(caplog):
    async def talk(scope, receiver):
        yield ws_send("one")
        raise LookupError("secret")

    hall = await Hall(talk).run()
    assert hall.events == [{"data": "one"}, close(1011, **OVER)]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@virtual_time
async def test_bytes_raise_at_the_yield():
    async def talk(scope, receiver):
        try:
            yield ws_send(b"bytes")
        except TypeError as error:
            yield ws_send(str(error))

    hall = await Hall(talk).run()
    assert "text alone, not bytes; send ws_send('...')" in hall.events[0]["data"]


@virtual_time
async def test_timers_join_as_anywhere():
    async def talk(scope, receiver):
        yield every(1, "tick")
        async for message in receiver:
            yield ws_send(message["name"])
            if now() > 1003:
                return

    assert (await Hall(talk).run()).events == [{"data": "tick"}] * 4 + [close(1000, **OVER)]


@virtual_time
async def test_taps_are_outside_of_it_and_may_drop_and_close():
    heard: list[Any] = []

    def effect(scope: Any, effect: Any) -> Any:
        heard.append(effect["text"])
        if effect["text"] == "too far":
            raise CloseWith(4001, "veto")
        return None if effect["text"] == "dropped" else {**effect, "text": effect["text"].upper()}

    async def talk(scope, receiver):
        for said in ("one", "dropped", "too far", "never"):
            yield ws_send(said)

    hall = await Hall(talk, taps=[{"effect": effect, "end": lambda scope: heard.append(scope["close"]["code"])}]).run()
    assert hall.events == [{"data": "ONE"}, close(4001, "veto", **OVER)]
    assert heard == ["one", "dropped", "too far", 4001]


# ---- the client leaves


@pytest.mark.parametrize("after_leave", SERVERS)
@virtual_time
async def test_a_reading_handler_is_told(after_leave):
    hall = Hall(silent, after_leave=after_leave).start()
    await asyncio.sleep(2)
    await hall.left()
    assert hall.journal == [("left", 1005, ""), "finally", "on_disconnect", "on_close"]
    assert hall.close == (1005, "", "client")


@pytest.mark.parametrize("after_leave", SERVERS)
@pytest.mark.parametrize("own", [{}, {"reads": False}], ids=["by itself", "reads=False"])
@virtual_time
async def test_a_send_only_handler_is_cancelled_within_a_second(after_leave, own):
    hall = Hall(ticker, after_leave=after_leave, own=own).start()
    await asyncio.sleep(3.5)
    began = now()
    await hall.left()
    assert now() - began < 1
    assert hall.journal == ["finally", "on_disconnect", "on_close"]
    assert hall.server.sent[1]["body"] == b": \n\n"


@virtual_time
async def test_a_client_gone_before_the_start_is_owed_nothing():
    hall = Hall(silent)
    hall.server.leave()
    await hall.run()
    assert hall.journal == []


@virtual_time
async def test_a_receive_that_fails_is_a_leaving(caplog):
    hall = Hall(silent)
    receive, asked = hall.server.receive, [0]

    async def failing() -> Any:
        asked[0] += 1
        if asked[0] == 2:
            raise RuntimeError("no more")
        return await receive()

    hall.server.receive = failing  # type: ignore[method-assign]
    await hall.run()
    assert hall.journal == [("left", 1006, ""), "finally", "on_disconnect", "on_close"]
    assert "receive failed" in caplog.text


@virtual_time
async def test_a_client_that_takes_nothing_is_let_go():
    hall = await Hall(ticker, limits={"send_s": 3}, stuck_after=3, after_leave="block").run(deadline_s=60)
    assert (hall.journal, hall.close) == (["finally", "on_close"], (1006, "", "server"))
    assert hall.server.sent[-1]["more_body"]


# ---- silence


@virtual_time
async def test_a_sign_of_life_after_silence():
    async def talk(scope, receiver):
        await asyncio.sleep(10)
        yield ws_send("late")
        await asyncio.sleep(40)

    began = now()
    hall = Hall(talk).start()
    await hall.server.until(lambda: hall.server.closed, "the end", deadline_s=90)
    assert now() - began == 50
    assert hall.bodies[:4] == [b": \n\n", b"data: late\n\n", b": \n\n", b": \n\n"]
    assert len(hall.bodies) == 5
    await hall.server.end()


@pytest.mark.parametrize("fault", ["raises", "blocks"])
@virtual_time
async def test_a_sign_of_life_that_reaches_nobody_is_a_leaving(fault):
    hall = Hall(silent, limits={"send_s": 3}, **({"stuck_after": 2, "after_leave": "block"} if fault == "blocks" else {}))
    send = hall.server.send

    async def failing(event: Any) -> None:
        if fault == "raises" and len(hall.server.sent) == 2:
            raise OSError("broken pipe")
        await send(event)

    hall.server.send = failing  # type: ignore[method-assign]
    began = now()
    await hall.run(deadline_s=60)
    assert now() - began == KEEP_ALIVE_S + (3 if fault == "blocks" else 0)
    assert hall.journal == [("left", 1005, ""), "finally", "on_disconnect", "on_close"]


@virtual_time
async def test_idle_is_no_fault_of_who_cannot_speak():
    hall = Hall(silent, limits={"idle_s": 5}, own={"idle_s": 3}).start()
    await asyncio.sleep(60)
    assert not hall.server.is_over
    await hall.left()


# ---- the server goes


@virtual_time
async def test_the_shutdown_asks_the_client_to_come_again():
    hall = Hall(silent)
    async with client(hall.app, deadline_s=30):
        hall.start()
        await hall.server.settle()
    await hall.server.end()
    assert hall.events == [close(1012)]
    assert hall.journal == ["finally", "on_close"]
    assert hall.close == (1012, "", "server")


@virtual_time
async def test_a_cancellation_closes_and_is_passed_on():
    hall = Hall(silent).start()
    await hall.server.settle()
    task = hall.server.task
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hall.events == [close(1012)]
    assert hall.journal == ["finally", "on_close"]


@virtual_time
async def test_nothing_begins_once_the_shutdown_has():
    hall = Hall(silent)
    held, go = asyncio.Event(), asyncio.Event()

    def wrap_held(next_middleware: Any) -> Any:
        async def hold(handler: Any, request: Any) -> Any:
            held.set()
            await go.wait()
            return await next_middleware(handler, request)

        return hold

    hall.app = build_server(apply_middleware(wrap_held, wrap_routes([("/live", ["WS", "GET"], websocket(silent))]))(standard_not_found), on_start=with_config)
    async with client(hall.app):
        hall.start()
        await held.wait()
    go.set()
    await hall.server.end()
    assert hall.server.sent[0]["status"] == 503


async def with_config(context: Any) -> dict[str, Any]:
    return {}


# ---- where the client stands


CHANNELS = {"orders": {"keep": 50}, "*": {"keep": 50}}


class House:
    """An app with channels, its client, and what happens over single streams."""

    def __init__(self, handler: Any) -> None:
        self.channels = memory_channels(CHANNELS)
        self.app = build_server(
            apply_middleware(wrap_routes([("/live", ["WS", "GET"], websocket(handler))]))(standard_not_found), resources={"channels": self.channels}
        )

    def visit(self, last: str | None = None, query: str = "") -> FakeServer:
        headers = ACCEPT if last is None else {**ACCEPT, "last-event-id": last}
        server = FakeServer(http_scope("GET", f"/live{query}", headers=headers), [ASKED])
        server.start(self.app)
        return server


async def seen(server: FakeServer, count: int, *, leave: bool = True, with_ids: bool = True) -> list[Any]:
    """At least ``count`` events, those included that only say where the client stands, unless not ``with_ids``."""

    def events() -> list[Any]:
        return [event for event in parse_events(b"".join(event["body"] for event in server.sent[1:]))[0] if with_ids or event.get("data")]

    await server.until(lambda: len(events()) >= count, f"{count} events", deadline_s=40)
    if leave:
        server.leave()
        await server.end()
    return events()


async def forward(scope, receiver):
    yield subscribe("orders", cursor=scope.get("cursor"))
    async for message in receiver:
        match message:
            case {"type": "channel.message", "data": data}:
                yield ws_send(str(data))
            case {"type": "channel.gap", "reason": reason}:
                yield ws_send(f"gap {reason}")


@virtual_time
async def test_an_event_says_where_to_go_on_and_a_client_that_comes_again_misses_nothing():
    house = House(forward)
    async with client(house.app, deadline_s=60):
        server = house.visit()
        (start,) = await seen(server, 1, leave=False)
        assert start == {"event": "place", "data": "", "id": start["id"]}, "told at once, before anything happened"
        first = (await house.channels.publish("orders", 1))["cursor"]
        assert (await seen(server, 2))[1] == {"data": "1", "id": first}
        await house.channels.publish("orders", 2)
        for back in (house.visit(first), house.visit(None, f"?cursor={first}"), house.visit(first, "?cursor=older")):
            assert (await seen(back, 1))[0]["data"] == "2"
        assert [event["data"] for event in await seen(house.visit(start["id"]), 2, with_ids=False)] == ["1", "2"]
        assert [event["data"] for event in await seen(house.visit("made up"), 3)] == ["gap cursor", "1", "2"]


@virtual_time
async def test_over_a_websocket_the_cursor_is_the_query_parameter():
    house = House(forward)
    async with client(house.app) as c:
        first = (await house.channels.publish("orders", 1))["cursor"]
        await house.channels.publish("orders", 2)
        async with c.websocket(f"/live?cursor={first}", headers={"last-event-id": "no header of a WebSocket's"}) as ws:
            assert await ws.expect() == "2"


async def two(scope, receiver):
    cursor = scope.get("cursor")
    yield subscribe("a", cursor=cursor)
    yield subscribe("b&=", cursor=cursor)
    async for message in receiver:
        match message:
            case {"type": "channel.message", "data": "unsubscribe"}:
                yield unsubscribe("a")
                yield ws_send("unsubscribed")
            case {"type": "channel.message", "channel": channel, "data": data}:
                yield ws_send(f"{channel} {data}")
            case {"type": "channel.gap"}:
                yield ws_send("gap")


@virtual_time
async def test_several_channels_are_several_places():
    house = House(two)
    async with client(house.app, deadline_s=60):
        server = house.visit()
        await seen(server, 1, leave=False)
        first = (await house.channels.publish("a", 1))["cursor"]
        events = await seen(server, 2)
        place = events[1]["id"]
        assert cursor_for(place, "a") == first
        await house.channels.publish("b&=", 1)
        await house.channels.publish("a", 2)
        assert sorted(event["data"] for event in await seen(house.visit(place), 2, with_ids=False)) == ["a 2", "b&= 1"]
        back = house.visit(place)
        await seen(back, 2, leave=False, with_ids=False)
        last = (await house.channels.publish("b&=", "unsubscribe"))["cursor"]
        assert (await seen(back, 3, with_ids=False))[2] == {"data": "unsubscribed", "id": last}


@virtual_time
async def test_what_is_heard_and_not_passed_on_counts_too_and_is_told_in_silence():
    async def deaf(scope, receiver):
        yield subscribe("orders")
        try:
            yield subscribe("orders")
        except ValueError:
            pass
        async for _ in receiver:
            pass

    house = House(deaf)
    async with client(house.app, deadline_s=60):
        server = house.visit()
        await seen(server, 1, leave=False)
        cursor = (await house.channels.publish("orders", 1))["cursor"]
        assert (await seen(server, 2))[1] == {"event": "place", "data": "", "id": cursor}


@virtual_time
async def test_what_the_handler_is_still_busy_with_does_not_count_yet():
    async def slow(scope, receiver):
        yield subscribe("orders", cursor=scope.get("cursor"))
        async for message in receiver:
            await asyncio.sleep(10)
            yield ws_send(str(message["data"]))

    house = House(slow)
    async with client(house.app, deadline_s=90):
        server = house.visit()
        (place,) = await seen(server, 1, leave=False)
        await asyncio.sleep(KEEP_ALIVE_S - 5)
        cursor = (await house.channels.publish("orders", 1))["cursor"]
        await asyncio.sleep(6)  # in which there is a sign of life
        server.leave()
        await server.end()
        assert server.sent[-1]["body"] == b": \n\n"
        assert cursor.encode() not in b"".join(event.get("body", b"") for event in server.sent)
        back = house.visit(place["id"])
        assert [event for event in await seen(back, 2) if event["data"]] == [{"data": "1", "id": cursor}]


@virtual_time
async def test_other_effects_work_as_anywhere():
    async def talk(scope, receiver):
        position = yield publish("orders", 1)
        yield ws_send(position["cursor"])

    house = House(talk)
    async with client(house.app):
        events = await seen(house.visit(), 2, leave=False)
        assert events[0].keys() == {"data"} and events[1] == close(1000, **OVER)


# ---- who is answered like that


@websocket
async def endpoint(scope, receiver):
    yield ws_send(scope["type"])


async def page(request):
    return text("a page")


async def refuse(scope):
    return text("no", 401)


async def refuse_plainly(scope):
    return ws_close()


async def make_up(request):
    return {"status": 101, "websocket": {}}


async def choose(scope):
    return ws_accept(subprotocol="v1")


ROUTES: list[Any] = [
    ("/live", ["WS", "GET"], endpoint),
    ("/only", ["WS"], endpoint),
    ("/beside", ["WS"], endpoint),
    ("/beside", ["GET"], page),
    ("/refused", ["WS", "GET"], websocket(on_connect=refuse)(silent)),
    ("/closed", ["WS", "GET"], websocket(on_connect=refuse_plainly)(silent)),
]
APP = build_server(apply_middleware(wrap_head(), wrap_routes(ROUTES))(standard_not_found))
BARE = build_server(endpoint)
MADE_UP = build_server(make_up)


@pytest.mark.parametrize(
    ("app", "method", "path", "headers", "status"),
    [
        (APP, "GET", "/live", ACCEPT, 200),
        (APP, "GET", "/live", {"accept": "text/html, Text/Event-Stream; q=0.5"}, 200),
        (APP, "GET", "/live", {"accept": "text/event-stream;q=0"}, 426),
        (APP, "GET", "/live", {"accept": "*/*"}, 426),
        (APP, "GET", "/live", {}, 426),
        (APP, "GET", "/live", {**ACCEPT, "last-event-id": "end"}, 204),
        (APP, "GET", "/live?cursor=end", ACCEPT, 204),
        (APP, "POST", "/live", ACCEPT, 405),
        (APP, "GET", "/only", ACCEPT, 426),
        (APP, "GET", "/beside", ACCEPT, 200),
        (APP, "GET", "/refused", ACCEPT, 401),
        (APP, "GET", "/closed", ACCEPT, 403),
        (BARE, "GET", "/", ACCEPT, 426),
        (MADE_UP, "GET", "/", ACCEPT, 500),
        (MADE_UP, "POST", "/", ACCEPT, 500),
    ],
)
async def test_who_gets_events(app, method, path, headers, status, caplog):
    caplog.set_level(logging.CRITICAL)
    async with client(app) as c:
        answer = await c.request(method, path, headers=headers)
    is_stream = answer["headers"].get("content-type") == "text/event-stream"
    assert (answer["status"], is_stream) == (status, path == "/live" and status == 200)


@pytest.mark.parametrize("pile", [(), (wrap_head(),)], ids=["alone", "inside wrap_head"])
async def test_HEAD_gets_the_headers_and_begins_nothing(pile):
    hall = await Hall(silent, method="HEAD", pile=pile).run()
    assert hall.server.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x-greeting", b"hi"), *HEADERS]},
        {"type": "http.response.body", "body": b""},
    ]
    assert hall.journal == []


@pytest.mark.parametrize("after_leave", ["raise", "block"])
@virtual_time
async def test_HEAD_of_a_client_that_left(after_leave):
    hall = Hall(silent, method="HEAD", limits={"send_s": 1}, after_leave=after_leave)
    hall.server.leave()
    await hall.run()
    assert hall.server.sent == []


async def test_a_subprotocol_is_nothing_to_complain_of(caplog):
    @websocket(on_connect=choose)
    async def talk(scope, receiver):
        yield ws_send("one")

    async with client(build_server(apply_middleware(wrap_routes([("/", ["WS", "GET"], talk)]))(standard_not_found))) as c:
        assert (await c.get("/", headers=ACCEPT))["status"] == 200
    assert caplog.records == []
