"""cut_everywhere: one conversation, ended in each way at each of its steps, and what every end must leave behind: nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack

from ..codec.json import format_json
from ..ring import build_server
from ..types import ASGIApp
from ..websocket.wire import close_event
from .clients import Opening
from .ends import ENDS, CutLoop, CutServer, End
from .failures import Unexpected
from .leaks import Started, errors_logged, generators_started, name_of, sweep
from .lifespans import lifespan
from .scenarios import Scenario, Step, is_close, read_scenario
from .scopes import format_cookies, lower_names, websocket_scope, with_query

__all__ = ["Cut", "cut_everywhere"]

MOST_STEPS = 1000
"""Steps of one scenario; each is played once for every way to end."""
ENDS_WITHIN_S = 600.0
"""How long, on the virtual clock, a conversation may take to end: longer than all its deadlines together."""
WAITS_FOR_A_ROW_S = 3600.0


class Cut(TypedDict):
    """One way to end at one step, and what was wrong with it: nothing, for a good handler."""

    at: str
    """``"receive 0"``: the app asks for its first event; ``"send 0"``: it sends the accept; ``"yield 0"``: its first effect that is no send; ``"wait 0"``:
    for the first time everything waits for the clock."""
    how: str
    found: list[str]


def cut_everywhere(
    handler: Any,
    scenario: Scenario,
    *,
    path: str = "/",
    params: Sequence[Any] = (),
    keys: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    allow: Collection[str] = (),
    **opening: Unpack[Opening],
) -> list[Cut]:
    """Play ``scenario`` once whole, and then once for each step of it and each way to end there; ``Unexpected`` tells what any of them left behind.

    | option | meaning |
    |---|---|
    | ``handler`` | what ``@websocket`` stands above; it is served alone, with ``params`` and with ``keys`` added to its request |
    | ``scenario`` | as for ``play``; what the ``<-`` rows say is not compared here, they wait for the app |
    | ``server`` | options of ``build_server``: ``{"resources": ..., "effects": ..., "limits": ...}`` |
    | ``allow`` | patterns of the names of tasks, generators and timers that a resource keeps by right: ``"Pool.*"`` |
    | ``path``, ``headers``, ``cookies``, ``query``, ``subprotocols`` | of the handshake |

    The steps are each call of ``receive`` and ``send``, each effect that is no send, and each moment in which everything waits for the clock. The ways are
    a client that leaves (``send`` then raises, is silent, or blocks), a server that cancels, and a ``send`` that blocks, alone or before one of the
    two. After each the conversation must have ended within its deadlines, the cancellation passed on, ``on_close`` run once where it was accepted, every
    generator run to its end (so every ``finally`` ran), no task and no timer left, and no error logged. The clock is virtual.

        >>> from shallot import websocket, ws_send
        >>> @websocket
        ... async def echo(scope, receiver):
        ...     async for message in receiver:
        ...         yield ws_send(message)
        >>> len(cut_everywhere(echo, [("->", "hi"), ("<-", "hi")]))
        26
    """
    if not getattr(handler, "is_websocket", False):
        raise TypeError(f"cut_everywhere: expected what @websocket stands above, got {handler!r}; a whole app has no hooks that could be counted")
    stage = Stage(handler, params, keys or {}, server or {}, allow, read_scenario(scenario), path, opening)
    return _all_clean([*map(partial(_cut, stage), _ways(*Trial(stage).result()))])


class Stage(NamedTuple):
    """What every trial has in common."""

    handler: Any
    params: Sequence[Any]
    keys: Mapping[str, Any]
    options: Mapping[str, Any]
    allow: Collection[str]
    steps: Sequence[Step]
    path: str
    opening: Opening


def _ways(found: Sequence[str], counts: Counter[str]) -> Iterator[tuple[str, int, str]]:
    """Every step, by what it is and its number, with each way to end there; ``found`` is what was wrong without any."""
    if found:
        raise Unexpected(f"the scenario, played to its end, was not clean: {'; '.join(found)}")
    if counts.total() > MOST_STEPS:
        raise ValueError(f"cut_everywhere: the scenario has {counts.total():,} steps, and each is played {len(ENDS)} times; make it shorter")
    for point, count in counts.items():
        for number in range(count):
            yield from ((point, number, how) for how, end in ENDS.items() if point in end.points)


def _cut(stage: Stage, way: tuple[str, int, str]) -> Cut:
    point, number, how = way
    found, _ = Trial(stage, (point, number), ENDS[how]).result()
    return {"at": f"{point} {number}", "how": how, "found": found}


def _all_clean(cuts: list[Cut]) -> list[Cut]:
    if bad := [cut for cut in cuts if cut["found"]]:
        told = "\n".join(f"  {cut['at']}, {cut['how']}: {'; '.join(cut['found'])}" for cut in bad)
        raise Unexpected(f"{len(bad)} of {len(cuts)} ends were not clean:\n{told}")
    return cuts


class Trial:
    """One conversation on one loop, ended at one step or, without ``where``, not before its end."""

    def __init__(self, stage: Stage, where: tuple[str, int] | None = None, end: End | None = None) -> None:
        self._stage, self._where, self._end = stage, where, end
        self._counts: Counter[str] = Counter()
        self._hooks: Counter[str] = Counter()
        self._found: list[str] = []
        self._server: CutServer | None = None

    def result(self) -> tuple[list[str], Counter[str]]:
        """What was found wrong, and how many steps of each kind there were."""
        loop = CutLoop()
        try:
            with errors_logged(self._found):
                loop.run_until_complete(self._run(loop))
        finally:
            sweep(loop)
            loop.close()
        return list(dict.fromkeys(self._found)), self._counts

    async def _run(self, loop: CutLoop) -> None:
        try:
            app = build_server(self._serve, **self._stage.options)
            async with lifespan(app, deadline_s=ENDS_WITHIN_S) as state:
                with generators_started() as started:
                    before = asyncio.all_tasks()
                    loop.timers.clear()
                    self._server = server = self._connect(state)
                    await self._converse(app, server, loop)
                    await asyncio.sleep(1)  # the engine's watch looks four times a second, and sets no timer when none is open
                    self._look(server, started, asyncio.all_tasks() - before, loop)
        except Unexpected as error:
            self._found.append(str(error).partition("\n")[0])

    async def _converse(self, app: ASGIApp, server: CutServer, loop: CutLoop) -> None:
        task = server.start(app)
        loop.on_wait = server.rest
        try:
            await self._play(server, loop)
        except Unexpected as error:
            self._found.append(str(error).partition("\n")[0])
        loop.on_wait = None
        is_cancelled = server.struck and task.cancelling() > 0
        try:
            await server.end(deadline_s=ENDS_WITHIN_S, raise_errors=False)
        except Unexpected as error:
            self._found.append(str(error).partition("\n")[0])
        if is_cancelled and task.done() and not task.cancelled():
            self._found.append("the server's cancellation was swallowed")

    async def _serve(self, request: Any) -> Any:
        """The handler alone, with its hooks counted, and a tap that tells of effects."""
        request.update(self._stage.keys)
        response = await self._stage.handler(request, *self._stage.params)
        if response["status"] != 101:
            return response
        conversation = response["websocket"]
        hooks = {name: self._counted(name, hook) for name, hook in {"on_close": _nothing, **conversation["hooks"]}.items()}
        return {**response, "websocket": {**conversation, "hooks": hooks, "taps": [*conversation["taps"], *self._taps()]}}

    def _taps(self) -> list[Any]:
        """A tap makes every message pass through Python once more, so that it stands only where effects are what is cut, or counted."""
        if self._where is not None and self._where[0] != "yield":
            return []

        def effect(scope: Any, yielded: Any) -> Any:
            if yielded["type"] != "websocket.send" and self._server is not None:
                self._server.step("yield")
            return yielded

        return [{"effect": effect}]

    def _counted(self, name: str, hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def counted(scope: Any) -> Any:
            self._hooks[name] += 1
            return await hook(scope)

        return counted

    def _connect(self, state: Mapping[str, Any]) -> CutServer:
        opening = self._stage.opening
        cookies = opening.get("cookies")
        scope = websocket_scope(
            with_query(self._stage.path, opening.get("query")),
            headers={**({"cookie": format_cookies(cookies)} if cookies else {}), **lower_names(opening.get("headers"))},
            subprotocols=opening.get("subprotocols", ()),
            extensions={"websocket.http.response": {}},
            state=dict(state),
        )
        return CutServer(scope, self._counts, self._where, self._end)

    async def _play(self, server: CutServer, loop: CutLoop) -> None:
        await server.until(partial(_has_sent, server, 1), "an accept or a denial", deadline_s=WAITS_FOR_A_ROW_S)
        started, heard = loop.time(), 1
        for step in self._stage.steps:
            if step.at is not None:
                await asyncio.sleep(started + step.at - loop.time())
            if server.is_ending:
                break
            if step.way == "<-":
                heard += 1
                await server.until(partial(_has_sent, server, heard), repr(step.what), deadline_s=WAITS_FOR_A_ROW_S)
            elif is_close(step.what):
                server.leave(*close_event(step.what))
            else:
                data = step.what if isinstance(step.what, str | bytes) else format_json(step.what).decode()
                server.push({"type": "websocket.receive", "bytes" if isinstance(data, bytes) else "text": data})
        if not server.is_ending:
            await server.settle()
            server.leave(1001)

    def _look(self, server: CutServer, started: Started, tasks: Collection[asyncio.Task[Any]], loop: CutLoop) -> None:
        taken = [*server.sent, *(server.late if server.after_leave == "swallow" else ())]  # where send is silent nobody can know better
        accepted = any(event["type"] == "websocket.accept" for event in taken)
        if server.error is not None:
            self._found.append(f"it raised {server.error!r}")
        if self._hooks["on_close"] != accepted or self._hooks["on_disconnect"] > accepted:
            self._found.append(f"of {'an accepted' if accepted else 'a refused'} conversation the hooks ran {dict(self._hooks)}")
        left = {
            "generator not closed": [*started.suspended(), *started.collected],
            "task left": [name_of(task.get_coro()) for task in tasks if task is not server.task],
            "timer left": [name_of(getattr(handle, "_callback", handle)) for handle in loop.timers if not handle.cancelled() and handle.when() > loop.time()],
        }
        for what, names in left.items():
            self._found += [f"{what}: {name}" for name in names if not any(fnmatchcase(name, pattern) for pattern in self._stage.allow)]


def _has_sent(server: CutServer, events: int) -> bool:
    return len(server.sent) >= events or server.is_ending


async def _nothing(scope: Any) -> None:
    """Stands for an ``on_close`` that a handler does not have: its running is counted all the same."""
