"""The engine: what handlers do, what clients and servers do, and when, in any order. Each conversation ends in time, whole, and leaves nothing.

The bytes are a programme: four for the tempers of server, hooks and taps, then pairs, each a step of the handler or an act of the world. Virtual time.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple, cast

from shallot import after, build_server, cancel, every, feed, unfeed, websocket, ws_accept, ws_close, ws_send
from shallot.errors import CloseWith
from shallot.response import text
from shallot.testing import FakeServer, websocket_scope
from shallot.testing.ends import CutLoop
from shallot.testing.fakes import AfterLeave
from shallot.testing.leaks import errors_logged, generators_started, name_of, sweep

COSTS = 10
"""One execution is as dear as so many of a parser: there are so many fewer of them."""
MOST = 64
"""Steps and acts together; what comes after is not looked at."""
MAX_UNREAD = 3

LIMITS: Any = {
    **{"accept_s": 2, "send_s": 3, "linger_s": 1, "unread_s": 1, "stuck_s": 2, "hook_s": 1, "shutdown_s": 2},
    **{"max_unread": MAX_UNREAD, "max_unread_bytes": 100, "max_message_bytes": 50},
}
TEMPERS: Sequence[AfterLeave] = ("raise", "swallow", "block")
TIMES = (0.0, 0.01, 0.3, 1.1, 4.0)

STEPS = (
    *("send", "send", "burst", "hear", "hear", "hear soon", "hear aside", "sleep"),
    *("timer", "timer", "feed", "stop", "wrong", "own", "stubborn", "end"),
)
ACTS = ("say", "say", "say", "say", "odd", "leave", "cancel", "stick", "release", "shutdown", "vanish", "fail", "wait", "wait", "wait", "wait")


class Programme(NamedTuple):
    temper: AfterLeave
    reads: bool
    idle_s: float | None
    taps: bool
    hook: int
    connect: int
    catches: int
    steps: Sequence[tuple[str, int]]
    acts: Sequence[tuple[str, int]]

    @property
    def ends_s(self) -> float:
        """When it must be over, from the last act on: each deadline once, and for each step that takes no cancellation its hook_s."""
        return 40 + 5 * sum(step == "stubborn" for step, _ in self.steps)


def read_programme(data: bytes) -> Programme:
    """An even first byte of a pair is a step, an odd one an act."""
    head, pairs = data[:4].ljust(4, b"\0"), [(data[at], data[at + 1]) for at in range(4, min(len(data) - 1, 4 + 2 * MOST), 2)]
    return Programme(
        TEMPERS[head[0] % 3],
        not head[0] & 8,
        10.0 if head[0] & 16 else None,
        bool(head[0] & 32),
        head[1],
        head[2],
        head[3],
        [(STEPS[what // 2 % len(STEPS)], how) for what, how in pairs if what % 2 == 0],
        [(ACTS[what // 2 % len(ACTS)], how) for what, how in pairs if what % 2],
    )


def seed(words: str, head: bytes = b"\0\0\0\0") -> bytes:
    """A programme from its words: ``"send hear:3 +say +leave:1"``; what begins with + is an act."""
    made = bytearray(head)
    for word in words.split():
        what, _, how = word.replace("_", " ").partition(":")
        made += bytes([2 * ACTS.index(what[1:]) + 1 if what[0] == "+" else 2 * STEPS.index(what), int(how or 0)])
    return bytes(made)


SEEDS = [
    seed("hear send hear send hear send +say +say +say:2 +leave"),
    seed("timer:2 feed:0 hear hear hear hear hear stop timer:3 hear hear hear +say:3 +say:3 +leave", b"\x01\x02\0\0"),
    seed("send sleep:4 sleep:4 sleep:4 sleep:4 send +say +say +say +say +say:4 +leave:3", b"\x02\0\0\0"),
    seed("hear sleep:4 sleep:4 hear send end:4 +say +say +say +say +say +say:4 +say:4"),
    seed("hear_aside:2 send hear_aside:7 +say +say:1 +cancel"),
    seed("feed:0 stubborn:4 send stubborn:4 +say:3 +cancel +wait:2 +cancel +shutdown", b"\0\x80\0\xff"),
    seed("send send send +stick +say:3 +say:4 +release +say +vanish +wait:4"),
    seed("hear send hear send +say +say +say +say +say +say +say +say +say +say +fail", b"\x20\x04\0\0"),
    seed("own:12 own:30 wrong:0 wrong:1 hear end:1 +say +wait:4", b"\0\xc6\0\xff"),
    seed("hear send end:3 +say:3 +leave:1"),
    seed("hear send end:10 +say +say"),
    seed("sleep:3 hear_soon:2 hear_soon:2 hear_soon:2 hear_soon:2 hear +wait:3 +say:2 +say:2 +say:2 +say:2", b"\0\0\0\xff"),
    seed("timer:4" + " hear_soon:0" * 12 + " hear hear +say +say +say +say +say +say +say +say", b"\0\0\0\xff"),
    seed("timer:7 sleep:3 hear sleep:4 hear burst send end:2 +say:1 +say +shutdown:4"),
]


# ---- what is seen, and what it must be


IN_DOUBT = None
"""Where an effect was refused nobody can say whether what stood under its name before is still open."""


class Seen:
    """What the handler, its hooks and taps saw."""

    def __init__(self, taps: bool) -> None:
        self.begun = self.said = self.taken = self.began_taps = self.ended_taps = 0
        self.taps = taps
        self.heard: list[int] = []
        self.sure: set[int] = set()
        """Whose ``yield`` raised nothing: the others may have been sent, or not."""
        self.order: list[str] = []
        self.closes: list[Any] = []
        self.amiss: list[str] = []
        self.sources: dict[tuple[str, str], Any] = {}

    def open(self, key: tuple[str, str], seconds: float = 0, again: bool = False) -> None:
        self.sources[key] = [asyncio.get_running_loop().time(), seconds, again, 0]

    def hear(self, message: Any) -> None:
        """Messages of the client in the order of its numbers; a timer when its time has come, so often as it came; items of a feed one by one."""
        if not isinstance(message, dict):
            self.taken += 1
            self.heard += [int(message)] if str(message).isdigit() else []
            return
        family, _, what = str(message["type"]).partition(".")
        source = self.sources.get((family, message["name"]), ())
        if not source:
            self.amiss += [f"heard of what is not open: {message}"] if source == () else []
            return
        began, seconds, again, number = source
        if family == "timer":
            source[3] += 1 + message["missed"]
            due = (asyncio.get_running_loop().time() - began) / seconds
            if not (due - 1 - 1e-6 < source[3] <= due + 1e-6 if again else source[3] == 1 and due > 1 - 1e-6):
                self.amiss.append(f"{message} after {due} of its time, {source[3]} in all")
        elif what == "item":
            source[3] += 1
            if message["data"] != number:
                self.amiss.append(f"{message} where {number} is next")
        elif what != "ended" or number != ITEMS:
            self.amiss.append(f"{message} after {number} items")
        if (family == "timer" and not again) or what == "ended":
            del self.sources[family, message["name"]]


class Wire(FakeServer):
    """A server that notes what an app must not do, whatever happens."""

    def __init__(self, programme: Programme, seen: Seen) -> None:
        scope = websocket_scope("/", extensions={"websocket.http.response": {}}, programme=programme, seen=seen, is_gone=lambda: self.closed)
        super().__init__(scope, [{"type": "websocket.connect"}], after_leave=programme.temper)
        self.seen = seen
        self.told = self.vanished = False
        self.sending = self.handed = self.most_unread = 0

    async def receive(self) -> Any:
        if self.told:
            self.seen.amiss.append("receive after the leaving was told")
        event = await super().receive()
        self.told = event["type"] in ("websocket.disconnect", "fuzz.fail")
        if event["type"] == "fuzz.fail":
            raise (OSError, RuntimeError)[event["how"] % 2]("of receive, on purpose")
        self.handed += event["type"] == "websocket.receive"
        self.most_unread = max(self.most_unread, self.handed - self.seen.taken)
        return event

    async def send(self, event: Any) -> None:
        if self.told and self.state == "open":
            self.seen.amiss.append(f"{event} after the leaving was told")
        if self.sending:
            self.seen.amiss.append(f"{event} while another one is being sent")
        if self.pending and event["type"] == "websocket.close":
            self.seen.amiss.append(f"{event} while receive is pending")
        self.sending += 1
        try:
            await super().send(event)
        finally:
            self.sending -= 1


# ---- the handler

ITEMS = 30


async def numbers() -> AsyncIterator[int]:
    for number in range(ITEMS):
        yield number
        await asyncio.sleep(0.1 * (number % 3))


async def handler(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    programme, seen = scope["programme"], scope["seen"]
    seen.begun += 1
    try:
        for step, how in programme.steps:
            try:
                match step:
                    case "send" | "burst":
                        for _ in range(1 if step == "send" else how):
                            seen.said += 1
                            yield ws_send(str(seen.said))
                            seen.sure.add(seen.said)
                    case "hear":
                        seen.hear(await anext(receiver))
                    case "hear soon":
                        async with asyncio.timeout(TIMES[how % 5]):
                            seen.hear(await anext(receiver))
                    case "hear aside":
                        async with asyncio.TaskGroup() as group:
                            group.create_task(hear(seen, receiver, 1 + how % 4))
                            seen.said += 1
                            yield ws_send(str(seen.said))
                            seen.sure.add(seen.said)
                    case "timer":
                        seconds, name, again = 0.05 + TIMES[how % 5], "ab"[how // 5 % 2], how % 2 == 1
                        seen.sources["timer", name] = IN_DOUBT
                        yield (every if again else after)(seconds, name)
                        seen.open(("timer", name), seconds, again)
                    case "feed":
                        seen.sources["feed", "ab"[how % 2]] = IN_DOUBT
                        yield feed("ab"[how % 2], numbers())
                        seen.open(("feed", "ab"[how % 2]))
                    case "stop":
                        family, name = ("timer", "feed")[how % 2], "ab"[how // 2 % 2]
                        seen.sources[family, name] = IN_DOUBT
                        yield (cancel, unfeed)[how % 2](name)
                        del seen.sources[family, name]
                    case "wrong":
                        yield (None, {"type": "huh"}, {"type": "websocket.accept"}, ws_send(b"x"), {"type": "websocket.close", "code": 1006})[how % 5]
                    case "own":
                        yield {"type": "fuzz.own", "how": how}
                    case "stubborn":
                        await stubborn(TIMES[how % 5])
                    case "end" if how % 5 == 0:
                        yield ws_close((1000, 1001, 4000)[how // 5 % 3], "enough")
                        seen.amiss += [] if scope["is_gone"]() else ["went on after its close"]
                    case "end" if how % 5 == 1:
                        raise RuntimeError("on purpose")
                    case "end" if how % 5 == 2:
                        return
                    case "end" if how % 5 == 3:
                        await asyncio.Event().wait()
                    case _:
                        await asyncio.sleep(TIMES[how % 5])
            except (Exception, ExceptionGroup):
                if how % 8 not in range(programme.catches % 9):
                    raise
        async for message in receiver:
            seen.hear(message)
    finally:
        refused = isinstance(sys.exception(), (GeneratorExit, asyncio.CancelledError))
        try:
            if programme.hook & 64:
                await asyncio.sleep(0.1)
            if programme.hook & 128 and refused:
                yield ws_send("too late")
        finally:
            seen.order.append("finally")


async def hear(seen: Seen, receiver: Any, most: int) -> None:
    for _ in range(most):
        seen.hear(await anext(receiver))


async def stubborn(seconds: float) -> None:
    """Takes the first cancellation for nothing."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)


