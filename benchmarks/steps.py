"""Where the time goes: microseconds of each step of one request, and of one message, measured by doing each step alone.

The child, ``python -m benchmarks.steps ROUNDS``, prints them as JSON. It knows the names of the stages in ``ring.py``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from itertools import pairwise
from statistics import median
from time import process_time
from typing import Any

import uvloop

from shallot import build_server, standard_not_found, ws_send
from shallot.codec.cookies import parse_cookies
from shallot.codec.json import format_json
from shallot.codec.query import parse_query
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.middlewares.routing import build_table, routes_request

from .apps import ours, raw
from .exchange import Caller
from .frameworks import child
from .works import SHELVES, WORKS, Work

__all__ = ["measure_all"]

CALLS = 1000

SCOPE = "the scope becomes the request dict: ten header lines decoded and counted, host, method and path checked"
RESPONSE = "the response is checked, and becomes header lines"

Step = Callable[[], Any]


def measure_all(*, quick: bool) -> dict[str, dict[str, float]]:
    """By work: microseconds of each of its steps, the whole under ``ours``, and the hand-written function's whole under ``by hand``."""
    steps: dict[str, dict[str, float]] = child("benchmarks.steps", 7 if quick else 41)
    return steps


# ---- in the child


async def measure(rounds: int) -> dict[str, dict[str, float]]:
    return {"hello": await _hello(rounds), "waiting": await _waiting(rounds), "routed": await _routed(rounds), "message": await _message(rounds)}


async def _hello(rounds: int) -> dict[str, float]:
    work, app = WORKS["hello"], ours.hello()
    scope = work.scopes[0]
    request, _ = app._request_from_scope(scope, {})
    response = await app._handler(request)
    us = await _alone(
        rounds,
        {
            SCOPE: lambda: app._request_from_scope(scope, {}),
            "`apply_middleware` and `wrap_routes`": lambda: app._handler(request),
            "the handler, which calls `text()`": lambda: ours.greet(request),
            RESPONSE: lambda: app._response_headers(response, scope),
        },
    )
    us["`apply_middleware` and `wrap_routes`"] -= us["the handler, which calls `text()`"]
    return await _with_rest(us, rounds, work, raw.hello(), app)


