from __future__ import annotations

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.errors import EffectRefused
from shallot.websocket.mailbox import ClientQueue, SharedMailbox


class Given:
    """A source that says what it is told to."""

    done = False

    def __init__(self):
        self.messages = deque()
        self.closed = 0

    def open(self, wake, bound):
        self.wake, self.bound = wake, bound

    def say(self, *messages):
        self.messages.extend(messages)
        self.wake()

    def take(self):
        return self.messages.popleft() if self.messages else None

    async def close(self):
        self.closed += 1


def a_mailbox(opened=None):
    return SharedMailbox(ClientQueue(3, 10), on_open=(lambda: opened.append(1)) if opened is not None else lambda: None)


def drain(mailbox):
    messages = []
    while (message := mailbox.take()) is not None:
        messages.append(message)
    return messages


def test_the_clients_queue_is_full_by_count_or_by_bytes():
    queue = ClientQueue(3, 10)
    for expected in (False, False, True):
        queue.put("a", 1)
        assert queue.full is expected
    assert queue.take() == "a" and not queue.full
    queue.put("b", 9)
    assert queue.full
    assert queue.discard() == 3 and not queue.full
    assert queue.take() is None


@pytest.mark.parametrize("emptied", [ClientQueue.take, ClientQueue.discard])
def test_bytes_alone_make_it_full_and_going_they_make_room(emptied):
    queue = ClientQueue(100, 10)
    assert queue.full_since is None and len(queue) == 0
    for _ in range(3):
        queue.put("a" * 9, 9)
        assert not queue.full and len(queue) == 1
        queue.put("b", 1)
        assert queue.full and len(queue) == 2
        while len(queue):
            emptied(queue)
        assert not queue.full


async def test_what_waited_under_a_key_that_was_closed_is_not_expected_of_the_next_source_there():
    class Reluctant(Given):
        def take(self):
            raise AssertionError("asked, though it never woke anybody")

    mailbox, source = a_mailbox(), Given()
    mailbox.open("s", source, 1)
    source.say("x")
    await mailbox.close("s")
    source.wake()
    mailbox.open("s", Reluctant(), 1)
    assert mailbox.take() is None


async def test_whoever_waits_is_told_that_the_client_has_left():
    mailbox = a_mailbox()
    waiting = mailbox.wait()
    mailbox.hush()
    assert waiting.done()


async def test_nothing_joins_what_is_shut_and_every_source_is_closed():
    mailbox, sources = a_mailbox(), [Given(), Given()]
    for key, source in enumerate(sources):
        mailbox.open(key, source, 1)
    for closing in mailbox.shut():
        await closing
        with pytest.raises(EffectRefused, match="nothing can join"):
            mailbox.open("late", Given(), 1)
    assert [source.closed for source in sources] == [1, 1]
    mailbox.stir()


async def test_whoever_waits_for_room_is_told_when_there_is_some():
    for make_room in (ClientQueue.take, ClientQueue.discard):
        queue = ClientQueue(1, 10)
        queue.put("a", 1)
        waiting = asyncio.ensure_future(queue.until_room(7.0))
        await asyncio.sleep(0)
        assert queue.full_since == 7.0 and not waiting.done()
        make_room(queue)
        await waiting
        make_room(queue)
        assert queue.full_since is None


def test_nobody_is_served_twice_while_another_waits():
    opened = []
    mailbox, a, b = a_mailbox(opened), Given(), Given()
    mailbox.open("a", a, 7)
    mailbox.open("b", b, 7)
    assert opened == [1, 1] and a.bound == 7 and mailbox.shared and mailbox.is_open("a")
    a.say("a1", "a2", "a3")
    b.say("b1")
    mailbox.put("c1", 2)
    mailbox.put("c2", 2)
    assert drain(mailbox) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_who_comes_first_twice_is_not_served_twice():
    mailbox, a, b = a_mailbox(), Given(), Given()
    mailbox.open("a", a, 7)
    mailbox.open("b", b, 7)
    a.say("a1", "a2")
    b.say("b1", "b2")
    b.wake(first=True)
    b.wake(first=True)
    assert drain(mailbox) == ["b1", "a1", "b2", "a2"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=30))
def test_each_source_in_its_order_and_all_of_it(turns):
    mailbox, sources, said = a_mailbox(), {}, {}
    for name in "abc":
        sources[name] = Given()
        mailbox.open(name, sources[name], 1)
    served = []
    for name, takes in turns:
        message = (name, len(said.setdefault(name, [])))
        said[name].append(message)
        sources[name].say(message)
        served += [message for _ in range(takes) if (message := mailbox.take()) is not None]
    served += drain(mailbox)
    assert {name: [message for message in served if message[0] == name] for name in said} == said


