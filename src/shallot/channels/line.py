"""The line to the backend: one link after the other, each made when the last one broke. Whoever asks waits for a link, and asks again on the next one."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from random import uniform
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from ..deadline import DeadlinePassed, within
from ..errors import Unavailable
from .contract import CALL_S, CONNECT_S, LEAVE_S, Backend, Entry, Link, LinkLost, Present, Sink, is_refusal

__all__ = ["PAUSES_S", "REFUSED_S", "SILENCE_S", "STALE_S", "Duty", "Line", "News", "unless_refused"]

log = logging.getLogger("shallot.channels")

T = TypeVar("T")

Duty: TypeAlias = Callable[[Link], Coroutine[Any, Any, None]]
"""What is done for as long as a link holds, in a task of its own."""

PAUSES_S = 0.05, 2.0
"""The first and the longest pause before connecting again; each is twice the last one, and somewhere between its half and its whole."""
SILENCE_S = 1.0
"""After so long without a word from the backend it is asked for one."""
REFUSED_S = 2.0
"""The longest pause before a duty is tried again that the backend has refused."""
STALE_S = 1.0
"""So long a link may be missing, or owe an answer, before readers are told."""


async def unless_refused(work: Coroutine[Any, Any, None], otherwise: str) -> None:
    """Await ``work``; where the backend refuses it, that is noted, with what is so ``otherwise``, and the link stays."""
    try:
        await work
    except Unavailable as error:
        if not is_refusal(error):
            raise
        log.debug("%s: %s", otherwise, error)


class News(Sink, Protocol):
    """Who hears what links tell."""

    def stale(self) -> None: ...

    def fresh(self) -> None: ...


class Line:
    """Keeps a link to ``backend``. ``run`` is its life; ``ask`` uses it."""

    def __init__(self, backend: Backend, news: News, duties: Sequence[Duty]) -> None:
        self._backend = backend
        self._news = news
        self._duties = duties
        self._link: Link | None = None
        self._changed = asyncio.Event()
        self.failure: BaseException | None = None
        self._stale: asyncio.TimerHandle | None = None
        self.ears: Ears | None = None
        self._is_over = False
        self._is_sound = False
        """Has the last link brought everything back?"""
        self.links = 0
        """How many links there were."""

    # ---- use

    async def ask(self, use: Callable[[Link], Coroutine[Any, Any, T]], seconds: float) -> T:
        """What ``use(link)`` gives, on the first link that lives long enough; ``Unavailable`` after ``seconds``, or at once where the backend refuses."""
        time = asyncio.get_running_loop().time
        until = time() + seconds
        while True:
            link = await self._wait_for_link(until - time())
            left = until - time()
            try:
                return await within(min(CALL_S, left), use(link))
            except DeadlinePassed as error:
                if left < CALL_S:
                    raise Unavailable(f"the channels' backend gave no answer within {seconds:g} s") from error
                self.lose(link, error)
            except Exception as error:
                if isinstance(error, (ValueError, TypeError)) or is_refusal(error):
                    raise
                self.lose(link, error)

    def lose(self, link: Link, error: BaseException) -> None:
        """``link`` is of no use any more."""
        if link is self._link and self.ears is not None:
            self.ears.lost(error)

    @property
    def holds(self) -> bool:
        """Is there a link, as far as anybody knows?"""
        return self.ears is not None and not self.ears.end.done()  # else broken, and not yet put away

    async def _wait_for_link(self, seconds: float) -> Link:
        try:
            async with asyncio.timeout(seconds):
                while self._link is None or not self.holds:
                    if self._is_over:
                        raise Unavailable("the channels have ended")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise Unavailable(f"the channels' backend cannot be reached: {self.failure!r}") from error
        return self._link

    # ---- life

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        first, longest = PAUSES_S
        pause = first
        while True:
            try:
                await self._live()
            except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
                if self._is_over:
                    return
                if isinstance(error, asyncio.CancelledError) and task.cancelling():
                    raise
                while task.cancelling():  # by a task group that fell: Python 3.11 forgets to take that back
                    task.uncancel()
                reasons = _leaves(error)  # of a cancellation that nobody asked for, a task group of the backend's kept the reason
                self.failure = reasons[0]
                pause = first if self._is_sound else min(2 * pause, longest)
                is_news = any(not isinstance(reason, (Unavailable, OSError, asyncio.CancelledError)) for reason in reasons)
                log.warning("the link to the channels' backend is lost: %r; trying again", self.failure, exc_info=error if is_news else None)
            finally:
                self._drop()
            await asyncio.sleep(uniform(pause / 2, pause))

    def end(self) -> None:
        """Whatever goes wrong from now on is the end of it, and whoever waits for a link waits in vain."""
        self._is_over = True
        self._changed.set()

    async def _live(self) -> None:
        """One link, from its making to its end, which is always an exception."""
        self._is_sound = False
        ears = Ears(self._news)
        manager = self._backend.connect(ears)
        link = await within(CONNECT_S, _enter(manager))
        try:
            self._link, self.ears = link, ears
            self.links += 1
            self._changed.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(link, ears))
                for duty in self._duties:
                    tasks.create_task(_do(duty, link))
        finally:
            ears.open = False
            await within(LEAVE_S, _leave(manager, *sys.exc_info()))

    async def _listen(self, link: Link, ears: Ears) -> None:
        """Returns never: the link's end is raised."""
        silent = 0
        while True:
            ears.heard = False
            await asyncio.wait([ears.end], timeout=SILENCE_S / 2)
            if ears.end.done():
                raise LinkLost("the link broke") from ears.end.result()
            silent = 0 if ears.heard or self._backend.caps.local else silent + 1
            if silent >= 2:
                silent = 0
                await self._ping(link)

    async def _ping(self, link: Link) -> None:
        """Readers need not wait for the deadline to hear that there is no word from the backend."""
        was_fresh = self._stale is None
        self._expect()
        await within(CALL_S, link.ping())
        if was_fresh:
            self._news.fresh()

    def _expect(self) -> None:
        if self._stale is None:
            self._stale = asyncio.get_running_loop().call_later(STALE_S, self._news.stale)

    def _drop(self) -> None:
        if self._link is not None:
            self._link = self.ears = None
            self._expect()

    def fresh(self) -> None:
        """All is as it was before the last link broke."""
        self._is_sound = True
        if self._stale is not None:
            self._stale.cancel()
            self._stale = None


