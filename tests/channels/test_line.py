"""shallot.channels.line: one link after the other, with pauses between; whoever asks waits for one, and asks again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from shallot.channels.contract import CALL_S, CONNECT_S, LEAVE_S, Caps, Entry, LinkLost, Present
from shallot.channels.line import PAUSES_S, REFUSED_S, STALE_S, Ears, Line, unless_refused
from shallot.errors import Unavailable
from shallot.testing import virtual_time
from shallot.testing.channels_aids import Recorder


class News(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.stales: list[float] = []
        self.freshes = 0

    def fresh(self) -> None:
        self.freshes += 1

    def stale(self) -> None:
        self.stales.append(asyncio.get_running_loop().time())


class Wire:
    """A backend whose links are this object itself, and whose every step can be made to fail."""

    def __init__(self, *, local: bool = False) -> None:
        self.caps = Caps(contiguous=True, local=local)
        self.connects: list[float] = []
        self.pings = 0
        self.left = 0
        self.errors: list[BaseException] = []
        self.sinks: list[Ears] = []
        self.connecting_s = self.leaving_s = self.pinging_s = 0.0
        self.swallow = False

    @asynccontextmanager
    async def connect(self, sink, /):
        self.connects.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.connecting_s)
        if self.errors:
            raise self.errors.pop(0)
        self.sinks.append(sink)
        try:
            yield self
        except BaseException:  # a link that swallows its own cancellation is what some tests are about
            if not self.swallow:
                raise
        finally:
            self.left += 1
            await asyncio.sleep(self.leaving_s)

    async def ping(self):
        self.pings += 1
        await asyncio.sleep(self.pinging_s)


@asynccontextmanager
async def running(wire: Wire, *duties):
    news = News()
    line = Line(wire, news, duties)
    task = asyncio.create_task(line.run())
    try:
        yield line, news
    finally:
        line.end()
        task.cancel()
        await asyncio.wait([task])
        line.fresh()


async def works(link):
    return link


@virtual_time
async def test_ask():
    wire = Wire()
    async with running(wire) as (line, _):
        assert await line.ask(works, 1) is wire
        assert line.links == 1
    assert wire.left == 1


@virtual_time
async def test_whoever_asks_waits_for_a_link():
    wire = Wire()
    wire.errors = [LinkLost("refused"), OSError("no route")]
    async with running(wire) as (line, _):
        assert await line.ask(works, 1) is wire


@virtual_time
async def test_whoever_asks_waits_no_longer_than_it_wants():
    wire = Wire()
    wire.errors = [OSError("no route")] * 100
    async with running(wire) as (line, _):
        with pytest.raises(Unavailable, match=r"^the channels' backend cannot be reached: OSError\('no route'\)$"):
            await line.ask(works, 3)


@virtual_time
async def test_pauses_grow_and_are_not_the_same():
    wire = Wire()
    wire.errors = [OSError("no route")] * 12
    async with running(wire) as (line, _):
        await line.ask(works, 60)
    pauses = [after - before for before, after in zip(wire.connects, wire.connects[1:], strict=False)]
    first, longest = PAUSES_S
    for number, pause in enumerate(pauses):
        whole = min(first * 2 ** (number + 1), longest)
        assert whole / 2 <= pause <= whole
    assert len(set(pauses)) == len(pauses)


@virtual_time
async def test_pauses_grow_where_links_are_made_but_are_of_no_use():
    wire, lines = Wire(), []

    async def duty(link):
        for line in lines:
            line.fresh()
        raise LinkLost("of no use")

    async with running(wire, duty) as (line, _):
        await asyncio.sleep(60)
        assert 30 < len(wire.connects) < 60
        lines.append(line)
        await asyncio.sleep(PAUSES_S[1])
        wire.connects.clear()
        await asyncio.sleep(1)
        assert 1 / PAUSES_S[0] <= len(wire.connects) <= 2 / PAUSES_S[0], "of some use"


@virtual_time
async def test_after_the_end_nobody_waits():
    wire = Wire()
    async with running(wire) as (line, _):
        await line.ask(works, 1)
        wire.errors = [OSError("no route")] * 100
        wire.sinks[0].lost(None)
        await asyncio.sleep(0.01)
        asked = asyncio.create_task(line.ask(works, 100))
        await asyncio.sleep(1)
        line.end()
        with pytest.raises(Unavailable, match="^the channels have ended$"):
            await asyncio.wait_for(asked, 0.1)
        with pytest.raises(Unavailable, match="^the channels have ended$"):
            await asyncio.wait_for(line.ask(works, 100), 0.1)


@pytest.mark.parametrize("error", [LinkLost("gone"), OSError("reset"), KeyError("a bug")], ids=repr)
def test_a_failed_call_is_made_again_on_the_next_link(error):
    @virtual_time
    async def run():
        wire, failures = Wire(), [error]

        async def use(link):
            if failures:
                raise failures.pop()
            return "done"

        async with running(wire) as (line, _):
            assert await line.ask(use, 5) == "done"
            assert line.links == 2

    run()


@pytest.mark.parametrize("error", [ValueError("yours"), TypeError("yours"), Unavailable("yours: there is no room")], ids=repr)
def test_the_callers_fault_and_a_refusal_are_its_own(error):
    @virtual_time
    async def run():
        async def use(link):
            raise error

        async with running(Wire()) as (line, _):
            with pytest.raises(type(error), match="yours"):
                await line.ask(use, 5)
            await asyncio.sleep(1)
            assert line.links == 1

    run()


@virtual_time
async def test_a_call_that_hangs_breaks_the_link():
    wire, seconds = Wire(), [3600.0, 0.0]

    async def use(link):
        await asyncio.sleep(seconds.pop(0))
        return "done"

    async with running(wire) as (line, _):
        before = asyncio.get_running_loop().time()
        assert await line.ask(use, 10) == "done"
        assert CALL_S <= asyncio.get_running_loop().time() - before < CALL_S + 1
        assert line.links == 2


@virtual_time
async def test_an_impatient_call_does_not():
    async def use(link):
        await asyncio.sleep(3600)

    async with running(Wire()) as (line, _):
        with pytest.raises(Unavailable, match=r"^the channels' backend gave no answer within 1.5 s$"):
            await line.ask(use, 1.5)
        await asyncio.sleep(5)
        assert line.links == 1


@virtual_time
async def test_two_that_fail_break_one_link():
    async with running(Wire()) as (line, _):
        link = await line.ask(works, 1)
        line.lose(link, LinkLost("one"))
        line.lose(link, LinkLost("other"))
        await asyncio.sleep(1)
        assert line.links == 2
        line.lose(object(), LinkLost("of old"))
        await asyncio.sleep(1)
        assert line.links == 2


# ---- the end of a link


@virtual_time
async def test_silence_is_asked_about():
    wire = Wire()
    async with running(wire) as (_, news):
        await asyncio.sleep(3.7)
        assert wire.pings == 3
        for _ in range(30):
            wire.sinks[0].message("c", "e", Entry(1, "x", b"1"))
            wire.sinks[0].hint("c")
            await asyncio.sleep(0.1)
        assert wire.pings == 3
        assert (len(news.messages), len(news.hints)) == (30, 30)


@virtual_time
async def test_memory_is_not_asked():
    wire = Wire(local=True)
    async with running(wire):
        await asyncio.sleep(10)
    assert wire.pings == 0


@virtual_time
async def test_a_frozen_link_is_given_up_within_three_seconds():
    wire = Wire()
    wire.pinging_s = 3600
    async with running(wire) as (line, news):
        await asyncio.sleep(3.2)
        assert line.links == 2
        assert news.stales == [pytest.approx(1002.0)], "a second after the question"


@virtual_time
async def test_stale_is_told_after_a_while_and_once():
    wire = Wire()
    async with running(wire) as (line, news):
        await line.ask(works, 1)
        wire.errors = [OSError("no route")] * 5
        now = asyncio.get_running_loop().time()
        wire.sinks[0].lost(None)
        await asyncio.sleep(60)
        assert news.stales == [pytest.approx(now + STALE_S)]
        line.fresh()
        line.fresh()


@virtual_time
async def test_what_an_old_link_tells_is_not_heard():
    wire = Wire()
    async with running(wire) as (line, news):
        await line.ask(works, 1)
        (ears,) = wire.sinks
        ears.joined("c", Present("n", "ann", b"{}"))
        ears.left("c", "n", "ann")
        ears.lost(OSError("reset"))
        ears.lost(OSError("again"))
        await asyncio.sleep(0.2)
        ears.message("c", "e", Entry(1, "x", b"1"))
        ears.hint("c")
        ears.joined("c", Present("n", "bob", b"{}"))
        ears.left("c", "n", "bob")
        assert (news.messages, news.hints, [member for _, _, member, _ in news.presence]) == ([], [], ["ann", "ann"])


@virtual_time
async def test_a_duty_that_fails_ends_the_link():
    wire, fails = Wire(), [True]

    async def duty(link):
        await asyncio.sleep(0.5)
        if fails and fails.pop():
            raise LinkLost("duty")
        await asyncio.sleep(3600)

    async with running(wire, duty) as (line, _):
        await asyncio.sleep(2)
        assert line.links == 2


@virtual_time
async def test_a_duty_that_is_refused_is_tried_again_on_the_same_link(caplog):
    refusals, begun = [Unavailable("full"), Unavailable("still full")], []

    async def duty(link):
        begun.append(asyncio.get_running_loop().time())
        if refusals:
            raise refusals.pop(0)
        await asyncio.sleep(3600)

    async with running(Wire(), duty) as (line, _):
        await asyncio.sleep(10)
        assert line.links == 1
    pauses = [after - before for before, after in pairwise(begun)]
    assert len(pauses) == 2
    assert all(REFUSED_S / 2 <= pause <= REFUSED_S for pause in pauses)
    assert "the channels' backend refuses what keeps them going: still full; trying again" in caplog.text


@pytest.mark.parametrize("swallow", [False, True], ids=["raised", "swallowed"])
def test_a_task_group_of_the_backends_that_fails_ends_the_link(swallow):
    @virtual_time
    async def run():
        class Grouped(Wire):
            @asynccontextmanager
            async def connect(self, sink, /):
                self.connects.append(asyncio.get_running_loop().time())
                try:
                    async with asyncio.TaskGroup() as tasks:
                        if len(self.connects) == 1:
                            tasks.create_task(self.fail())
                        yield self
                except* OSError:
                    if not swallow:
                        raise

            async def fail(self):
                await asyncio.sleep(0.1)
                raise OSError("reset")

        wire = Grouped()
        async with running(wire) as (line, _):
            await asyncio.sleep(2)
            assert line.links == 2

    run()


@virtual_time
async def test_whoever_cancels_it_ends_it():
    """As a loop does at its end, whose tasks have to be gone."""

    async def fail(link):
        await asyncio.sleep(0.1)
        raise LinkLost("once")

    duties = [fail]

    async def duty(link):
        await (duties.pop()(link) if duties else asyncio.sleep(3600))

    line = Line(Wire(), News(), [duty])
    task = asyncio.create_task(line.run())
    await asyncio.sleep(5)
    assert line.links == 2
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    line.fresh()


@virtual_time
async def test_connecting_and_leaving_have_deadlines():
    wire = Wire()
    wire.connecting_s = 3600
    async with running(wire) as (line, _):
        await asyncio.sleep(CONNECT_S + 0.01)
        wire.connecting_s, wire.leaving_s = 0, 3600
        await line.ask(works, 1)
        wire.sinks[0].lost(None)
        await asyncio.sleep(LEAVE_S + 0.2)
        assert line.links == 2
        wire.leaving_s = 0


@virtual_time
async def test_a_backend_that_swallows_the_end_of_its_link():
    wire = Wire()
    wire.swallow = True
    async with running(wire) as (line, _):
        await line.ask(works, 1)
        wire.sinks[0].lost(None)
        await asyncio.sleep(1)
        assert line.links == 2


@pytest.mark.parametrize(
    ("error", "is_shown"),
    [(LinkLost("x"), False), (OSError("x"), False), (KeyError("x"), True), (ExceptionGroup("", [OSError("x"), LinkLost("y")]), False)],
    ids=["lost", "os", "bug", "several"],
)
def test_the_log_shows_what_is_news(error, is_shown, caplog):
    @virtual_time
    async def run():
        wire = Wire()
        wire.errors = [error]
        async with running(wire) as (line, _):
            await line.ask(works, 1)

    with caplog.at_level(logging.WARNING, "shallot.channels"):
        run()
    (record,) = caplog.records
    assert "the link to the channels' backend is lost" in record.getMessage()
    assert bool(record.exc_info) == is_shown


async def test_what_is_refused_is_noted_and_a_lost_link_is_told(caplog):
    async def fail(error):
        raise error

    with caplog.at_level(logging.DEBUG, "shallot.channels"):
        await unless_refused(fail(Unavailable("no room")), "3 channels stay")
        with pytest.raises(LinkLost):
            await unless_refused(fail(LinkLost("gone")), "3 channels stay")
    assert [record.getMessage() for record in caplog.records] == ["3 channels stay: no room"]