async def _waiting(rounds: int) -> dict[str, float]:
    """What a request costs besides whose handler waits, as most do: for a database, another server, a lock."""

    async def wait(times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    def by_hand(times: int) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await wait(times)
            await raw.hello_app(scope, receive, send)

        return app

    def with_ours(times: int) -> Any:
        async def greet(request: Any) -> Any:
            await wait(times)
            return await ours.greet(request)

        return build_server(apply_middleware(wrap_routes([("/hello", ["GET"], greet)]))(standard_not_found))

    builders = {"by hand": by_hand, "ours": with_ours}
    callers = {f"{who} {times}": Caller(build(times), WORKS["hello"]) for who, build in builders.items() for times in range(3)}
    us = await _whole(rounds, callers, 1)
    waits = [us[f"by hand {times}"] - us["by hand 0"] for times in range(3)]
    return {
        "without a wait": us["ours 0"],
        "the waits themselves": waits[2],
        "the first: from here on a deadline is kept": us["ours 1"] - us["ours 0"] - waits[1],
        "the second": us["ours 2"] - us["ours 1"] - (waits[2] - waits[1]),
        "by hand": us["by hand 2"],
        "ours": us["ours 2"],
    }


async def _routed(rounds: int) -> dict[str, float]:
    work, app = WORKS["routed"], ours.routed()
    scope = work.scopes[0]
    request, _ = app._request_from_scope(scope, {})
    response = await app._handler(request)
    table = build_table([(f"/shop/shelf{shelf:02}/items/{{number:int}}", ["GET"], ours.show) for shelf in range(SHELVES)])
    number = request["path_params"]["number"]
    answer = {"item": number, "page": 3, "session": request["cookies"]["session"]}

    def handled() -> Any:
        request["cookies"].clear()
        del request["cookies"]
        return app._handler(request)

    us = await _alone(
        rounds,
        {
            SCOPE: lambda: app._request_from_scope(scope, {}),
            "three cookies parsed": lambda: parse_cookies(request["headers"]["cookie"]),
            "the query string parsed": lambda: parse_query(scope["query_string"]),
            "the row found among a hundred, its value converted": lambda: routes_request(request, table),
            "the answer becomes JSON": lambda: format_json(answer),
            "the handler, which calls `json()`": lambda: ours.show(request, number),
            "the pile: `apply_middleware` and what three middlewares do besides": handled,
            RESPONSE: lambda: app._response_headers(response, scope),
        },
    )
    parsed, found, json, handler, pile = list(us)[1:3], list(us)[3], list(us)[4], list(us)[5], list(us)[6]
    us[pile] -= us[handler] + us[found] + sum(us[each] for each in parsed)
    us[handler] -= us[json]
    return await _with_rest(us, rounds, work, raw.routed(), app)


async def _message(rounds: int) -> dict[str, float]:
    """By adding one layer after the other to the hand-written loop."""
    work = WORKS["message"]
    layers = {
        "by hand": raw.talk(),
        "the handler is an async generator, asked with asend": _driving(_replies),
        "what it hears comes through an async iterator": _driving(_answers),
        "ours": ours.talk(),
    }
    us = await _whole(rounds, {name: Caller(app, work) for name, app in layers.items()}, work.per_call)
    added = {name: us[name] - us[before] for before, name in pairwise(us)}
    added["every effect checked, every deadline kept, leaving and shutdown noticed"] = added.pop("ours")
    return {"receive and send, and the loop around them": us["by hand"], **added, "by hand": us["by hand"], "ours": us["ours"]}


def _driving(handler: Callable[[Any], AsyncGenerator[Any, None]]) -> Any:
    """The least that drives a generator: nothing is checked, nothing is bounded, nothing is closed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        generator = handler(receive)
        try:
            while True:
                await send(await generator.asend(None))
        except (StopAsyncIteration, ConnectionError):
            pass

    return app


async def _replies(receive: Any) -> AsyncGenerator[Any, None]:
    while (event := await receive())["type"] == "websocket.receive":
        yield ws_send(event["text"])


async def _answers(receive: Any) -> AsyncGenerator[Any, None]:
    async for message in _messages(receive):
        yield ws_send(message)


async def _messages(receive: Any) -> AsyncIterator[str]:
    while (event := await receive())["type"] == "websocket.receive":
        yield event["text"]
    raise ConnectionError


async def _alone(rounds: int, steps: Mapping[str, Step]) -> dict[str, float]:
    """Microseconds of each step, less what the call of an empty one takes."""

    async def again(step: Step) -> None:
        if isinstance(first := step(), Coroutine):
            await first
            for _ in range(CALLS - 1):
                await step()
        else:
            for _ in range(CALLS - 1):
                step()

    found: dict[str, list[float]] = {name: [] for name in ("", *steps)}
    gc.collect()
    for _ in range(rounds):
        for name, step in {"": lambda: None, **steps}.items():
            began = process_time()
            await again(step)
            found[name].append(1e6 * (process_time() - began) / CALLS)
    empty = median(found.pop(""))
    return {name: median(each) - empty for name, each in found.items()}


async def _whole(rounds: int, callers: Mapping[str, Caller], per_call: int) -> dict[str, float]:
    times = max(1, CALLS // per_call)
    found: dict[str, list[float]] = {name: [] for name in callers}
    for caller in callers.values():
        await caller.check(1)
        await caller.call(times)
    gc.collect()
    for _ in range(rounds):
        for name, caller in callers.items():
            began = process_time()
            await caller.call(times)
            found[name].append(1e6 * (process_time() - began) / times / per_call)
    return {name: median(each) for name, each in found.items()}


async def _with_rest(us: dict[str, float], rounds: int, work: Work, by_hand: Any, app: Any) -> dict[str, float]:
    whole = await _whole(rounds, {"by hand": Caller(by_hand, work), "ours": Caller(app, work)}, 1)
    return {**us, "two events sent, two deadlines kept, the line from one step to the next": whole["ours"] - sum(us.values()), **whole}


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(int(sys.argv[1])))
    print(json.dumps({work: {step: round(us, 3) for step, us in steps.items()} for work, steps in found.items()}))


if __name__ == "__main__":
    main()
