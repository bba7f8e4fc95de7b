"""The suite of channel backends: it passes memory (tests/channels/test_memory.py), and notices each of these faults."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from shallot.channels.contract import Page, Position, Stored
from shallot.channels.memory import MemoryBackend, MemoryLink
from shallot.errors import Unavailable
from shallot.testing import BackendSuite, VirtualLoop, virtual_time
from shallot.testing.channels_aids import Cases, Recorder, case, equal, until


@pytest.fixture(autouse=True)
def on_virtual_time(monkeypatch):
    """Memory needs no real time, so what waits for something that never comes waits for all of its seconds, and is over at once."""

    def run(work):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(work)

    monkeypatch.setattr(asyncio, "run", run)


class Faulty(MemoryBackend):
    """Memory whose links have some functions of ``changes`` in place of their own; each gets the link and the original first."""

    def __init__(self, changes) -> None:
        super().__init__()
        self._changes = changes

    @asynccontextmanager
    async def connect(self, sink, /):
        async with super().connect(sink) as link:
            changed = type("Changed", (MemoryLink,), {name: self._method(name, change) for name, change in self._changes.items()})
            link.__class__ = changed
            yield link

    @staticmethod
    def _method(name, change):
        original = getattr(MemoryLink, name)

        async def method(self, *args):
            return await change(self, lambda *again: original(self, *again), *args)

        return method


async def forget_ids(link, publish, channel, data, identity, kept):
    return await publish(channel, data, identity, kept._replace(dedupe_s=0))


async def say_nothing_of_duplicates(link, publish, *args):
    return (await publish(*args))._replace(duplicate=False)


async def keep_too_much(link, publish, channel, data, identity, kept):
    return await publish(channel, data, identity, kept._replace(keep=kept.keep + 1))


async def keep_for_ever(link, publish, channel, data, identity, kept):
    return await publish(channel, data, identity, kept._replace(ttl_s=1e9))


async def fold_case(link, function, channel, *args):
    return await function(channel.lower(), *args)


async def cut_data(link, publish, channel, data, identity, kept):
    return await publish(channel, data[:8000], identity, kept)


async def fold_ids(link, publish, channel, data, identity, kept):
    return await publish(channel, data, identity.lower(), kept)


async def publish_in_silence(link, publish, *args):
    hearing, link._backend._hearing = link._backend._hearing, {}
    stored = await publish(*args)
    link._backend._hearing = hearing
    return stored


async def believe_every_id(link, read, channel, after, limit):
    if after is not None:
        shelf = link._backend.shelf(channel, link._now())
        after = after._replace(id=shelf.at(after.offset) or after.id)
    return await read(channel, after, limit)


async def say_nothing_of_gaps(link, read, *args):
    return (await read(*args))._replace(gap="")


async def forget_what_was_trimmed(link, read, channel, after, limit):
    shelf = link._backend.shelf(channel, link._now())
    shelf.trimmed = shelf.trimmed._replace(id="")
    return await read(channel, after, limit)


async def one_more(link, read, channel, after, limit):
    return await read(channel, after, limit + 1)


async def newest_first(link, read, *args):
    page = await read(*args)
    return Page(page.head, list(reversed(page.entries)), page.gap)


async def include_before(link, recent, channel, before, limit):
    return await recent(channel, before and before + 1, limit)


async def attach_later(link, attach, channels):
    heads = await link.heads(channels)
    asyncio.get_running_loop().call_later(0.005, link._backend.hear, channels[0], link)
    link.attached.update(channels)
    return heads


async def attach_one(link, attach, channels):
    return {**await link.heads(channels), **await attach(channels[:1])}


async def never_die(link, lease, node, ttl_s):
    return await lease(node, max(ttl_s, 3600.0))


async def leave_in_silence(link, leave, channel, node, members):
    link._backend.remove(channel, node, members)


async def leave_loudly(link, leave, channel, node, members):
    await leave(channel, node, members)
    for member in members:
        link.sink.left(channel, node, member)


async def one_member_per_channel(link, members, channel):
    return (await members(channel))[:1]


async def swallow(link, ping):
    try:
        await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        raise KeyError("swallowed") from None


async def leave_a_task(link, ping):
    link.task = asyncio.create_task(asyncio.sleep(3600))


async def new_epoch(link, publish, channel, *args):
    stored = await publish(channel, *args)
    shelf = link._backend._shelves[channel]
    shelf.head = shelf.head._replace(epoch=f"e{shelf.head.offset}")
    return stored


async def restart_numbers(link, publish, channel, *args):
    stored = await publish(channel, *args)
    return Stored(Position(stored.position.epoch, 1, stored.position.id), stored.duplicate)


@pytest.mark.parametrize(
    ("noticed_by", "changes"),
    [
        pytest.param("test_a_repeated_id_is_stored_once", {"publish": forget_ids}, id="forget-ids"),
        pytest.param("test_a_repeated_id_is_stored_once_at_the_same_time", {"publish": forget_ids}, id="forget-ids-at-once"),
        pytest.param("test_a_repeated_id_is_heard_once", {"publish": say_nothing_of_duplicates}, id="say-nothing-of-duplicates"),
        pytest.param("test_trimmed_by_count", {"publish": keep_too_much}, id="keep-too-much"),
        pytest.param("test_trimmed_by_age", {"publish": keep_for_ever}, id="keep-for-ever"),
        pytest.param("test_keeping_none_still_verifies_the_newest", {"read": say_nothing_of_gaps}, id="keep-none"),
        pytest.param("test_names_do_not_meet", {"publish": fold_case, "read": fold_case}, id="fold-case"),
        pytest.param("test_payloads", {"publish": cut_data}, id="cut-data"),
        pytest.param("test_ids_of_any_text", {"publish": fold_ids}, id="fold-ids"),
        pytest.param("test_what_is_published_after_attach_is_told", {"publish": publish_in_silence}, id="publish-in-silence"),
        pytest.param("test_all_links_are_told_in_order", {"publish": publish_in_silence}, id="publish-in-silence-to-all"),
        pytest.param("test_positions_that_do_not_hold", {"read": believe_every_id}, id="believe-every-id"),
        pytest.param("test_cursors_that_do_not_hold", {"read": believe_every_id}, id="believe-every-cursor"),
        pytest.param("test_nothing_is_missing_after_the_last_that_was_trimmed", {"read": forget_what_was_trimmed}, id="forget-what-was-trimmed"),
        pytest.param("test_pages", {"read": one_more}, id="one-more"),
        pytest.param("test_positions_that_hold", {"read": newest_first}, id="newest-first"),
        pytest.param("test_recent", {"recent": include_before}, id="include-before"),
        pytest.param("test_history", {"recent": newest_first}, id="newest-first-in-history"),
        pytest.param("test_what_is_published_after_attach_is_told", {"attach": attach_later}, id="attach-later"),
        pytest.param("test_a_thousand_channels", {"attach": attach_one}, id="attach-one"),
        pytest.param("test_leases", {"lease": never_die}, id="never-die"),
        pytest.param("test_members", {"leave": leave_in_silence}, id="leave-in-silence"),
        pytest.param("test_members", {"leave": leave_loudly}, id="leave-loudly"),
        pytest.param("test_members", {"members": one_member_per_channel}, id="one-member"),
        pytest.param("test_members_of_a_dead_node_are_gone", {"lease": never_die}, id="dead-members-stay"),
        pytest.param("test_cancelled_at_every_await", {"ping": swallow}, id="swallow-the-cancellation"),
        pytest.param("test_ping", {"ping": leave_a_task}, id="leave-a-task"),
        pytest.param("test_links_come_and_go", {"publish": new_epoch}, id="new-epochs"),
        pytest.param("test_positions_rise", {"publish": restart_numbers}, id="the-same-number"),
        pytest.param("test_numbers_are_given_once", {"read": newest_first}, id="out-of-order"),
        pytest.param("test_a_cursor_that_holds", {"read": newest_first}, id="recovered-out-of-order"),
    ],
)
def test_a_fault_is_noticed(noticed_by, changes):
    backend = Faulty(changes)

    class Suite(BackendSuite):
        rounds = 10

        def make(self):
            return backend

    with pytest.raises((AssertionError, TimeoutError, Unavailable)):
        getattr(Suite(), noticed_by)()


def test_no_part_hides_a_case_of_another():
    names = [name for part in BackendSuite.__mro__ for name in vars(part) if name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)


async def leave_members(link, leave, channel, node, members):
    """It keeps them."""


def test_a_node_that_is_never_empty_is_noticed():
    backend = Faulty({"leave": leave_members})

    class Suite(BackendSuite):
        def make(self):
            return backend

    with pytest.raises(TimeoutError):
        Suite().test_subscriptions_cancelled_at_every_await()


def test_hints_are_news_too():
    async def hint(link, publish, channel, *args):
        stored = await publish_in_silence(link, publish, channel, *args)
        for one in link._backend._hearing.get(channel, ()):
            one.sink.hint(channel)
        return stored

    backend = Faulty({"publish": hint})

    class Suite(BackendSuite):
        rounds = 10

        def make(self):
            return backend

    for name in ("test_all_links_are_told_in_order", "test_what_is_published_after_attach_is_told", "test_what_follows_a_subscribe_is_heard"):
        getattr(Suite(), name)()


# ---- the aids


def test_a_suite_says_what_it_needs():
    with pytest.raises(TypeError, match=r"^BackendSuite: def make\(self\) -> Backend"):
        Cases().make()


def test_values_that_differ_are_shown():
    equal([1], [1])
    with pytest.raises(AssertionError, match=r"^got: 1, expected 2$"):
        equal(1, 2)
    with pytest.raises(AssertionError, match=r"^data: b'x{100}"):
        equal(b"x" * 1000, b"", "data")


@virtual_time
async def test_until_says_what_it_waited_for():
    with pytest.raises(AssertionError, match=r"^not within 0.01 s: the end$"):
        await until(lambda: False, "the end", 0.01)


def test_a_case_has_a_deadline():
    class Slow:
        deadline_s = 0.01

        @case
        async def test(self):
            """It takes too long."""
            await asyncio.sleep(3600)

    assert Slow.test.__doc__ == "It takes too long."
    with pytest.raises(TimeoutError):
        Slow().test()


def test_a_recorder_remembers():
    ears = Recorder()
    ears.lost(None)
    ears.hint("a")
    assert (ears.losses, ears.told("a"), ears.told("b")) == ([None], True, False)


def test_a_backend_whose_offsets_have_holes_passes_too():
    class Sparse(MemoryBackend):
        caps = MemoryBackend.caps._replace(contiguous=False)

    backend = Sparse()

    class Suite(BackendSuite):
        def make(self):
            return backend

    Suite().test_positions_rise()
    Suite().test_cursors_that_do_not_hold()