async def own(effect: Any, scope: Any) -> Any:
    how = effect["how"] // 5
    await asyncio.sleep(TIMES[how % 5])
    if how % 7 == 0:
        raise LookupError("of an effect, on purpose")
    if how % 11 == 0:
        await asyncio.Event().wait()
    return how


# ---- hooks and taps


async def greet(scope: Any) -> Any:
    how = scope["programme"].connect
    scope["seen"].order.append("on_connect")
    await asyncio.sleep(TIMES[how % 5])
    if how % 31 == 30:
        raise RuntimeError("on purpose")
    return text("no", 403) if how % 29 == 28 else ws_close() if how % 29 == 27 else ws_accept()


def hook(name: str) -> Any:
    async def ended(scope: Any) -> Any:
        how = scope["programme"].hook
        scope["seen"].order.append(name)
        scope["seen"].closes.append(scope["close"])
        if how & 7 == 1:
            raise RuntimeError("on purpose")
        await asyncio.sleep((0, 0, 0.1, 30)[how & 3])
        return {"type": "fuzz.own", "how": 5} if how & 4 else None

    return ended


def passes(number: int) -> bool:
    """Does a tap let it by?"""
    if number == 11:
        raise CloseWith(4001, "of a tap")
    return number % 7 != 6


def tap(seen: Seen) -> Any:
    def message(scope: Any, message: Any) -> Any:
        is_let_by = not (isinstance(message, str) and message.isdigit()) or passes(int(message))
        seen.taken += not is_let_by
        return message if is_let_by else None

    def begin(scope: Any) -> None:
        seen.began_taps += 1

    def end(scope: Any) -> None:
        seen.ended_taps += 1

    return {
        **{"begin": begin, "message": message, "end": end},
        "effect": lambda scope, effect: effect if not str(effect.get("text")).isdigit() or passes(int(effect["text"])) else None,
    }


