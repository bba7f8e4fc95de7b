"""The engine, row by row of the conduct table (SPEC.md), on virtual time and against servers whose send raises, swallows or blocks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from shallot.effects import after, every, feed, ws_close, ws_send
from shallot.errors import CloseWith, EffectRefused, Forbidden, WSDisconnect
from shallot.limits import default_limits
from shallot.testing import FakeServer, virtual_time, websocket_scope
from shallot.testing.leaks import generators_started
from shallot.websocket import websocket
from shallot.websocket.conversations import Conversations
from shallot.websocket.engine import TURN_EVERY
from shallot.websocket.table import EffectTable

from .halls import Place, now, ticker

CONNECT = {"type": "websocket.connect"}
SERVERS = ["raise", "swallow", "block"]


def says(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "websocket.receive", "text": text} for text in texts]


def gone(code: int = 1001, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def close(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.close", "code": code, **({"reason": reason} if reason else {})}


class Hall(Place):
    """One conversation, without an app around it."""

    def __init__(self, handler: Any, *events: Any, hooks: bool = True, effects: Any = None, taps: Any = (), server: Any = None, **limits: Any) -> None:
        super().__init__()
        self.app = self
        own = {name: limits.pop(name) for name in ("reads",) if name in limits}
        self.keys = {name: limits.pop(name) for name in ("effect",) if name in limits}

        def on_disconnect(scope: Any) -> None:
            self.journal.append("on_disconnect")

        def on_close(scope: Any) -> None:
            self.journal.append("on_close")

        given = {"on_disconnect": on_disconnect, "on_close": on_close} if hooks is True else hooks or {}
        self.endpoint = handler if hasattr(handler, "is_websocket") else websocket(**given, **own)(handler)
        self.conversations = Conversations({**default_limits(), **limits}, EffectTable(effects))
        self.server = FakeServer(websocket_scope("/"), [CONNECT, *events], **(server or {}))
        self.taps = list(taps)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.serve(scope, receive, send)
        assert len(self.conversations) == 0

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.scope = {**scope, **self.keys, "journal": self.journal, "run_in_thread": in_line}
        response = await self.endpoint(self.scope)
        response["websocket"]["taps"].extend(self.taps)
        await self.conversations.converse(response["websocket"], self.scope, receive, send, [])


async def in_line(function: Any, *args: Any) -> Any:
    return function(*args)


async def echo(scope, receiver):
    try:
        async for message in receiver:
            yield ws_send(message)
    except WSDisconnect as leaving:
        scope["journal"].append(("left", leaving.code, leaving.reason))
        raise
    finally:
        scope["journal"].append("finally")


# ---- it ends by itself


@pytest.mark.parametrize(("code", "reason", "by"), [(1001, "", "client"), (1001, "tab", "client"), (1012, "", "server")])
@pytest.mark.parametrize("hooks", [True, False], ids=["hooks", "none"])
async def test_a_client_that_leaves_first_is_owed_nothing_but_the_hooks(caplog, hooks, code, reason, by):
    async def echo(scope: Any, receiver: Any) -> Any:
        async for message in receiver:
            yield ws_send(message)

    hall = Hall(echo, *says("hi"), gone(code, reason), hooks=hooks)
    await hall.server.run(hall)
    assert [event["type"] for event in hall.server.sent] == ["websocket.accept", "websocket.send"]
    assert hall.scope["close"] == {"code": code, "reason": reason, "by": by}
    assert hall.journal == (["on_disconnect", "on_close"] if by == "client" else ["on_close"]) * hooks
    assert caplog.records == []


async def test_a_client_that_leaves_first_ends_what_the_handler_has_opened_though_nobody_is_told():
    async def ticks(journal: list[Any]) -> Any:
        try:
            yield "tick"
            await asyncio.Event().wait()
        finally:
            journal.append("closed")

    async def listen(scope: Any, receiver: Any) -> Any:
        yield feed("ticks", ticks(scope["journal"]))
        async for message in receiver:
            scope["journal"].append(message["type"])
            hall.server.leave(1001)

    hall = Hall(listen, hooks=False)
    await hall.run()
    assert hall.journal == ["feed.item", "closed"]
    assert hall.close == (1001, "", "client")


@virtual_time
async def test_the_generator_ends_and_the_close_is_1000():
    async def hello(scope, receiver):
        yield ws_send("hello")

    hall = await Hall(hello).run()
    assert hall.sent == [ws_send("hello"), close(1000)]
    assert hall.journal == ["on_close"]
    assert hall.close == (1000, "", "server")


@virtual_time
async def test_a_coroutine_may_return_one_effect_or_none():
    async def one(scope, receiver):
        return ws_send("one")

    async def none(scope, receiver):
        return None

    assert (await Hall(one).run()).sent == [ws_send("one"), close(1000)]
    assert (await Hall(none).run()).sent == [close(1000)]


@virtual_time
async def test_ws_close_closes_at_once_and_nothing_after_it_runs_but_finally():
    async def handler(scope, receiver):
        try:
            yield ws_close(4001, "enough")
            scope["journal"].append("never")
        finally:
            scope["journal"].append("finally")

    hall = await Hall(handler).run()
    assert hall.sent == [close(4001, "enough")]
    assert hall.journal == ["finally", "on_close"]
    assert hall.close == (4001, "enough", "server")


@virtual_time
async def test_raw_dicts_and_constructors_are_the_same_thing():
    async def handler(scope, receiver):
        yield {"type": "websocket.send", "bytes": b"\x00"}
        yield {"type": "websocket.send", "text": "é", "bytes": None}
        yield {"type": "websocket.close"}

    assert (await Hall(handler).run()).sent == [ws_send(b"\x00"), {"type": "websocket.send", "text": "é"}, close(1000)]


# ---- the client leaves


@pytest.mark.parametrize("after_leave", SERVERS)
@virtual_time
async def test_the_messages_come_first_then_the_iteration_raises(after_leave):
    hall = await Hall(echo, *says("a", "b"), gone(1001, "tab"), server={"after_leave": after_leave}).run()
    assert hall.sent == [ws_send("a"), ws_send("b")]
    assert hall.journal == [("left", 1001, "tab"), "finally", "on_disconnect", "on_close"]
    assert hall.close == (1001, "tab", "client")


@pytest.mark.parametrize("after_leave", SERVERS)
@virtual_time
async def test_leaving_ends_a_send_only_handler_within_a_second(after_leave):
    hall = Hall(ticker, server={"after_leave": after_leave}).start()
    await hall.server.until(lambda: len(hall.sent) == 1, "a tick")
    left_at = now()
    await hall.left(1001)
    assert now() - left_at <= 1
    assert hall.journal == ["finally", "on_disconnect", "on_close"]
    assert hall.close == (1001, "", "client")
    assert hall.sent == [ws_send("tick")]


@virtual_time
async def test_leaving_ends_a_handler_that_waits_on_anything(caplog):
    async def waits(scope, receiver):
        try:
            await asyncio.Event().wait()
            yield
        finally:
            scope["journal"].append(asyncio.current_task() is scope["task"])

    hall = Hall(waits).start()
    await hall.server.until(lambda: bool(hall.scope), "the handshake")
    hall.scope["task"] = hall.server.task
    await hall.left(1001)
    assert hall.journal == [True, "on_disconnect", "on_close"]
    assert caplog.records == [], "cancelled at the first look, and not as one that did not end"


@pytest.mark.parametrize(("late_s", "close"), [(0.3, (4001, "tab", "client")), (None, (1006, "", "client"))], ids=["told soon", "never told"])
@virtual_time
async def test_after_a_send_that_failed_the_server_may_still_tell_how_the_client_left(late_s, close):
    hall = Hall(ticker)

    async def app(scope, receive, send):
        async def broken(event):
            if event["type"] == "websocket.send":
                failed_at.append(now())
                if late_s is not None:
                    asyncio.get_running_loop().call_later(late_s, hall.server.leave, 4001, "tab")
                raise OSError("reset")
            await send(event)

        await hall(scope, receive, broken)

    failed_at: list[float] = []
    await hall.server.run(app)
    assert hall.close == close
    assert hall.scope["dropped"] == {"sends": 1, "messages": 0}
    if late_s is None:
        assert now() - failed_at[0] == 0.5


@virtual_time
async def test_an_effect_may_take_longer_than_a_send():
    async def slow(effect, scope):
        await asyncio.sleep(10)
        return "done"

    async def handler(scope, receiver):
        scope["journal"].append((yield {"type": "slow"}))

    hall = await Hall(handler, effects={"slow": slow}, hooks=False, send_s=1).run(deadline_s=60)
    assert hall.journal == ["done"]
    assert hall.close == (1000, "", "server")


@virtual_time
async def test_after_an_effect_a_send_may_block_no_longer_than_before():
    async def quick(effect, scope):
        return None

    async def handler(scope, receiver):
        yield {"type": "quick"}
        yield ws_send("stuck")

    began = now()
    hall = await Hall(handler, effects={"quick": quick}, hooks=False, send_s=1, server={"stuck_after": 1, "after_leave": "block"}).run(deadline_s=60)
    assert hall.close == (1006, "", "server")
    assert now() - began < 3


@virtual_time
async def test_what_is_accepted_is_told_to_the_server_exactly():
    async def offers(scope, receiver):
        yield ws_send("hi")

    hall = Hall(offers)
    await hall.server.run(hall)
    assert hall.server.sent[0] == {"type": "websocket.accept", "subprotocol": None, "headers": []}


@virtual_time
async def test_leaving_ends_a_handler_stuck_in_a_send():
    hall = Hall(ticker, server={"stuck_after": 1, "after_leave": "block"}).start()
    await asyncio.sleep(0)
    await hall.left(1001)
    assert hall.journal == ["finally", "on_disconnect", "on_close"]


@virtual_time
async def test_a_send_that_fails_is_the_clients_leaving_even_if_receive_never_says_so():
    async def handler(scope, receiver):
        try:
            while True:
                yield ws_send("x")
                await asyncio.sleep(0.1)
        finally:
            scope["journal"].append("finally")

    hall = Hall(handler)
    sends = 0

    async def app(scope, receive, send):
        async def broken(event):
            nonlocal sends
            sends += 1
            if sends > 1:
                raise OSError("reset")
            await send(event)

        await hall(scope, receive, broken)

    began = now()
    await hall.server.run(app)
    assert hall.close == (1006, "", "client")
    assert sends == 2, "after the first failure sends are dropped"
    assert now() - began <= 1
    assert hall.journal == ["finally", "on_disconnect", "on_close"]


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "left"])
async def test_a_handler_that_only_yields_leaves_the_loop_its_turns(leaves):
    async def handler(scope, receiver):
        asyncio.get_running_loop().call_soon(scope["journal"].append, "the loop's turn")
        for _ in range(1000):
            yield ws_send("x")
        scope["journal"].append("the last yield")

    hall = Hall(handler, *([gone()] if leaves else []), hooks={})

    async def app(scope, receive, send):
        async def swallow(event):
            """As hypercorn's and granian's do: a send that never waits."""

        await hall(scope, receive, swallow)

    await hall.server.run(app)
    assert hall.journal[0] == "the loop's turn"


@virtual_time
async def test_a_send_that_fails_otherwise_is_logged_too(caplog):
    async def app(scope, receive, send):
        async def broken(event):
            if event["type"] == "websocket.send":
                raise RuntimeError("no such event")
            await send(event)

        await hall(scope, receive, broken)

    async def handler(scope, receiver):
        yield ws_send("é")  # not the shortest way
        await asyncio.sleep(5)

    hall = Hall(handler)
    await hall.server.run(app)
    assert "the server's send failed" in caplog.text
    assert hall.close == (1006, "", "client")


@virtual_time
async def test_a_busy_reading_handler_may_finish_its_step_and_come_back_for_what_is_unread():
    async def slow(scope, receiver):
        async for message in receiver:
            await asyncio.sleep(3)
            scope["journal"].append(message)
            yield ws_send(message)

    hall = await Hall(slow, *says("a", "b", "c"), gone(), linger_s=5).run(deadline_s=60)
    assert hall.journal == ["a", "b", "c", "on_disconnect", "on_close"]


@virtual_time
async def test_a_busy_reading_handler_is_cancelled_after_linger_s():
    async def slow(scope, receiver):
        async for message in receiver:
            try:
                await asyncio.sleep(60)
            finally:
                scope["journal"].append("finally")
            yield ws_send(message)

    began = now()
    hall = await Hall(slow, *says("a", "b"), gone(), linger_s=2).run(deadline_s=60)
    assert hall.journal == ["finally", "on_disconnect", "on_close"]
    assert now() - began == 2.75, "a look saw it busy, read ahead, and heard it leave"


@virtual_time
async def test_a_handler_that_reads_in_a_task_of_its_own_lingers_and_is_cancelled():
    async def chat(scope, receiver):
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def read():
            try:
                while True:
                    await queue.put(await receiver.__anext__())
            except WSDisconnect:
                scope["journal"].append("left")

        task = asyncio.create_task(read())
        try:
            while True:
                yield ws_send(await queue.get())
        finally:
            await task
            scope["journal"].append("finally")

    hall = Hall(chat, *says("a", "b"), linger_s=2).start()
    await hall.server.until(lambda: len(hall.sent) == 2, "both echoes")
    await hall.left(1001)
    assert hall.sent == [ws_send("a"), ws_send("b")]
    assert hall.journal == ["left", "finally", "on_disconnect", "on_close"]


@virtual_time
async def test_after_leaving_sends_are_dropped_and_other_effects_still_work(caplog):
    caplog.set_level(logging.DEBUG, "shallot.websocket")
    done = []

    async def note(effect, scope):
        done.append(effect["what"])
        return "noted"

    async def handler(scope, receiver):
        try:
            async for _ in receiver:
                yield ws_send("heard")
        except WSDisconnect:
            yield ws_send("into the void")
            yield ws_close()
            scope["journal"].append((yield {"type": "note", "what": "gone"}))

    hall = await Hall(handler, *says("a"), gone(), effects={"note": note}).run()
    assert hall.sent == [ws_send("heard")]
    assert done == ["gone"]
    assert hall.journal == ["noted", "on_disconnect", "on_close"]
    assert "2 sends dropped" in caplog.text
    assert hall.scope["dropped"] == {"sends": 2, "messages": 0}
    assert hall.server.late == []


@virtual_time
async def test_a_disconnect_with_1012_is_the_servers_doing():
    hall = await Hall(echo, gone(1012, "restart")).run()
    assert hall.close == (1012, "restart", "server")
    assert hall.journal == [("left", 1012, "restart"), "finally", "on_close"]


@virtual_time
async def test_a_client_gone_before_the_accept_starts_nothing():
    hall = Hall(echo)

    async def app(scope, receive, send):
        async def broken(event):
            raise OSError("reset")

        await hall(scope, receive, broken)

    await hall.server.run(app)
    assert hall.journal == []


@virtual_time
async def test_an_accept_that_blocks_is_given_up_after_send_s():
    began = now()
    hall = await Hall(echo, server={"stuck_after": 0}, send_s=2).run()
    assert now() - began == 2
    assert hall.journal == []


@virtual_time
async def test_a_close_that_comes_too_late_is_the_clients_leaving():
    async def handler(scope, receiver):
        hall.server.leave(1001)
        yield ws_close()

    hall = Hall(handler)
    await hall.run()
    assert hall.close == (1006, "", "client")
    assert hall.journal == ["on_disconnect", "on_close"]


# ---- the handler fails


@virtual_time
async def test_an_error_is_logged_once_and_closes_1011_with_an_empty_reason(caplog):
    async def handler(scope, receiver):
        yield ws_send("before")
        raise LookupError("secret")

    hall = await Hall(handler).run()
    assert hall.sent == [ws_send("before"), close(1011)]
    assert hall.close == (1011, "", "server")
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [LookupError]


@virtual_time
async def test_an_error_after_leaving_is_logged_and_the_leaving_stands(caplog):
    async def handler(scope, receiver):
        try:
            async for _ in receiver:
                yield
        finally:
            raise LookupError("clean-up")

    hall = await Hall(handler, gone()).run()
    assert hall.close == (1001, "", "client")
    assert "LookupError" in caplog.text


@virtual_time
async def test_a_group_of_one_error_is_that_error_and_ours_carry_their_close_code(caplog):
    async def handler(scope, receiver):
        raise ExceptionGroup("tasks", [Forbidden("no")])
        yield

    hall = await Hall(handler).run()
    assert hall.close == (1008, "", "server")


@virtual_time
async def test_a_handler_that_cannot_be_called_closes_1011(caplog):
    async def needs_more(scope, receiver, room):
        yield ws_send(room)

    assert (await Hall(needs_more).run()).sent == [close(1011)]
    assert "room" in caplog.text


@virtual_time
async def test_a_handler_that_gives_no_generator_closes_1011(caplog):
    def plain(scope, receiver):
        return 3

    assert (await Hall(plain).run()).sent == [close(1011)]
    assert "got int" in caplog.text


@virtual_time
async def test_a_cancelled_error_that_nobody_asked_for_is_a_failure(caplog):
    async def handler(scope, receiver):
        raise asyncio.CancelledError
        yield

    hall = await Hall(handler).run()
    assert hall.close == (1011, "", "server")


@virtual_time
async def test_close_with_ends_with_that_close():
    async def handler(scope, receiver):
        raise CloseWith(4003, "why")
        yield

    assert (await Hall(handler).run()).sent == [close(4003, "why")]


@virtual_time
async def test_close_with_an_illegal_code_is_logged_and_closes_1011(caplog):
    async def handler(scope, receiver):
        raise CloseWith(1006)
        yield

    assert (await Hall(handler).run()).sent == [close(1011)]
    assert "code 1006 may not be sent" in caplog.text


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        ("text", TypeError),
        ({"text": "hi"}, TypeError),
        ({"type": "websocket.send"}, TypeError),
        ({"type": "websocket.send", "text": 3}, TypeError),
        ({"type": "websocket.send", "text": "\ud800"}, ValueError),
        ({"type": "websocket.close", "code": 1006}, ValueError),
        ({"type": "websocket.close", "code": 1000, "reason": "é" * 62}, ValueError),
        ({"type": "nobody.knows"}, ValueError),
        (None, TypeError),
    ],
    ids=["str", "no-type", "empty-send", "int", "surrogate", "1006", "long-reason", "unknown", "None"],
)
@virtual_time
async def test_what_is_no_effect_raises_at_its_yield(effect, error):
    async def handler(scope, receiver):
        try:
            yield effect
        except error as told:
            scope["journal"].append(type(told))
        yield ws_send("going on")

    hall = await Hall(handler).run()
    assert hall.sent == [ws_send("going on"), close(1000)]
    assert hall.journal[0] in (error, UnicodeEncodeError)


@virtual_time
async def test_what_is_no_effect_closes_1011_if_nobody_catches_it(caplog):
    async def handler(scope, receiver):
        yield "hello"

    assert (await Hall(handler).run()).sent == [close(1011)]
    assert "got str 'hello'" in caplog.text


@pytest.mark.parametrize(("reads", "ended"), [(True, (1001, "", "client")), (False, (1011, "", "server"))], ids=["left", "send-only"])
@virtual_time
async def test_a_handler_that_catches_the_end_and_reads_on_for_ever_is_cancelled_at_once(reads, ended, caplog):
    asked = 0

    async def deaf(scope, receiver):
        nonlocal asked
        while True:
            try:
                async for message in receiver:
                    yield ws_send(message)
            except Exception:
                asked += 1

    began = now()
    hall = await Hall(deaf, *([gone()] if reads else []), reads=reads, linger_s=5).run()
    assert hall.close == ended
    assert asked <= 20
    assert now() - began < 1
    assert "reads on, again and again" in caplog.text


# ---- effects of all kinds


@virtual_time
async def test_the_yield_returns_what_the_effect_returns_and_raises_what_it_raises():
    async def double(effect, scope):
        return effect["n"] * 2

    async def handler(scope, receiver):
        scope["journal"].append((yield {"type": "double", "n": 21}))
        scope["journal"].append((yield ws_send("text")))
        try:
            yield {"type": "double"}
        except KeyError as error:
            scope["journal"].append(repr(error))

    hall = await Hall(handler, effects={"double": double}, hooks=False).run()
    assert hall.journal == [42, None, "KeyError('n')"]


# ---- taps


@virtual_time
async def test_taps_see_change_and_drop_what_passes_outermost_first():
    seen = []
    inner = {"message": lambda scope, message: message + "<inner", "effect": lambda scope, effect: {**effect, "text": effect["text"] + "<inner"}}
    outer = {
        "message": lambda scope, message: None if message == "drop" else message + "<outer",
        "effect": lambda scope, effect: None if effect["text"].startswith("veto") else {**effect, "text": effect["text"] + "<outer"},
        "end": lambda scope: seen.append(scope["close"]["code"]),
    }

    async def handler(scope, receiver):
        async for message in receiver:
            scope["journal"].append(message)
            if message.startswith("veto"):
                scope["journal"].append((yield ws_send("veto")))
            yield ws_send("out")

    hall = await Hall(handler, *says("a", "drop", "veto"), gone(), taps=[inner, outer], hooks=False).run()
    assert hall.journal == ["a<outer<inner", "veto<outer<inner", None]
    assert hall.sent == [ws_send("out<outer<inner")] * 2
    assert seen == [1001]


@virtual_time
async def test_a_tap_is_told_what_came_of_an_effect():
    async def handler(scope, receiver):
        yield ws_send("a send has no result")
        yield after(1, "late")
        try:
            yield {"type": "no.such"}
        except ValueError:
            yield ws_send("caught")

    told: list[Any] = []
    await Hall(handler, taps=[{"result": lambda scope, effect, result: told.append((effect, result))}]).run()
    assert told[0] == (after(1, "late"), None)
    assert told[1][0] == {"type": "no.such"} and isinstance(told[1][1], ValueError) and len(told) == 2

    raised = await Hall(handler, taps=[{"result": lambda scope, effect, result: 1 / 0}]).run()
    assert raised.sent[-1] == close(1011)


@virtual_time
async def test_a_tap_is_told_of_the_beginning_before_the_handler_starts():
    hall = Hall(echo, *says("a"), gone())
    hall.taps.append({"begin": lambda scope: hall.journal.append(("begin", list(hall.sent))), "end": lambda scope: hall.journal.append("end")})
    await hall.run()
    assert hall.journal == [("begin", []), ("left", 1001, ""), "finally", "on_disconnect", "on_close", "end"]
    assert "dropped" not in hall.scope
    hall = await Hall(echo, *says("a"), taps=[{"begin": lambda scope: 1 / 0}]).run()
    assert (hall.sent, hall.journal) == ([close(1011)], ["on_close"])


@virtual_time
async def test_a_tap_may_end_the_conversation():
    def limit(scope, message):
        raise CloseWith(1008, "too many")

    def stop(scope, effect):
        raise CloseWith(4000)

    hall = await Hall(echo, *says("a"), taps=[{"message": limit}]).run()
    assert hall.sent == [close(1008, "too many")]
    hall = await Hall(echo, *says("a"), taps=[{"effect": stop}]).run()
    assert hall.sent == [close(4000)]
    assert hall.journal == ["finally", "on_close"]


@virtual_time
async def test_a_tap_that_fails_at_the_end_is_logged_and_the_next_still_runs(caplog):
    ends = []
    taps = [{"end": lambda scope: ends.append("inner")}, {"end": lambda scope: 1 / 0}]
    await Hall(echo, gone(), taps=taps).run()
    assert ends == ["inner"]
    assert "ZeroDivisionError" in caplog.text


# ---- limits


@virtual_time
async def test_a_blocked_send_ends_the_conversation_after_send_s():
    began = now()
    hall = await Hall(ticker, server={"stuck_after": 2, "after_leave": "block"}, send_s=3).run(deadline_s=60)
    assert now() - began == 1.25 + 3, "the look after its last step, and three seconds"
    assert hall.close == (1006, "", "server")
    assert hall.journal == ["finally", "on_close"]


@virtual_time
async def test_a_generator_of_another_kind_that_waits_is_no_blocked_send():
    class Wrapped(AsyncGenerator):
        def __init__(self, inside):
            self.asend, self.inside = inside.asend, inside

        async def asend(self, value):
            raise NotImplementedError

        async def athrow(self, *error):
            return await self.inside.athrow(*error)

    hall = Hall(lambda scope, receiver: Wrapped(echo(scope, receiver)), send_s=3).start()
    await asyncio.sleep(60)
    hall.server.push(*says("still here"), gone())
    await hall.server.end()
    assert hall.sent == [ws_send("still here")]
    assert hall.close == (1001, "", "client")


@virtual_time
async def test_a_slow_reader_is_no_blocked_send():
    async def busy(scope, receiver):
        for _ in range(100):
            yield ws_send("x")

    async def app(scope, receive, send):
        async def slow(event):
            await asyncio.sleep(0.9)
            await send(event)

        await hall(scope, receive, slow)

    hall = Hall(busy, send_s=1)
    await hall.server.run(app, deadline_s=600)
    assert len(hall.sent) == 101


@virtual_time
async def test_no_message_for_idle_s_closes_1001():
    hall = Hall(echo, *says("a"), idle_s=10).start()
    for _ in range(3):
        await asyncio.sleep(8)
        hall.server.push(*says("b"))
    pushed_at = now()
    await hall.server.end(deadline_s=60)
    assert 9.5 <= now() - pushed_at <= 11
    assert hall.sent[-1] == close(1001)
    assert hall.journal == ["finally", "on_close"]


@pytest.mark.parametrize("message", [{"text": "é" * 51}, {"bytes": bytes(101)}, {"text": "x" * 101}], ids=["utf-8", "bytes", "ascii"])
@virtual_time
async def test_a_message_over_max_message_bytes_closes_1009(message):
    hall = await Hall(echo, *says("é" * 50), {"type": "websocket.receive", **message}, max_message_bytes=100).run()
    assert hall.sent == [ws_send("é" * 50), close(1009, "a message may have 100 bytes")]


@virtual_time
async def test_a_handler_cannot_go_on_after_a_message_that_is_too_large():
    async def stubborn(scope, receiver):
        while True:
            try:
                async for message in receiver:
                    yield ws_send(message)
            except CloseWith:
                scope["journal"].append("caught")
                await asyncio.sleep(100)

    hall = await Hall(stubborn, *says("x" * 11), *says("ok"), max_message_bytes=10).run()
    assert hall.sent == [close(1009, "a message may have 10 bytes")]


@virtual_time
async def test_a_message_that_is_too_large_ends_a_busy_handler_too():
    async def busy(scope, receiver):
        async for _ in receiver:
            await asyncio.sleep(100)
            yield

    hall = await Hall(busy, *says("a"), *says("x" * 11), max_message_bytes=10).run()
    assert hall.sent == [close(1009, "a message may have 10 bytes")]


@virtual_time
async def test_a_flood_is_held_within_bounds_and_a_handler_that_never_reads_is_taken_as_send_only(caplog):
    hall = Hall(ticker, *says(*map(str, range(200))), max_unread=8, unread_s=5).start()
    await asyncio.sleep(4)
    assert hall.server.receives <= 1 + 8 + 1
    await asyncio.sleep(3)
    assert hall.server.receives > 200
    await hall.left(1001)
    assert caplog.text.count("taken as send-only") == 1
    assert hall.journal == ["finally", "on_disconnect", "on_close"]


@virtual_time
async def test_a_read_after_that_raises(caplog):
    async def late(scope, receiver):
        await asyncio.sleep(20)
        try:
            await anext(receiver)
        except RuntimeError as error:
            scope["journal"].append("reads=False" in str(error))
        yield ws_send("still here")

    hall = await Hall(late, *says(*"abcdefgh"), max_unread=4, hooks=False).run(deadline_s=60)
    assert hall.journal == [True]
    assert hall.sent == [ws_send("still here"), close(1000)]


@virtual_time
async def test_reads_false_says_so_at_once(caplog):
    caplog.set_level(logging.DEBUG, "shallot.websocket")
    hall = Hall(ticker, *says(*"abcdefgh"), max_unread=4, reads=False).start()
    await asyncio.sleep(0.6)
    assert hall.server.receives >= 9
    await hall.left(1001)
    assert "taken as send-only" not in caplog.text
    assert "8 messages discarded" in caplog.text


@virtual_time
async def test_a_handler_that_has_read_but_not_for_stuck_s_while_full_closes_1008():
    async def once(scope, receiver):
        yield ws_send(await anext(receiver))
        await asyncio.sleep(1000)

    began = now()
    hall = await Hall(once, *says(*map(str, range(100))), max_unread=8, stuck_s=60).run(deadline_s=600)
    assert 60 <= now() - began < 62
    assert hall.sent[-1] == close(1008)
    assert hall.server.receives <= 12


@virtual_time
async def test_a_full_mailbox_by_bytes_stops_reading_and_goes_on_when_there_is_room():
    async def slow(scope, receiver):
        async for message in receiver:
            scope["journal"].append(len(message))
            await asyncio.sleep(1)
            yield ws_send("ok")

    hall = Hall(slow, *says(*["x" * 60] * 20), gone(), max_unread_bytes=100, hooks=False).start()
    await asyncio.sleep(0.9)
    assert hall.server.receives <= 5
    await hall.server.end(deadline_s=100)
    assert hall.journal == [60] * 20


@virtual_time
async def test_a_handler_that_swallows_its_cancellation_is_cancelled_again(caplog):
    async def deaf(scope, receiver):
        async for _ in receiver:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                scope["journal"].append("swallowed")
                await asyncio.sleep(100)
            yield

    began = now()
    hall = await Hall(deaf, *says("a"), gone(), linger_s=1, hook_s=2).run(deadline_s=60)
    assert now() - began == 1.75 + 2
    assert hall.journal == ["swallowed", "on_disconnect", "on_close"]
    assert "did not end within hook_s" in caplog.text


@virtual_time
async def test_a_finally_that_hangs_is_bounded(caplog):
    async def handler(scope, receiver):
        try:
            yield ws_close()
        finally:
            await asyncio.sleep(1000)

    began = now()
    hall = await Hall(handler, hook_s=2).run(deadline_s=60)
    assert now() - began < 3
    assert hall.journal == ["on_close"]
    assert "could not end whole" in caplog.text


# ---- effects that come too late


@virtual_time
async def test_an_effect_yielded_while_closing_is_refused_with_the_cure(caplog):
    async def handler(scope, receiver):
        try:
            yield ws_close()
        finally:
            try:
                yield ws_send("bye")
            except EffectRefused as error:
                scope["journal"].append("on_close=" in str(error))

    hall = await Hall(handler, hooks=False).run()
    assert hall.journal == [True]
    assert hall.sent == [close(1000)]


@virtual_time
async def test_an_effect_yielded_while_cancelled_is_refused_and_logged(caplog):
    async def handler(scope, receiver):
        try:
            yield ws_send("tick")
            await asyncio.sleep(100)
        finally:
            yield ws_send("bye")

    hall = Hall(handler).start()
    await asyncio.sleep(0.1)
    await hall.left(1001)
    assert hall.sent == [ws_send("tick")]
    assert "was not performed" in caplog.text
    assert hall.journal == ["on_disconnect", "on_close"]


@virtual_time
async def test_a_generator_that_never_stops_yielding_is_given_up(caplog):
    enough = False

    async def endless(scope, receiver):
        while True:
            await asyncio.sleep(0)
            try:
                yield scope["effect"]
                await asyncio.sleep(1)
            except (asyncio.CancelledError, EffectRefused, GeneratorExit):
                if enough:
                    raise

    closing, leaving = Hall(endless, effect=ws_close()), Hall(endless, effect=ws_send("again"))
    await closing.run()
    assert closing.journal == ["on_close"]
    leaving.start()
    await asyncio.sleep(0.1)
    leaving.server.leave(1001)
    await leaving.server.end()
    assert leaving.journal == ["on_disconnect", "on_close"]
    assert caplog.text.count("could not end whole") == 2
    enough = True


# ---- hooks


@virtual_time
async def test_hooks_may_return_effects_but_no_sends(caplog):
    told = []

    async def tell(effect, scope):
        told.append((effect["what"], scope["close"]["code"]))

    hooks = {
        "on_disconnect": lambda scope: {"type": "tell", "what": "farewell"},
        "on_close": lambda scope: [{"type": "tell", "what": "one"}, ws_send("nobody hears it"), {"type": "tell", "what": "two"}],
    }
    await Hall(echo, gone(), effects={"tell": tell}, hooks=hooks).run()
    assert told == [("farewell", 1001), ("one", 1001), ("two", 1001)]
    assert "websocket.send needs an open conversation" in caplog.text


@virtual_time
async def test_a_hook_that_raises_or_hangs_affects_nothing_else(caplog):
    closed = []

    async def hang(scope):
        await asyncio.sleep(1000)

    began = now()
    await Hall(echo, gone(), hooks={"on_disconnect": hang, "on_close": lambda scope: closed.append(True) or 1 / 0}, hook_s=3).run()
    assert closed == [True]
    assert 3 <= now() - began < 4
    assert "DeadlinePassed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@virtual_time
async def test_hooks_that_are_missing_or_answer_nothing_are_nothing():
    hall = await Hall(echo, gone(), hooks={"on_close": lambda scope: None}).run()
    assert hall.close == (1001, "", "client")


@virtual_time
async def test_a_tap_that_drops_everything_leaves_a_quiet_conversation():
    async def handler(scope, receiver):
        yield ws_send("a")
        yield {"type": "after.all"}

    hall = await Hall(handler, taps=[{"effect": lambda scope, effect: None}]).run()
    assert hall.sent == [close(1000)]


@virtual_time
async def test_an_odd_send_and_a_failing_one_take_the_long_way():
    sends = 0

    async def app(scope, receive, send):
        async def broken(event):
            nonlocal sends
            sends += event["type"] == "websocket.send"
            if sends == 2:
                raise OSError("reset")
            await send(event)

        await hall(scope, receive, broken)

    async def handler(scope, receiver):
        yield {"type": "websocket.send", "text": "1", "bytes": None}
        yield {"type": "websocket.send", "text": "2", "bytes": None}
        yield {"type": "websocket.send", "text": "3", "bytes": None}

    hall = Hall(handler)
    await hall.server.run(app)
    assert hall.sent == [ws_send("1")]
    assert hall.close == (1006, "", "client")


@virtual_time
async def test_a_cut_that_comes_after_the_end_is_nothing():
    async def handler(scope, receiver):
        yield ws_send("x")

    async def slow(scope):
        await hall.conversations.drain(5)

    hall = Hall(handler, hooks={"on_close": slow}, hook_s=1)
    await hall.run()
    assert hall.close == (1000, "", "server")


# ---- cancellation and shutdown


@pytest.mark.parametrize("where", [echo, ticker], ids=["reading", "sleeping"])
@virtual_time
async def test_the_servers_cancellation_closes_runs_hooks_and_is_passed_on(where):
    hall = Hall(where).start()
    await asyncio.sleep(0.1)
    task = hall.server.task
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert hall.sent[-1] == close(1012)
    assert hall.journal == ["finally", "on_close"]
    assert hall.close == (1012, "", "server")


@virtual_time
async def test_a_text_yielded_after_the_servers_cancellation_is_refused_too():
    async def handler(scope, receiver):
        yield ws_send("tick")
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            try:
                yield ws_send("bye")
            except EffectRefused as refused:
                scope["journal"].append(type(refused).__name__)
            raise

    hall = Hall(handler, hooks=False).start()
    await asyncio.sleep(0.1)
    task = hall.server.task
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    assert hall.journal == ["EffectRefused"]
    assert hall.sent == [ws_send("tick"), close(1012)]


@virtual_time
async def test_a_second_cancellation_during_clean_up_keeps_nothing_from_running():
    async def handler(scope, receiver):
        yield after(50, "late")
        try:
            async for _ in receiver:
                yield
        finally:
            scope["journal"].append("finally")

    async def slow(scope):
        hall.journal.append("on_close begins")
        await asyncio.sleep(1)

    hall = Hall(handler, hooks={"on_close": slow}).start()
    await asyncio.sleep(0.1)
    task = hall.server.task
    assert task is not None
    task.cancel()
    await hall.server.until(lambda: "on_close begins" in hall.journal, "the hook")
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert hall.journal == ["finally", "on_close begins"]


@virtual_time
async def test_drain_closes_every_conversation():
    halls = [Hall(where) for where in (echo, ticker, echo)]
    shared = halls[0].conversations
    for hall in halls:
        hall.conversations = shared
        hall.server.start(hall.serve)
    await asyncio.sleep(0.1)
    assert len(shared) == 3
    await shared.drain(10)
    for hall in halls:
        await hall.server.end()
        assert hall.sent[-1] == close(1012)
        assert hall.journal == ["finally", "on_close"]


@virtual_time
async def test_drain_gives_up_after_its_time_and_cancels(caplog):
    async def slow(scope):
        await asyncio.sleep(1000)

    hall = Hall(echo, hooks={"on_close": slow}, hook_s=500).start()
    await asyncio.sleep(0.1)
    await hall.conversations.drain(2)
    task = hall.server.task
    assert task is not None
    await asyncio.wait([task])
    assert task.cancelled()
    assert "1 conversations did not end within shutdown_s" in caplog.text


# ---- timeouts, groups and stubborn handlers


@virtual_time
async def test_a_timeout_around_a_yield_ends_the_send_and_is_raised_there():
    async def handler(scope, receiver):
        try:
            async with asyncio.timeout(1):
                yield scope["effect"]
        except TimeoutError:
            scope["journal"].append("timeout")
        hall.server.release()
        yield ws_send("going on")
        await asyncio.sleep(30)  # a send that was given up is not taken for one that still blocks

    for effect in (ws_send("x"), ws_send("é")):
        hall = Hall(handler, server={"stuck_after": 1}, effect=effect)
        await hall.run(deadline_s=60)
        assert hall.sent == [ws_send("going on"), close(1000)]
        assert hall.journal == ["timeout", "on_close"]
        assert hall.close == (1000, "", "server")


@virtual_time
async def test_a_task_group_around_a_yield_ends_the_send_and_raises_there(caplog):
    async def fail():
        await asyncio.sleep(1)
        raise LookupError

    async def handler(scope, receiver):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                yield ws_send("x")
        except* LookupError:
            scope["journal"].append("lookup")
        hall.server.release()
        yield ws_send("going on")

    hall = Hall(handler, server={"stuck_after": 1})
    await hall.run(deadline_s=60)
    assert hall.sent == [ws_send("going on"), close(1000)]
    assert hall.journal == ["lookup", "on_close"]
    assert caplog.text == ""


@virtual_time
@pytest.mark.parametrize("catches", [True, False], ids=["and the handler goes on", "and it escapes"])
@pytest.mark.parametrize("others", [0, 3], ids=["alone", "with others"])
async def test_a_task_group_that_failed_while_it_was_left_is_no_cancellation(caplog, others, catches):
    async def fail():
        await asyncio.sleep(1)
        raise LookupError

    async def handler(scope, receiver):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                for _ in range(others):
                    group.create_task(asyncio.sleep(60))
        except* LookupError:
            if not catches:
                raise
        yield ws_send("going on")

    hall = await Hall(handler).run(deadline_s=60)
    assert hall.sent == ([ws_send("going on"), close(1000)] if catches else [close(1011)])
    assert not hall.server.task.cancelled() and hall.server.task.cancelling() == 0
    assert hall.close == (1000 if catches else 1011, "", "server")
    assert ("the conversation failed" in caplog.text) is not catches


@virtual_time
async def test_a_key_that_a_middleware_would_have_put_there_is_noted(caplog):
    async def handler(scope, receiver):
        yield ws_send(scope["identity"])

    hall = await Hall(handler).run()
    assert hall.sent == [close(1011)]
    assert "if that was request['identity']: wrap_auth puts it there" in caplog.text


@virtual_time
async def test_a_task_group_that_failed_in_a_hook_is_no_cancellation():
    async def fail():
        raise LookupError

    async def on_close(scope):
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    async def handler(scope, receiver):
        yield ws_send("all")

    hall = await Hall(handler, hooks={"on_close": on_close}).run()
    assert not hall.server.task.cancelled()


@virtual_time
@pytest.mark.parametrize("at_s", [0.5, 1.5], ids=["before it failed", "after it failed"])
async def test_a_cancellation_that_a_task_group_swallows_is_passed_on_all_the_same(at_s):
    async def fail():
        await asyncio.sleep(1)
        raise LookupError

    async def slowly():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1)
            raise LookupError

    async def handler(scope, receiver):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(slowly())
        except* LookupError:
            yield ws_send("never sent")

    hall = Hall(handler).start()
    await asyncio.sleep(at_s)
    hall.server.task.cancel()
    await asyncio.wait([hall.server.task], timeout=10)
    assert hall.server.task.cancelled()
    assert hall.sent == [close(1012)]
    assert hall.close == (1012, "", "server")


@virtual_time
async def test_nobody_begins_to_read_once_it_is_over():
    pending = []

    async def read(receiver):
        await anext(receiver)

    async def handler(scope, receiver):
        yield ws_send("one")
        await asyncio.sleep(1)  # so that somebody reads ahead, and must be stopped before the close
        hall.server.push(*says("just now"))
        async with asyncio.TaskGroup() as group:
            group.create_task(read(receiver))
            yield ws_close()

    hall = Hall(handler)

    async def app(scope, receive, send):
        async def look_and_send(event):
            pending.append(hall.server.pending)
            await send(event)

        await hall(scope, receive, look_and_send)

    await hall.server.run(app)
    assert hall.sent == [ws_send("one"), close(1000)]
    assert pending[-1] == 0


@virtual_time
async def test_nothing_is_handed_over_once_it_is_over():
    async def read(receiver, heard):
        try:
            heard.append(await anext(receiver))
        except WSDisconnect as error:
            heard.append(error.code)

    async def handler(scope, receiver):
        yield ws_send("one")
        await asyncio.sleep(1)  # so that somebody reads ahead
        async with asyncio.TaskGroup() as group:
            group.create_task(read(receiver, scope["journal"]))
            yield ws_close(4000)

    with generators_started() as started:
        hall = await Hall(handler, *says("early")).run()
        assert started.suspended() == []
    assert hall.journal == [4000, "on_close"]


@virtual_time
async def test_a_cancellation_while_the_loop_has_its_turn_is_raised_at_the_yield():
    async def handler(scope, receiver):
        for number in range(TURN_EVERY - 1):
            yield ws_send(str(number))
        try:
            asyncio.get_running_loop().call_soon(hall.server.task.cancel)
            yield ws_send("never sent")
        except asyncio.CancelledError:
            scope["journal"].append("cancelled")
            raise

    hall = Hall(handler)

    async def app(scope, receive, send):
        async def at_once(event):
            hall.server.sent.append(event)

        await hall(scope, receive, at_once)

    hall.server.start(app)
    await asyncio.wait([hall.server.task])
    assert hall.server.task.cancelled()
    assert ws_send("never sent") not in hall.sent
    assert hall.journal == ["cancelled", "on_close"]


@virtual_time
async def test_nothing_is_lost_by_timeouts_around_a_read():
    async def handler(scope, receiver):
        yield every(0.3, "tick")
        heard = []
        while True:
            try:
                async with asyncio.timeout(0.1):
                    heard.append(await anext(receiver))
            except TimeoutError:
                pass
            except WSDisconnect:
                scope["journal"].append([text for text in heard if isinstance(text, str)])
                raise

    hall = Hall(handler, hooks=False).start()
    said = [str(number) for number in range(60)]
    for number, text in enumerate(said):
        await asyncio.sleep(0.1 if number % 2 else 0.13)
        hall.server.push(*says(text))
    await asyncio.sleep(0.01)
    hall.server.leave()
    await hall.server.end()
    assert hall.journal == [said]


@virtual_time
async def test_leaving_is_noticed_again_after_reading_ahead_has_ended():
    async def slow(scope, receiver):
        try:
            async for message in receiver:
                await asyncio.sleep(1 if message == "short" else 1000)
                yield ws_send(message)
        finally:
            scope["journal"].append("finally")

    hall = Hall(slow, *says("short"), linger_s=2).start()
    await asyncio.sleep(3)  # busy for a second, read ahead, and back
    hall.server.push(*says("long"))
    await asyncio.sleep(3)
    await hall.left(1001)
    assert hall.journal == ["finally", "on_disconnect", "on_close"]


@virtual_time
async def test_reading_again_and_again_after_leaving_prolongs_nothing():
    async def stubborn(scope, receiver):
        while True:
            try:
                yield ws_send(await anext(receiver))
            except WSDisconnect:
                await asyncio.sleep(0.1)

    hall = await Hall(stubborn, *says("a"), gone(), linger_s=2).run(deadline_s=5)
    assert hall.journal == ["on_disconnect", "on_close"]


@pytest.mark.parametrize(
    ("events", "limits", "code"),
    [
        ([*says("a"), gone()], {}, 1001),
        (says("x" * 11), {"max_message_bytes": 10}, 1009),
        (says(*"abcdef"), {"max_unread": 4, "unread_s": 1}, 1011),
    ],
    ids=["left", "too-large", "send-only"],
)
@virtual_time
async def test_a_handler_that_reads_again_whatever_happens_leaves_the_loop_its_turns(events, limits, code):
    async def stubborn(scope, receiver):
        if code == 1011:
            await asyncio.sleep(3)
        for _ in range(100_000):
            try:
                await anext(receiver)
            except Exception:  # what a beginner writes
                turn = asyncio.get_running_loop()
                turn.now += 0.0001  # work takes time
        scope["journal"].append("had the loop to itself")
        yield

    hall = Hall(stubborn, *events, linger_s=0.5, **limits)
    await hall.run(deadline_s=20)
    assert hall.journal[-1] == "on_close"
    assert "had the loop to itself" not in hall.journal
    assert hall.close[0] == code


@virtual_time
async def test_what_a_tap_ends_is_over_even_if_the_handler_catches_it():
    def limit(scope, message):
        raise CloseWith(1008, "too many")

    async def stubborn(scope, receiver):
        while True:
            try:
                yield ws_send(await anext(receiver))
            except CloseWith:
                await asyncio.sleep(0.1)

    hall = await Hall(stubborn, *says("a", "b"), taps=[{"message": limit}]).run()
    assert hall.sent == [close(1008, "too many")]
    assert hall.close == (1008, "too many", "server")


@virtual_time
async def test_a_receive_that_fails_is_the_clients_leaving(caplog):
    async def app(scope, receive, send):
        async def broken():
            if len(hall.sent) == 1:
                raise OSError("reset")
            return await receive()

        await hall(scope, broken, send)

    hall = Hall(echo, *says("a"))
    await hall.server.run(app)
    assert hall.close == (1006, "", "client")
    assert hall.journal == [("left", 1006, ""), "finally", "on_disconnect", "on_close"]
    assert "the server's receive failed" in caplog.text


@virtual_time
async def test_an_accept_that_the_server_does_not_take_is_logged(caplog):
    async def app(scope, receive, send):
        async def broken(event):
            raise TypeError("no such header")

        await hall(scope, receive, broken)

    hall = Hall(echo)
    await hall.server.run(app)
    assert hall.journal == []
    assert "no such header" in caplog.text


@virtual_time
async def test_a_group_that_holds_no_exception_is_a_failure_like_any_other(caplog):
    async def handler(scope, receiver):
        raise BaseExceptionGroup("odd", [asyncio.CancelledError()])
        yield

    hall = await Hall(handler).run()
    assert hall.close == (1011, "", "server")
    assert hall.journal == ["on_close"]


@virtual_time
async def test_a_drain_ends_what_is_being_accepted():
    hall = Hall(echo, server={"stuck_after": 0}).start()
    await asyncio.sleep(0.1)
    draining = asyncio.create_task(hall.conversations.drain(5))
    await asyncio.sleep(0.1)
    hall.server.release()
    await draining
    await hall.server.end()
    assert hall.sent == [close(1012)]
    assert hall.journal == ["on_close"], "the handler never began"


@virtual_time
async def test_a_drain_does_not_cut_a_second_time():
    async def handler(scope, receiver):
        try:
            await asyncio.sleep(100)
            yield
        finally:
            await asyncio.sleep(1)
            scope["journal"].append("finally")

    hall = Hall(handler).start()
    await asyncio.sleep(0.1)
    hall.server.leave(1001)
    await asyncio.sleep(0.9)  # cut since it was noticed
    await hall.conversations.drain(5)
    await hall.server.end()
    assert hall.journal == ["finally", "on_disconnect", "on_close"]
    assert hall.close == (1001, "", "client")