class Ears:
    """The sink of one link: what it tells after its end is not heard."""

    def __init__(self, news: Sink) -> None:
        self._news = news
        self.end: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.open = True
        self.heard = False

    def message(self, channel: str, epoch: str, entry: Entry) -> None:
        self.heard = True
        if self.open:
            self._news.message(channel, epoch, entry)

    def hint(self, channel: str) -> None:
        self.heard = True
        if self.open:
            self._news.hint(channel)

    def joined(self, channel: str, present: Present) -> None:
        if self.open:
            self._news.joined(channel, present)

    def left(self, channel: str, node: str, member: str) -> None:
        if self.open:
            self._news.left(channel, node, member)

    def lost(self, error: BaseException | None) -> None:
        if not self.end.done():
            self.end.set_result(error)


async def _do(duty: Duty, link: Link) -> None:
    """``duty``, once more after each refusal: the link is as good as any."""
    while True:
        try:
            return await duty(link)
        except Unavailable as error:
            if not is_refusal(error):
                raise
            log.warning("the channels' backend refuses what keeps them going: %s; trying again", error)
            await asyncio.sleep(uniform(REFUSED_S / 2, REFUSED_S))


async def _enter(manager: AbstractAsyncContextManager[Link]) -> Link:
    return await manager.__aenter__()


async def _leave(manager: AbstractAsyncContextManager[Link], *error: Any) -> None:
    """Errors cannot be swallowed there: a link's end is always one."""
    await manager.__aexit__(*error)


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group of groups."""
    inside: Sequence[BaseException] = getattr(error, "exceptions", ())
    return [leaf for one in inside for leaf in _leaves(one)] or [error]
