"""shallot.channels.reader: a place in the log, what it hands over, and what it does when it falls behind."""

from __future__ import annotations

import pytest

from shallot.channels.contract import Entry, Position
from shallot.channels.log import Log, batch_of
from shallot.channels.reader import Reader
from shallot.channels.topics import Topic
from shallot.errors import CloseWith


class Hall:
    """A channel as a reader sees it: no backend, no loop."""

    key = "channel", "c"
    name = "c"

    def __init__(self, **settings) -> None:
        self.topic = Topic(**settings)
        self.log = Log("c", Position("e", 0, ""), 0.0, max_count=1000, max_bytes=10**9)
        self.said = 0
        self.dropped = 0
        self.held: list[Reader] = []
        self.left: list[Reader] = []
        self.woken: list[bool] = []

    @property
    def tail(self):
        return self.log.tail

    def batch(self, nodes):
        return batch_of("c", [node.message("c") for node in nodes])

    def leave(self, reader):
        self.left.append(reader)

    def skipped(self, reader, count):
        self.dropped += count

    def hold(self, reader):
        reader.holds_up = True
        self.held.append(reader)

    def relieve(self, reader):
        reader.holds_up = False
        self.held.remove(reader)

    # ---- for the tests

    def say(self, count: int = 1, first: int | None = None) -> None:
        for _ in range(count):
            self.said += 1
            self.log.append(Entry(self.said, f"id{self.said}", b"%d" % self.said), "e", 0.0, first)

    def control(self, kind: str = "channel.joined", **words) -> None:
        self.log.control({"type": kind, **words}, 0.0)

    def reader(self, slow="close", batch=0, gap=None, node=None) -> Reader:
        reader = Reader(self, node or self.tail, slow=slow, batch=batch, gap=gap)
        reader.open(lambda first=False: self.woken.append(first), 1)
        return reader

    def overrun(self, reader: Reader) -> None:
        if reader.is_behind(self.topic.lag, self.topic.lag_bytes):
            reader.overrun()


def take(reader: Reader) -> list[object]:
    """All that waits: data, items as lists, and words of control by their kind."""
    taken = []
    while (message := reader.take()) is not None:
        match message:
            case {"items": items}:
                taken.append([item["data"] for item in items])
            case {"type": "channel.gap", "missed": missed}:
                taken.append(("gap", missed))
            case {"data": data, "missed": missed}:
                taken.append((data, missed))
            case {"data": data}:
                taken.append(data)
            case {"type": kind}:
                taken.append(kind)
    return taken


def test_each_message_once_in_order():
    hall = Hall()
    reader = hall.reader()
    hall.say(3)
    assert take(reader) == [1, 2, 3]
    hall.say()
    assert take(reader) == [4]
    assert take(reader) == []


def test_I4_what_one_reader_changes_no_other_sees():
    hall = Hall()
    one, other = hall.reader(), hall.reader()
    hall.say()
    hall.control(member={"id": "ann"})
    changed = [one.take(), one.take()]
    for message in changed:
        message["type"] = "changed"
        message.clear()
    assert take(other) == [1, "channel.joined"]


def test_it_wakes_once_until_it_has_nothing():
    hall = Hall()
    reader = hall.reader()
    assert hall.woken == []
    reader.stir()
    assert hall.woken == []
    hall.say(2)
    for _ in range(3):
        reader.stir() if reader.idle else None
    assert hall.woken == [False]
    assert take(reader) == [1, 2]
    hall.control()
    reader.stir()
    assert hall.woken == [False, True]


def test_words_of_control_are_said_to_go_first():
    hall = Hall()
    reader = hall.reader(gap={"type": "channel.gap", "missed": 1})
    assert hall.woken == [True]
    hall.say()
    hall.control()
    reader.take()
    assert hall.woken == [True]
    reader.take()
    assert hall.woken == [True, True]


def test_who_comes_back_hears_no_words_that_were_said_meanwhile():
    hall = Hall()
    start = hall.tail
    hall.say()
    hall.control()
    hall.say()
    reader = hall.reader(node=start)
    hall.control()
    assert take(reader) == [1, 2, "channel.joined"]


