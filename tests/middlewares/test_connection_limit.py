"""wrap_connection_limit: exact, whatever way a conversation ends or never begins."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot import build_server, standard_not_found, websocket, ws_close, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.connection_limit import OpenConnections, Slot, by_client, connection_limit_response, wrap_connection_limit
from shallot.middlewares.routing import wrap_routes
from shallot.testing import Denied, client, request


def conversation() -> Any:
    return {"status": 101, "websocket": {"taps": []}}


def end(response: Any) -> None:
    for tap in response["websocket"]["taps"]:
        tap["end"]({})


async def talking(request: Any) -> Any:
    return conversation()


def from_(host: str | None) -> Any:
    return request("WS", "/", client=None if host is None else (host, 5))


async def test_G8_too_many_connections(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shallot.connections")
    app = apply_middleware(wrap_connection_limit())(talking)
    kept = [await app(from_("192.0.2.1")) for _ in range(10_000)]
    denied: Any = await app(from_("192.0.2.2"))
    assert (denied["status"], denied["headers"]["retry-after"]) == (503, "10")
    assert [record.getMessage() for record in caplog.records] == ["a WebSocket was denied with 503: 10000 are open"]
    end(kept.pop())
    another: Any = await app(from_("192.0.2.2"))
    assert another["status"] == 101


async def test_G8_too_many_of_one_client() -> None:
    app = apply_middleware(wrap_connection_limit(max_per_client=2, retry_after_s=60))(talking)
    kept = [await app(from_(host)) for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2")]
    assert [response["status"] for response in kept] == [101] * 5
    denied: Any = await app(from_("192.0.2.1"))
    assert (denied["status"], denied["headers"]["retry-after"]) == (429, "60")
    assert (await app(from_("2001:db8:0:0:ffff::")))["status"] == 429
    assert (await app(from_("2001:db8:0:1::")))["status"] == 101
    unknown = [await app(from_(None)) for _ in range(5)]
    assert [response["status"] for response in unknown] == [101] * 5
    end(kept[0])
    assert (await app(from_("192.0.2.1")))["status"] == 101


async def test_G8_the_counter_is_exact_after_churn() -> None:
    """20,000 connections that end, are denied, fail, or are dropped on their way to the engine: all places are free again."""

    async def handler(request: Any) -> Any:
        match request["number"] % 4:
            case 0:
                return conversation()
            case 1:
                return {"status": 403}
            case 2:
                raise LookupError
            case _:
                return conversation()

    app = apply_middleware(wrap_connection_limit(max_connections=1, max_per_client=1))(handler)
    for number in range(20_000):
        asked = {**from_("192.0.2.1"), "number": number}
        try:
            answer = await app(asked)
        except LookupError:
            continue
        assert answer["status"] in (101, 403)
        if number % 4 == 0:
            end(answer)
            end(answer)
        answer = None  # 3: an outer layer dropped it, or the client was gone before the accept


@given(some.lists(some.tuples(some.integers(0, 3), some.sampled_from(["leave", "drop", "keep"])), max_size=60))
def test_it_counts_what_is_alive(steps: Any) -> None:
    connections = OpenConnections(20, 5)
    alive: list[tuple[int, Slot]] = []
    for who, what in steps:
        entered = connections.enter(who)
        own = sum(other == who for other, _ in alive)
        if len(alive) >= 20 or own >= 5:
            assert entered == (503 if len(alive) >= 20 else 429)
        else:
            assert isinstance(entered, Slot)
            if what == "keep":
                alive.append((who, entered))
            elif what == "leave":
                entered.leave()
                entered.leave()
        del entered
        assert len(connections) == len(alive)
        assert connections.clients == len({who for who, _ in alive})


def test_nothing_is_kept_of_clients_that_left() -> None:
    connections = OpenConnections(10, 1)
    for number in range(1000):
        connections.enter(number)
    gc.collect()
    assert (len(connections), connections.clients) == (0, 0)


async def test_a_handshake_counts_from_its_beginning() -> None:
    inner: Any = None

    async def handler(asked: Any) -> Any:
        nonlocal inner
        if inner is None:
            inner = {}
            inner = await app(from_("192.0.2.2"))
        return conversation()

    app = apply_middleware(wrap_connection_limit(max_connections=1))(handler)
    outer: Any = await app(from_("192.0.2.1"))
    assert (outer["status"], inner["status"]) == (101, 503)


async def test_a_place_is_free_at_once_when_the_handler_failed() -> None:
    """Not only when nobody holds the error any more, whose traceback holds all frames."""

    async def handler(asked: Any) -> Any:
        raise LookupError

    app = apply_middleware(wrap_connection_limit(max_connections=1))(handler)
    held = []
    for _ in range(3):
        with pytest.raises(LookupError) as caught:
            await app(from_("192.0.2.1"))
        held.append(caught.value)


async def test_http_passes() -> None:
    app = apply_middleware(wrap_connection_limit(max_connections=1))(talking)
    assert [(await app(request("GET", "/")))["status"] for _ in range(3)] == [101] * 3


async def test_a_conversation_by_events_has_a_place_like_any_other() -> None:
    events = {"accept": "text/event-stream"}
    app = apply_middleware(wrap_connection_limit(max_connections=1))(talking)
    kept = await app(request("GET", "/", headers=events))
    assert (await app(from_("192.0.2.1")))["status"] == (await app(request("GET", "/", headers=events)))["status"] == 503
    end(kept)
    assert (await app(from_("192.0.2.1")))["status"] == 101


async def test_who_a_client_is_can_be_told() -> None:
    app = apply_middleware(wrap_connection_limit(max_per_client=1, client=lambda request: request["identity"]))(talking)
    kept = [await app({**from_("192.0.2.1"), "identity": who}) for who in ("ann", "bob", "ann", None, None)]
    assert [response["status"] for response in kept] == [101, 101, 429, 101, 101]


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("testclient", "testclient"),
        ("", None),
        (None, None),
    ],
)
def test_addresses(host: str | None, key: str | None) -> None:
    assert (by_client(from_(host)) or None) == key


def test_a_response_is_not_changed_in_place() -> None:
    response = conversation()
    changed = connection_limit_response(response, Slot())
    assert (response, len(changed["websocket"]["taps"])) == (conversation(), 1)
    odd: Any = {"status": 101}
    assert connection_limit_response(odd, Slot()) is odd


async def test_with_the_real_engine() -> None:
    """Ended by either side, failed, refused by on_connect: then one is let in again."""

    async def refuse(scope: Any) -> Any:
        return ws_close()

    @websocket
    async def echo(scope: Any, receiver: Any) -> Any:
        async for message in receiver:
            if message == "fail":
                raise LookupError
            yield ws_close() if message == "bye" else ws_send(message)

    @websocket(on_connect=refuse)
    async def closed(scope: Any, receiver: Any) -> Any:
        yield ws_send("never")

    routes = [("/", ["WS"], echo), ("/closed", ["WS"], closed)]
    app = build_server(apply_middleware(wrap_connection_limit(max_connections=1), wrap_routes(routes))(standard_not_found))
    async with client(app) as c:
        for last in ("bye", "fail", None, "hi"):
            for path in ("/closed", "/none"):
                with pytest.raises(Denied) as denied:
                    async with c.websocket(path):
                        pass
                assert denied.value.response["status"] in (403, 404)
            async with c.websocket("/") as ws:
                with pytest.raises(Denied) as denied:
                    async with c.websocket("/"):
                        pass
                assert denied.value.response["status"] == 503
                if last is not None:
                    await ws.send(last)
                if last in ("bye", "fail"):
                    await ws.expect_close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_connections": 0}, "max_connections must be at least 1, not 0"),
        ({"max_per_client": 0}, "max_per_client must be at least 1, not 0"),
        ({"retry_after_s": -1}, "retry_after_s must be at least 0, not -1"),
    ],
)
def test_wrong_options_are_found_at_build_time(options: Any, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        wrap_connection_limit(**options)
    assert str(caught.value) == f"wrap_connection_limit: {error}"