def build(programme: Programme) -> Any:
    own_limits = {} if programme.idle_s is None else {"idle_s": programme.idle_s}
    decorate: Any = websocket(on_connect=greet, on_disconnect=hook("on_disconnect"), on_close=hook("on_close"), reads=programme.reads, **cast(Any, own_limits))
    endpoint = decorate(handler)

    async def tapped(request: Any) -> Any:
        response = await endpoint(request)
        if not programme.taps or response["status"] != 101:
            return response
        return {**response, "websocket": {**response["websocket"], "taps": [tap(request["seen"])]}}

    return build_server(tapped, effects={"fuzz.own": own}, limits=LIMITS)


# ---- the world


class World:
    def __init__(self, programme: Programme) -> None:
        self.programme, self.seen = programme, Seen(programme.taps)
        self.pushed = 0
        self.is_cancelled = False
        self.server = Wire(programme, self.seen)
        self.life = FakeServer({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, [{"type": "lifespan.startup"}])

    async def play(self, logged: list[str]) -> None:
        app, server = build(self.programme), self.server
        self.life.start(app)
        await self.life.until(lambda: bool(self.life.sent), "the start")
        task = server.start(app)
        for act, how in self.programme.acts:
            if server.is_over:
                break
            self.act(act, how, task)
            await asyncio.sleep(TIMES[how % 5])
        server.leave(1001)
        if server.vanished:
            server.push({"type": "websocket.disconnect"})
        await server.end(deadline_s=self.programme.ends_s, raise_errors=False)
        self.life.push({"type": "lifespan.shutdown"})
        await self.life.end()
        if self.is_cancelled or any("did not end within shutdown_s" in line for line in logged):
            assert task.cancelled(), f"the cancellation was swallowed: {task}"
        else:
            assert not task.cancelled() and task.exception() is None, f"it ended with {task}"

    def act(self, act: str, how: int, task: asyncio.Task[None]) -> None:
        server = self.server
        match act:
            case "say":
                self.pushed += 1
                self.say({"text": str(self.pushed)})
            case "odd" if how % 6 == 5:
                server.push({"type": "websocket.huh"})
            case "odd":
                self.say([{"bytes": b"b"}, {"text": "y" * 60}, {"text": "\u20ac" * 20}, {}, {"text": None, "bytes": None}][how % 6])
            case "leave":
                server.leave((1000, 1001, 1006, 1012, 4000)[how % 5])
            case "cancel":
                self.is_cancelled = self.is_cancelled or not task.done()
                task.cancel()
            case "stick":
                server.stuck_after = len(server.sent)
            case "release":
                server.release()
            case "shutdown":
                self.life.push({"type": "lifespan.shutdown"})
            case "vanish" if not server.closed:
                server.vanished = server.gone = True
            case "fail" if not server.closed:
                server.gone = True
                server.push({"type": "fuzz.fail", "how": how})
            case _:
                pass

    def say(self, what: dict[str, Any]) -> None:
        if not self.server.closed:
            self.server.push({"type": "websocket.receive", **what})

    def look(self, logged: Sequence[str]) -> None:
        """What holds after every conversation."""
        seen, server, order = self.seen, self.server, self.seen.order
        taken = [*server.sent, *(server.late if server.after_leave == "swallow" else ())]
        accepted = any(event["type"] == "websocket.accept" for event in taken)
        assert not server.wrong and not seen.amiss, [*server.wrong, *seen.amiss]
        assert server.most_pending <= 1, "two receives at the same time"
        assert order[:1] in ([], ["on_connect"]), order
        assert order[1:] in [["finally"] * seen.begun + left + ["on_close"] * accepted for left in ([], ["on_disconnect"] * accepted)], (accepted, order)
        assert seen.begun <= accepted and seen.began_taps == seen.ended_taps == (seen.taps and accepted), (accepted, vars(seen))
        expected = [number for number in range(1, self.pushed + 1) if not (seen.taps and number % 7 == 6)]
        assert seen.heard == expected[: len(seen.heard)], f"heard out of order: {seen.heard}"
        said = [int(event["text"]) for event in server.sent if event["type"] == "websocket.send" and str(event.get("text")).isdigit()]
        expected = [number for number in range(1, seen.said + 1) if number in said or (number in seen.sure and not (seen.taps and number % 7 == 6))]
        assert said == expected[: len(said)] and not (seen.taps and [number for number in said if number % 7 == 6]), f"said out of order: {said}"
        assert "too late" not in [event.get("text") for event in [*server.sent, *server.late]], "an effect was performed while the handler was being closed"
        assert server.most_unread <= MAX_UNREAD + 1 or not seen.taken, f"{server.most_unread} held unread"
        self.look_at_closes(accepted)
        assert not (odd := [line for line in logged if not LOGGED.fullmatch(line)]), odd

    def look_at_closes(self, accepted: bool) -> None:
        """The hooks are told how it ended, all the same, and what they are told is what went out."""
        closes, sent = self.seen.closes, [event for event in self.server.sent if event["type"] == "websocket.close" and accepted]
        assert len({id(close) for close in closes}) <= 1
        for close in closes:
            assert close.keys() == {"code", "reason", "by"} and (close["by"] == "client") == ("on_disconnect" in self.seen.order), closes
            assert not sent or close == {"code": sent[0]["code"], "reason": sent[0].get("reason", ""), "by": "server"}, (close, sent)


CAUSE = (
    r"(TypeError|ValueError|TimeoutError|LookupError|EffectRefused)\(.*|RuntimeError\(.(another task is reading|this conversation only sends).*"
    r"|ExceptionGroup\('unhandled errors in a TaskGroup.*"
)
LOGGED = re.compile(
    r"logged: (.*on purpose.*|.* failed with 503 .*\((Unavailable|DeadlinePassed).*|.*handler catches the end of its receiver.*"
    rf"|.*: the conversation failed \(({CAUSE})|.*: could not end whole \((DeadlinePassed.*|{CAUSE})"
    r"|.*did not end within hook_s.*|.*[1-9] conversations did not end within shutdown_s.*)",
    re.DOTALL,
)
"""Errors that we may log: what the programme does wrong on purpose, and what it keeps waiting."""


def fuzz(data: bytes) -> None:
    programme, logged, loop = read_programme(data), list[str](), CutLoop()
    loop.set_exception_handler(lambda loop, context: logged.append(f"told to the loop: {context}"))

    async def whole() -> World:
        world = World(programme)
        with generators_started() as started:
            await world.play(logged)
            await asyncio.sleep(1)
            left = [name_of(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()}]
            timers = [str(handle) for handle in loop.timers if not handle.cancelled() and handle.when() > loop.time()]
            assert not (names := [*left, *started.suspended(), *started.collected, *timers]), f"left: {names}"
        return world

    try:
        with errors_logged(logged):
            world = loop.run_until_complete(whole())
        world.look(logged)
    except AssertionError as error:
        error.add_note(f"{programme}\n{chr(10).join(logged)}")
        raise
    finally:
        sweep(loop)
        loop.close()