async def test_waiting_ends_when_something_comes():
    mailbox, source = a_mailbox(), Given()
    mailbox.open("s", source, 1)
    waiting = asyncio.ensure_future(mailbox.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    source.say("x")
    source.wake()  # a second time changes nothing
    await waiting
    assert drain(mailbox) == ["x"]


async def test_closing_a_source_drops_what_it_has_not_delivered():
    mailbox, source, other = a_mailbox(), Given(), Given()
    mailbox.open("s", source, 1)
    mailbox.open("o", other, 1)
    source.say("x")
    await mailbox.close("s")
    await mailbox.close("s")
    source.wake()
    other.say("y")
    assert drain(mailbox) == ["y"] and source.closed == 1
    await mailbox.close("o")
    assert not mailbox.shared


async def test_a_closed_source_may_have_nothing_waiting():
    mailbox, source = a_mailbox(), Given()
    mailbox.open("s", source, 1)
    await mailbox.close("s")
    assert source.closed == 1


def test_a_key_is_open_once():
    mailbox = a_mailbox()
    mailbox.open("s", Given(), 1)
    with pytest.raises(ValueError, match="a source under 's' already"):
        mailbox.open("s", Given(), 1)


async def test_a_source_too_many_is_refused_until_another_ends():
    opened = []
    mailbox = SharedMailbox(ClientQueue(3, 10), lambda: opened.append(1), max_sources=2)
    for key in "ab":
        mailbox.open(key, Given(), 1)
    with pytest.raises(EffectRefused, match="hears 2 sources already; end one first, or raise the limit max_sources"):
        mailbox.open("c", Given(), 1)
    assert (mailbox.is_open("c"), len(opened)) == (False, 2)
    await mailbox.close("a")
    mailbox.open("c", Given(), 1)
    for closing in mailbox.shut():
        await closing


def test_a_source_that_is_done_is_forgotten():
    mailbox, source = a_mailbox(), Given()
    mailbox.open("s", source, 1)
    source.done = True
    source.say("last", "never")
    assert drain(mailbox) == ["last"]
    assert not mailbox.is_open("s")


def test_when_the_client_has_left_only_its_own_messages_are_left():
    mailbox, source = a_mailbox(), Given()
    mailbox.open("s", source, 1)
    source.say("s1")
    mailbox.put("c1", 1)
    mailbox.put("c2", 1)
    mailbox.hush()
    source.say("s2")
    assert drain(mailbox) == ["c1", "c2"]
    with pytest.raises(EffectRefused, match="nothing can join"):
        mailbox.open("t", Given(), 1)


def test_a_source_that_knows_that_it_has_nothing_is_not_asked_until_it_wakes():
    class Telling(Given):
        asked = 0

        @property
        def idle(self):
            return not self.messages

        def take(self):
            self.asked += 1
            return super().take()

    mailbox, source = a_mailbox(), Telling()
    mailbox.open("t", source, 1)
    source.say(1, 2)
    assert drain(mailbox) == [1, 2] and source.asked == 2
    source.say(3)
    assert drain(mailbox) == [3] and source.asked == 3


async def test_what_must_be_heard_first_overtakes_once_and_nothing_after_the_end():
    mailbox, a, b = a_mailbox(), Given(), Given()
    mailbox.open("a", a, 1)
    mailbox.open("b", b, 1)
    a.say("a1", "a2")
    b.messages.extend(["b1", "b2"])
    b.wake(True)
    assert drain(mailbox) == ["b1", "a1", "b2", "a2"]
    mailbox.hush()
    b.messages.append("late")
    b.wake(True)
    assert mailbox.take() is None


async def test_whoever_gave_up_waiting_is_not_woken():
    mailbox = a_mailbox()
    mailbox.wait().cancel()
    mailbox.put("said", 4)
    waiting = mailbox.wait()
    mailbox.put("more", 4)
    mailbox.stir()
    assert waiting.done() and len(mailbox.client) == 2 and drain(mailbox) == ["said", "more"]


async def test_what_could_not_be_opened_is_not_there():
    class Broken(Given):
        def open(self, wake, bound):
            wake()
            raise LookupError("no such queue")

    mailbox = a_mailbox()
    with pytest.raises(LookupError):
        mailbox.open("k", Broken(), 1)
    assert not mailbox.is_open("k") and mailbox.take() is None
    mailbox.open("k", Given(), 1)
    assert mailbox.is_open("k")


def test_a_source_that_speaks_up_while_it_is_asked_stands_in_line_once():
    class Eager(Given):
        def take(self):
            message = super().take()
            if self.messages:
                self.wake(True)
            return message

    mailbox, eager, other = a_mailbox(), Eager(), Given()
    mailbox.open("eager", eager, 1)
    mailbox.open("other", other, 1)
    other.say("o1", "o2")
    eager.say("e1", "e2")
    assert drain(mailbox) == ["o1", "e1", "e2", "o2"]


def test_who_spoke_up_once_is_not_served_twice_ever_after():
    class Eager(Given):
        def take(self):
            message = super().take()
            if message == "e1":
                self.wake(True)
            return message

    mailbox, eager, other = a_mailbox(), Eager(), Given()
    mailbox.open("eager", eager, 1)
    mailbox.open("other", other, 1)
    other.say("o1", "o2", "o3")
    eager.say("e1", "e2", "e3", "e4")
    assert drain(mailbox) == ["o1", "e1", "e2", "o2", "e3", "o3", "e4"]