def test_a_repeat_is_for_those_who_have_not_had_it():
    hall = Hall()
    start = hall.tail
    had, too, batched = hall.reader(node=start), hall.reader(node=start), hall.reader(node=start, batch=10)
    hall.say()
    first = hall.tail.seq
    came_later = hall.reader()
    hall.control("channel.gap", missed=None)
    hall.say(first=first)
    hall.say()
    assert take(had) == [1, ("gap", None), 3]
    assert take(came_later) == [("gap", None), 2, 3]
    assert take(too) == [1, ("gap", None), 3], "although it is made already"
    assert take(batched) == [[1], ("gap", None), [3]]


def test_who_comes_when_a_repeat_is_there_already_has_not_had_it():
    hall = Hall()
    hall.say(3)
    hall.log.control({"type": "channel.gap"}, 0.0, Position("e", 50, "id50"))
    hall.said = 50
    hall.say(first=3)
    before = [Entry(number, f"id{number}", b"%d" % number) for number in range(41, 51)]
    back = hall.log.replay(Position("e", 40, "id40"), before, 0.0)
    assert back.seq < 3, "counted backwards, it seems to stand before the first one"
    assert take(hall.reader(node=back)) == [*range(41, 51), 51]


def test_what_is_not_ours_is_passed_over(caplog):
    hall = Hall()
    reader, batched, newest = hall.reader(), hall.reader(batch=10), hall.reader("newest")
    hall.say()
    hall.log.append(Entry(2, "bad", b"{"), "e", 0.0)
    hall.said += 1
    hall.say()
    newest.overrun()
    assert take(reader) == [1, 3]
    assert take(batched) == [[1], [3]]
    assert take(newest) == [1, 3]


def test_batches():
    hall = Hall()
    reader = hall.reader(batch=3)
    hall.say(4)
    hall.control()
    hall.say()
    assert take(reader) == [[1, 2, 3], [4], "channel.joined", [5]]


# ---- slow readers


@pytest.mark.parametrize(
    ("slow", "batch", "expected", "dropped"),
    [
        ("oldest", 0, [("gap", 6), 7, 8, 9, 10, 11, 12], 6),
        ("oldest", 10, [("gap", 6), [7, 8, 9, 10, 11, 12]], 6),
        ("newest", 0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 0),
        ("newest", 5, [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11], [12]], 0),
        ("latest", 0, [(12, 11)], 11),
    ],
)
def test_policies(slow, batch, expected, dropped):
    hall = Hall(lag=10)
    reader = hall.reader(slow, batch)
    for _ in range(12):
        hall.say()
        hall.overrun(reader)
    assert take(reader) == expected
    assert hall.dropped == dropped
    hall.say()
    assert take(reader) == [[13]] if batch else [13]


def test_newest_finishes_what_waits_and_skips_the_rest():
    hall = Hall(lag=10)
    reader = hall.reader("newest")
    for _ in range(100):
        hall.say()
        hall.overrun(reader)
    taken = take(reader)
    assert taken[:11] == list(range(1, 12))
    assert taken[11][0] == "gap"
    assert taken[11][1] + len(taken) - 1 == 100
    assert taken[12:] == list(range(101 - len(taken[12:]), 101))


def test_latest_says_how_many_it_left_out():
    hall = Hall()
    reader, batched = hall.reader("latest"), hall.reader("latest", 5)
    hall.say(3)
    hall.control()
    hall.say(2)
    assert take(reader) == ["channel.joined", (5, 4)]
    assert [batched.take()["type"], batched.take()["missed"]] == ["channel.joined", 4]


def test_latest_hears_of_the_channels_own_gaps():
    hall = Hall()
    reader = hall.reader("latest")
    hall.say()
    hall.control("channel.gap", missed=3)
    hall.say(2)
    assert take(reader) == [("gap", 3), (3, 2)]


def test_newest_keeps_words_of_control_in_their_place():
    hall = Hall(lag=4)
    start = hall.tail
    hall.control()
    reader = hall.reader("newest", node=start)
    hall.say()
    hall.control("channel.gap", missed=3)
    hall.say(4)
    hall.overrun(reader)
    assert take(reader) == [1, ("gap", 3), 2, 3, 4, 5]


