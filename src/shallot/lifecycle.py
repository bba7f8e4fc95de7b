"""An app's life: resources entered in order, on_start; conversations drained, on_stop, resources left in reverse. Knows no request and no route."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import Context
from inspect import isawaitable
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from .deadline import within
from .errors import Unavailable
from .options import is_manager
from .types import Handler, Receive, ResourceEffect, RunInThread, Scope, Send
from .websocket.table import EffectTable

__all__ = ["Lifecycle", "Plan", "live"]

log = logging.getLogger("shallot")

Kinds: TypeAlias = Mapping[str, ResourceEffect]
State = Literal["new", "starting", "running", "stopping", "stopped", "failed"]
CAN_START = frozenset({"new", "stopped", "failed"})


class Plan(NamedTuple):
    """What an app's life is made of."""

    resources: Mapping[str, Any]
    on_start: Handler | None
    on_stop: Handler | None
    table: EffectTable
    drain: Callable[[float], Awaitable[None]]
    run_in_thread: RunInThread
    close_threads: Callable[[], None]
    shutdown_s: float
    """For each of: the draining, on_stop, and the leaving of a resource."""


@asynccontextmanager
async def live(plan: Plan, scope: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """One life, in the task that enters it: gives the config. Whatever fails, all that was begun is ended, each step within ``shutdown_s``."""
    config: dict[str, Any] = {}
    context = {**scope, "config": config, "run_in_thread": plan.run_in_thread}
    async with AsyncExitStack() as stack:
        stack.callback(plan.close_threads)
        for name, resource in plan.resources.items():
            manager = await _open(name, resource, config)
            value = await manager.__aenter__()
            stack.push_async_exit(_leaving(manager, plan.shutdown_s))
            config[name] = value
            effects: Any = getattr(value, "effects", None)
            if isinstance(effects, Mapping):
                plan.table.add(cast(Kinds, effects), where=f"resource {name!r}")
                stack.callback(plan.table.remove, cast(Kinds, effects))
        if plan.on_start is not None:
            _join(config, await plan.on_start(context))
        if plan.on_stop is not None:
            stack.push_async_callback(_stop, plan.on_stop, context, plan.shutdown_s)
        stack.push_async_callback(plan.drain, plan.shutdown_s)
        yield config


async def _open(name: str, resource: Any, config: Mapping[str, Any]) -> AbstractAsyncContextManager[Any]:
    """``resource`` itself, or what it gives when it is called with a copy of the config so far."""
    manager = resource
    if not is_manager(resource):
        manager = resource(dict(config))
        if isawaitable(manager):
            manager = await manager
    if not is_manager(manager):
        raise TypeError(f"resource {name!r}: expected an async context manager, got {type(manager).__name__}; decorate the function with @asynccontextmanager")
    opened: AbstractAsyncContextManager[Any] = manager
    return opened


def _leaving(manager: AbstractAsyncContextManager[Any], seconds: float) -> Callable[..., Awaitable[None]]:
    async def leave(*error: Any) -> None:
        await within(seconds, _exit(manager, *error))

    return leave


async def _exit(manager: AbstractAsyncContextManager[Any], *error: Any) -> None:
    """A resource sees what ended its life, but cannot make it unhappen."""
    await manager.__aexit__(*error)


async def _stop(on_stop: Handler, context: Any, seconds: float) -> None:
    await within(seconds, on_stop(context))


def _join(config: dict[str, Any], given: object) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise TypeError(f"on_start returned {type(given).__name__}; expected a dict that joins the config, or None")
    joining = cast("Mapping[str, Any]", given)
    if taken := sorted(joining.keys() & config.keys()):
        raise ValueError(f"on_start gave {', '.join(taken)}, which is the name of a resource; choose another name")
    config.update(joining)


class Lifecycle:
    """Where an app stands between start and stop. One app may live several lives, one after the other.

    ``config`` is what the resources and ``on_start`` gave, shared by all requests of a life; ``None`` while requests have to ask ``admit``.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._changed = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self.state: State = "new"
        nothing_to_start = not plan.resources and plan.on_start is None
        self.config: Mapping[str, Any] | None = {} if nothing_to_start else None

    async def admit(self) -> Mapping[str, Any]:
        """The config, as soon as there is one; ``Unavailable`` where there will be none: after a failed start, and from the shutdown on.

        Where a request comes before any lifespan, the server has none: then start-up runs now, in a task of its own that keeps the resources.
        """
        if self.state == "new":
            log.warning("the server speaks no lifespan: starting at the first request; on_stop will not run and resources are not left")
            self._turn("starting")
            self._owner = asyncio.create_task(self._own(), context=Context())
        while self.state == "starting":
            await self._changed.wait()
        if self.config is None:
            raise Unavailable("the app's start failed" if self.state == "failed" else "the app is shutting down")
        return self.config

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's lifespan protocol. A failure is told to the server and to the log, and raised."""
        await receive()  # lifespan.startup
        phase = "startup"
        try:
            if self.state not in CAN_START:
                raise RuntimeError(f"the app is {self.state} already; give each server an app of its own")
            self._turn("starting")
            async with self._alive(scope):
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()  # lifespan.shutdown
        except Exception as error:
            log.error("the app's %s failed", phase, exc_info=error)
            await send({"type": f"lifespan.{phase}.failed", "message": f"{type(error).__name__}: {error}"[:200]})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _alive(self, scope: Mapping[str, Any]) -> AsyncGenerator[None, None]:
        try:
            async with live(self._plan, scope) as config:
                self.config = config
                self._turn("running")
                try:
                    yield
                finally:
                    self._turn("stopping")
        finally:
            self._turn("failed" if self.state == "starting" else "stopped")

    async def _own(self) -> None:
        try:
            async with self._alive({"type": "lifespan", "asgi": {"version": "3.0"}}):
                await asyncio.Event().wait()  # nobody tells the end; the loop cancels what it still has
        except Exception:
            log.exception("the app's startup failed; until a restart each request is answered with 503")
        except asyncio.CancelledError:
            self._turn("new")  # another loop may begin again
            raise

    def _turn(self, state: State) -> None:
        self.state = state
        if state != "running":
            self.config = None
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
