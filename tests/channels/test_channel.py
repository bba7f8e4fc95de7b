"""shallot.channels.channel: what is told goes into the log in order and without holes, or is read; doubt is settled by the backend."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from shallot.channels.channel import GATHER_S, MAX_EARLY, PAGE, Channel
from shallot.channels.contract import Entry, Page, Position
from shallot.channels.reader import Reader
from shallot.channels.topics import Topic
from shallot.errors import Unavailable
from shallot.testing import virtual_time

E = "e"


def entry(offset: int, identity: str = "") -> Entry:
    return Entry(offset, identity or f"id{offset}", b"%d" % offset)


def entries(*offsets: int) -> list[Entry]:
    return [entry(offset) for offset in offsets]


def at(offset: int, epoch: str = E, identity: str = "") -> Position:
    return Position(epoch, offset, identity or (f"id{offset}" if offset else ""))


class Post:
    """A node as a channel sees it. What is read comes from ``pages``, one after the other."""

    def __init__(self, *, contiguous: bool = True) -> None:
        self.contiguous = contiguous
        self.counters = Counter()
        self.now = asyncio.get_running_loop().time
        self.pages: list[Page | Exception] = []
        self.asked: list[Position | None] = []
        self.released: list[Channel] = []
        self.departed: list[tuple[str, str]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def read(self, channel, after):
        self.asked.append(after)
        await asyncio.sleep(0.01)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page

    def spawn(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def release(self, channel):
        self.released.append(channel)

    def depart(self, channel, member):
        self.departed.append((channel, member))


def opened(head: int = 0, *, contiguous: bool = True, **settings) -> tuple[Post, Channel, Reader]:
    """A channel that is attached at ``head``, with a reader."""
    post = Post(contiguous=contiguous)
    channel = Channel("c", Topic(**settings), post)
    channel.attached(at(head))
    channel.open()
    return post, channel, listen(channel)


def listen(channel: Channel, slow="close", batch=0) -> Reader:
    reader = Reader(channel, channel.tail, slow=slow, batch=batch, gap=None)
    reader.open(lambda first=False: None, 1)
    channel.enter(reader)
    return reader


def heard(reader: Reader) -> list[object]:
    """Data, gaps as (reason, missed, cursor), other words by their kind."""
    said = []
    while (message := reader.take()) is not None:
        said.append(message.get("data", (message.get("reason"), message.get("missed"), message.get("cursor")) if "reason" in message else message["type"]))
    return said


@virtual_time
async def test_what_is_told_in_order_needs_no_read():
    post, channel, reader = opened()
    for offset in (1, 2, 3):
        channel.message(E, entry(offset))
    assert heard(reader) == [1, 2, 3]
    assert post.asked == []


@virtual_time
async def test_repeats_are_dropped():
    post, channel, reader = opened()
    for offset in (1, 2, 2, 1, 3):
        channel.message(E, entry(offset))
    assert heard(reader) == [1, 2, 3]
    assert (post.asked, post.counters["repeats"]) == ([], 2)


@virtual_time
async def test_a_hole_is_read():
    post, channel, reader = opened(1)
    post.pages = [Page(at(4), entries(2, 3, 4))]
    channel.message(E, entry(4))
    channel.message(E, entry(5))
    assert heard(reader) == []
    await asyncio.sleep(1)
    assert heard(reader) == [2, 3, 4, 5]
    assert post.asked == [at(1)]


@virtual_time
async def test_a_full_page_is_followed_by_another():
    post, channel, reader = opened()
    post.pages = [Page(at(PAGE + 2), entries(*range(1, PAGE + 1))), Page(at(PAGE + 2), entries(PAGE + 1, PAGE + 2))]
    channel.look()
    await channel.caught_up()
    assert heard(reader) == list(range(1, PAGE + 3))
    assert post.asked == [at(0), at(PAGE)]


@virtual_time
async def test_what_is_asked_for_during_a_read_is_read_after_it():
    post, channel, reader = opened()
    post.pages = [Page(at(1), entries(1)), Page(at(2), entries(2))]
    channel.look()
    await asyncio.sleep(0.005)
    await channel.caught_up()
    assert heard(reader) == [1, 2]
    await channel.is_settled()
    assert post.pages == []


@virtual_time
async def test_what_waits_for_a_read_is_bounded():
    post, channel, reader = opened(lag=5000)
    count = MAX_EARLY + 10
    channel.message(E, entry(2))
    for offset in range(3, count + 3):
        channel.message(E, entry(offset))
    post.pages = [Page(at(1), entries(1))]
    post.pages += [Page(at(count + 2), entries(*range(start, min(start + PAGE, count + 3)))) for start in range(2, count + 3, PAGE)]
    await channel.is_settled()
    assert heard(reader) == list(range(1, count + 3))


@virtual_time
async def test_what_is_told_before_the_backend_confirms_comes_after_its_head():
    post = Post()
    channel = Channel("c", Topic(), post)
    for offset in (6, 7):
        channel.message(E, entry(offset))
    with pytest.raises(RuntimeError, match=r"^channel 'c' is not attached$"):
        assert channel.tail
    channel.say("channel.stale")
    channel.rest()
    channel.compare(at(9), at(9))
    post.pages = [Page(at(7), entries(7))]
    channel.attached(at(6))
    await channel.is_settled()
    reader = listen(channel)
    channel.message(E, entry(8))
    assert heard(reader) == [8]
    assert channel.log.last == at(8)
    assert channel.log.find(at(6)).next.position == at(7)


@virtual_time
async def test_whoever_waits_for_the_backend_is_told_once():
    channel = Channel("c", Topic(), Post())
    waiting = asyncio.create_task(channel.ready.wait())
    channel.open()
    channel.open()
    await asyncio.wait_for(waiting, 1)
    channel.attached(at(1))
    channel.rest()
    channel.say("channel.stale")
    reader = listen(channel)
    channel.say("channel.fresh")
    assert heard(reader) == ["channel.fresh"]


@virtual_time
async def test_whoever_waits_for_a_channel_that_is_refused_waits_no_longer():
    channel = Channel("c", Topic(), Post())
    ready, error = channel.ready, Unavailable("full")
    channel.refuse(error)
    assert ready.is_set()
    assert (channel.ready, channel.refusal, channel.log) == (None, error, None)


@virtual_time
async def test_a_hint_before_the_backend_confirms_is_followed():
    post = Post()
    channel = Channel("c", Topic(), post)
    channel.look()
    assert post.asked == []
    post.pages = [Page(at(2), entries(2))]
    channel.attached(at(1))
    await channel.is_settled()
    assert channel.log.last == at(2)


@virtual_time
async def test_after_a_broken_link_nothing_is_believed_before_the_backends_head():
    """A snapshot was restored meanwhile: what comes first on the new link follows the last offset, and is another line of messages."""
    post, channel, reader = opened()
    for offset in (1, 2, 3):
        channel.message(E, entry(offset))
    assert heard(reader) == [1, 2, 3]
    channel.doubt()
    channel.doubt()
    channel.message(E, entry(4, "new4"))
    assert heard(reader) == []
    post.pages = [Page(at(4, identity="new4"), [entry(1), entry(2), entry(3, "new3"), entry(4, "new4")], "rollback")]
    channel.attached(at(4, identity="new4"))
    await channel.is_settled()
    assert heard(reader) == [("rollback", None, "e.2.id2"), 3, 4]
    assert post.counters["gaps"] == 1


@virtual_time
async def test_after_a_broken_link_the_same_head_needs_no_read():
    post, channel, reader = opened(3)
    channel.doubt()
    channel.message(E, entry(4))
    channel.attached(at(3))
    assert heard(reader) == [4]
    assert post.asked == []


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(Page(at(9), entries(7, 8, 9), "trimmed"), [("trimmed", 4, "e.6."), 7, 8, 9], id="trimmed"),
        pytest.param(Page(at(9), [], "trimmed"), [("trimmed", 7, "e.9.id9")], id="all-trimmed"),
        pytest.param(
            Page(at(2, "f"), [Entry(1, "a", b"1"), Entry(2, "id2", b"2")], "epoch"), [("epoch", None, "f.0."), 1], id="epoch-with-a-message-that-was-heard"
        ),
        pytest.param(
            Page(at(2, "f"), [Entry(1, "id1", b"1"), Entry(2, "id2", b"22")], "epoch"), [("epoch", None, "f.0."), 22], id="epoch-with-an-id-that-was-free-again"
        ),
        pytest.param(Page(Position("f", 0, ""), [], "epoch"), [("epoch", None, "f.0.")], id="epoch-empty"),
        pytest.param(Page(at(1, identity="x"), [Entry(1, "x", b"1")], "rollback"), [("rollback", None, "e.0."), 1], id="rollback-to-nothing-known"),
        pytest.param(Page(at(1), entries(1), "rollback"), [("rollback", None, "e.1.id1")], id="rollback-without-anything-new"),
        pytest.param(Page(at(1), [], "rollback"), [("rollback", None, "e.1.id1")], id="rollback-to-what-is-trimmed"),
    ],
)
def test_gaps(page, expected):
    @virtual_time
    async def run():
        post, channel, reader = opened()
        for offset in (1, 2):
            channel.message(E, entry(offset))
        assert heard(reader) == [1, 2]
        post.pages = [page]
        await channel.caught_up()
        assert heard(reader) == expected

    run()


@virtual_time
async def test_what_a_page_repeats_is_not_told_again():
    post, channel, reader = opened(1)
    post.pages = [Page(at(3), entries(2, 3)), Page(at(3), entries(2, 3))]
    await channel.caught_up()
    channel.log.control({"type": "x"}, 0.0)
    await channel.caught_up()
    assert heard(reader) == [2, 3, "x"]


@virtual_time
async def test_other_messages_under_old_offsets_are_noticed():
    post, channel, reader = opened(5)
    post.pages = [Page(at(5, identity="x"), [entry(4), entry(5, "x")], "rollback")]
    channel.message(E, entry(5, "x"))
    await channel.is_settled()
    assert heard(reader) == [("rollback", None, "e.3."), 4, 5]


@virtual_time
async def test_another_epoch_is_noticed():
    post, channel, reader = opened(5)
    post.pages = [Page(at(1, "f", "x"), [entry(1, "x")], "epoch")]
    channel.message("f", entry(1, "x"))
    await channel.is_settled()
    assert heard(reader) == [("epoch", None, "f.0."), 1]


@virtual_time
async def test_offsets_with_holes_are_believed_in_order():
    post, channel, reader = opened(10, contiguous=False)
    channel.message(E, entry(17))
    channel.message(E, entry(30))
    assert heard(reader) == [17, 30]
    post.pages = [Page(at(99), entries(80, 99), "trimmed")]
    await channel.caught_up()
    assert heard(reader) == [("trimmed", None, "e.79."), 80, 99]


@virtual_time
async def test_a_read_without_a_backend_is_left_for_the_next_link():
    post, channel, reader = opened()
    post.pages = [Unavailable("down")]
    await channel.caught_up()
    channel.message(E, entry(1))
    assert heard(reader) == []
    post.pages = [Page(at(1), entries(1))]
    channel.attached(at(1))
    await channel.is_settled()
    assert heard(reader) == [1]


@virtual_time
async def test_a_read_that_was_refused_is_done_again_by_the_audit():
    post, channel, reader = opened()
    post.pages = [Unavailable("full"), Page(at(2), entries(1, 2))]
    channel.message(E, entry(2))
    await channel.is_settled()
    channel.message(E, entry(3))
    channel.compare(at(0), at(0))
    channel.compare(at(0), at(0))
    await channel.is_settled()
    assert heard(reader) == [1, 2, 3]
    assert len(post.asked) == 2


# ---- audits


@pytest.mark.parametrize(
    ("head", "before", "looks"),
    [
        pytest.param(at(5), at(5), False, id="the-same"),
        pytest.param(at(5), at(4), False, id="arrived-since"),
        pytest.param(at(4), at(4), False, id="older-than-what-arrived"),
        pytest.param(at(6), at(5), True, id="lost"),
        pytest.param(at(4), at(5), True, id="rolled-back"),
        pytest.param(at(5, identity="x"), at(5), True, id="another-message"),
        pytest.param(at(5, "f"), at(5), True, id="another-epoch"),
        pytest.param(at(3), at(4), False, id="rolled-back-and-moved-on-which-the-next-one-sees"),
    ],
)
def test_compare(head, before, looks):
    @virtual_time
    async def run():
        post, channel, _ = opened(5)
        post.pages = [Page(at(5), [])]
        channel.compare(head, before)
        await channel.is_settled()
        assert (len(post.asked), post.counters["audits"]) == (looks, looks)

    run()


@virtual_time
async def test_nothing_is_compared_before_the_backend_confirms_or_in_doubt():
    post = Post()
    Channel("c", Topic(), post).compare(at(9), at(5))
    assert post.asked == []
    post, channel, _ = opened(5)
    post.pages = [Page(at(9), entries(6, 7, 8, 9))]
    channel.doubt()
    channel.compare(at(9), at(5))
    await channel.is_settled()
    assert post.counters["audits"] == 0


# ---- readers


@virtual_time
async def test_the_last_reader_releases_the_channel():
    post, channel, reader = opened()
    other = listen(channel)
    other.member = "ann"
    await reader.close()
    assert post.released == []
    channel.users += 1
    await other.close()
    await other.close()
    assert post.departed == [("c", "ann")]
    assert post.released == []
    channel.users -= 1
    channel.drop()
    assert post.released == [channel]


@virtual_time
async def test_batches_are_made_once():
    _, channel, _ = opened()
    one, other = listen(channel, batch=5), listen(channel, batch=5)
    for offset in (1, 2, 3):
        channel.message(E, entry(offset))
    first, second = one.take(), other.take()
    assert first == second
    assert first["items"] is second["items"]
    channel.rest()
    assert first["items"] is not channel.batch([channel.tail])["items"]


@virtual_time
async def test_I1_a_stuck_reader_is_closed_and_pins_nothing():
    _, channel, fast = opened(lag=10, keep=0)
    stuck = listen(channel)
    for offset in range(1, 1001):
        channel.message(E, entry(offset))
        assert fast.take()["data"] == offset
    assert stuck.node is None
    assert stuck.end == (1013, "too slow")


@virtual_time
async def test_skips_are_counted():
    post, channel, _ = opened(lag=10)
    listen(channel, "oldest")
    for offset in range(1, 101):
        channel.message(E, entry(offset))
    assert post.counters["skipped"] >= 90


async def test_who_enters_is_compared_with_nobody(monkeypatch):
    post = Post()
    channel = Channel("room", Topic(lag=2), post)
    channel.attached(at(0))
    looks, limit = [], Reader.limit
    monkeypatch.setattr(Reader, "limit", lambda *args: looks.append(args) or limit(*args))
    readers = [listen(channel) for _ in range(50)]
    assert len(looks) == 50
    for offset in range(1, 5):
        channel.message(E, entry(offset))
    assert all(reader.end == (1013, "too slow") for reader in readers)


@virtual_time
async def test_readers_of_batches_let_gather_what_comes_soon_after():
    _, channel, one = opened(0)
    many = listen(channel, batch=10)
    woken: list[str] = []
    for name, reader in (("one", one), ("many", many)):
        assert reader.take() is None
        reader.open(lambda first=False, name=name: woken.append(name), 1)
    channel.message(E, entry(1))
    assert woken == ["one", "many"], "the first does not wait"
    assert one.take()["data"] == 1 and [item["data"] for item in many.take()["items"]] == [1]
    for offset in (2, 3):
        channel.message(E, entry(offset))
        assert one.take()["data"] == offset
    assert woken == ["one", "many", "one", "one"]
    await asyncio.sleep(GATHER_S)
    assert woken[4:] == ["many"] and [item["data"] for item in many.take()["items"]] == [2, 3]
    await asyncio.sleep(2 * GATHER_S)
    channel.message(E, entry(4))
    channel.leave(one)
    channel.leave(many)
    await asyncio.sleep(2 * GATHER_S)
    assert woken[5:] == ["one", "many"]