def test_words_of_control_are_never_skipped():
    hall = Hall(lag=4)
    reader = hall.reader("oldest")
    hall.say(2)
    hall.control(member=1)
    hall.control("channel.left", member=1)
    hall.say(6)
    hall.overrun(reader)
    assert take(reader) == ["channel.joined", "channel.left", ("gap", 6), 7, 8]


@pytest.mark.parametrize(("missed", "expected"), [(5, 8), (None, None)])
def test_a_gap_that_is_skipped_joins_the_one_that_is_told(missed, expected):
    hall = Hall(lag=2)
    reader = hall.reader("oldest")
    hall.say(2)
    hall.control("channel.gap", missed=missed)
    hall.say(2)
    hall.overrun(reader)
    assert take(reader) == [("gap", expected), 4]
    hall.say(5)
    hall.overrun(reader)
    assert take(reader)[0] == ("gap", 4)


def test_close():
    hall = Hall(lag=3)
    reader = hall.reader("close")
    hall.say(3)
    hall.overrun(reader)
    assert reader.end is None
    hall.say()
    hall.overrun(reader)
    assert reader.node is None, "it pins nothing"
    for _ in range(2):
        with pytest.raises(CloseWith) as raised:
            reader.take()
        assert (raised.value.code, raised.value.reason) == (1013, "too slow")
    assert not reader.is_behind(3, 3)
    assert reader.limit(3, 3) == (hall.tail.seq + 3, hall.tail.size + 3)


def test_bytes_count_too_but_not_a_single_message():
    hall = Hall(lag_bytes=3)
    reader = hall.reader("close")
    hall.log.append(Entry(1, "id1", b'"large"'), "e", 0.0)
    hall.overrun(reader)
    assert reader.end is None
    hall.log.append(Entry(2, "id2", b"1"), "e", 0.0)
    hall.overrun(reader)
    assert reader.end == (1013, "too slow")


def test_too_many_words_of_control_close_whatever_the_policy():
    hall = Hall(lag=2)
    reader = hall.reader("oldest")
    hall.say()
    for _ in range(20):
        hall.control()
        hall.say()
        hall.overrun(reader)
    assert reader.end == (1013, "too slow")


def test_block_waits_until_half_is_taken():
    hall = Hall(lag=4)
    reader = hall.reader("block")
    hall.say(5)
    hall.overrun(reader)
    assert hall.held == [reader]
    for _ in range(3):
        assert hall.held == [reader]
        reader.take()
    assert hall.held == []
    assert take(reader) == [4, 5]


def test_block_in_vain_closes():
    hall = Hall(lag=4)
    reader = hall.reader("block")
    hall.say(5)
    reader.overrun(waited=True)
    assert reader.end == (1013, "too slow")


def test_what_a_reader_comes_back_for_is_not_its_slowness():
    hall = Hall(lag=5)
    start = hall.tail
    hall.say(50)
    reader = hall.reader(node=start)
    hall.say(5)
    hall.overrun(reader)
    assert reader.end is None
    for _ in range(40):
        reader.take()
    hall.overrun(reader)
    hall.say()
    hall.overrun(reader)
    assert reader.end is None
    for _ in range(16):
        reader.take()
    hall.overrun(reader)
    hall.say(5)
    hall.overrun(reader)
    assert reader.end is None
    hall.say()
    hall.overrun(reader)
    assert reader.end == (1013, "too slow")


def test_the_end_from_this_side():
    hall = Hall()
    reader = hall.reader()
    hall.say()
    reader.finish(1012, "going")
    assert hall.woken == [False]
    with pytest.raises(CloseWith, match="1012 going"):
        reader.take()


async def test_closing_leaves_the_channel():
    hall = Hall()
    reader = hall.reader()
    await reader.close()
    assert hall.left == [reader]
    reader.node = None
    with pytest.raises(CloseWith, match="1013"):
        reader.take()


def test_all_readers_stand_under_one_key():
    hall = Hall()
    assert hall.reader().key is hall.reader().key is hall.key
