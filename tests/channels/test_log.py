"""shallot.channels.log: one chain for all, a window for those who come back, and texts that are encoded once."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest

from shallot.channels.contract import Entry, Position
from shallot.channels.log import WINDOW_S, Log, Node, batch_of, mark
from shallot.codec.json import parse_json


def filled(count: int, *, start: int = 0, max_count: int = 1000, max_bytes: int = 1_000_000) -> Log:
    log = Log("c", Position("e", start, f"id{start}" if start else ""), 0.0, max_count=max_count, max_bytes=max_bytes)
    for number in range(start + 1, start + count + 1):
        log.append(Entry(number, f"id{number}", b"%d" % number), "e", 0.0)
    return log


def chain(node: Node | None) -> list[Node]:
    nodes = []
    while node is not None:
        nodes.append(node)
        node = node.next
    return nodes


def test_the_chain_counts_links_messages_and_bytes():
    log = filled(3)
    log.control({"type": "x"}, 0.0)
    assert [(node.seq, node.count, node.size, node.position.offset) for node in chain(log.oldest)] == [
        (0, 0, 0, 0),
        (1, 1, 1, 1),
        (2, 2, 2, 2),
        (3, 3, 3, 3),
        (4, 3, 3, 3),
    ]
    assert log.last == Position("e", 3, "id3")


def test_a_message_is_made_once_and_its_text_is_all_of_it():
    node = filled(1).tail
    message = node.message('c"é')
    assert message is node.message('c"é')
    assert {**parse_json(message["text"].encode()), "text": message["text"]} == message
    assert (message["type"], message["channel"], message["data"], message["id"], message["cursor"]) == ("channel.message", 'c"é', 1, "id1", "e.1.id1")
    assert node.cursor is node.cursor


def test_a_batch_joins_the_texts():
    messages = [node.message("c") for node in chain(filled(3).oldest)[1:]]
    batch = batch_of("c", messages)
    assert {**parse_json(batch["text"].encode()), "text": batch["text"]} == batch
    assert [item["data"] for item in batch["items"]] == [1, 2, 3]
    assert (batch["id"], batch["cursor"], "data" in batch) == ("id3", "e.3.id3", False)


@pytest.mark.parametrize("data", [b"\x80\x04]\x94.", b"", b"{", b"NaN", b"[" * 100_000, b"\xff"], ids=["pickle", "empty", "half", "nan", "deep", "bytes"])
def test_I7_data_that_is_not_ours(data, caplog):
    node = Node(Position("e", 1, "x"), data, None, 1, 1, 1, 0.0)
    assert node.message("c") is None
    assert node.message("c") is None
    assert [(record.levelname, "is not ours" in record.getMessage()) for record in caplog.records] == [("WARNING", True)]


def test_a_window_has_its_bounds():
    log = filled(100, max_count=10)
    assert len(log.window) <= 1.25 * 10 + 8
    log.trim(0.0)
    assert list(log.window) == list(range(90, 101))
    assert log.find(Position("e", 95, "id95")).next.position.offset == 96
    assert log.find(Position("e", 89, "id89")) is None
    assert log.find(Position("e", 95, "other")) is None
    assert log.find(Position("x", 95, "id95")) is None


def test_a_window_is_bounded_in_bytes():
    log = Log("c", Position("e", 0, ""), 0.0, max_count=1000, max_bytes=1000)
    for number in range(1, 101):
        log.append(Entry(number, f"id{number}", b"x" * 100), "e", 0.0)
    assert len(log.window) <= 14
    log.append(Entry(101, "id101", b"x" * 5000), "e", 0.0)
    assert list(log.window) == [101]


def test_a_window_is_bounded_in_time_but_for_its_end():
    log = filled(5)
    log.trim(WINDOW_S - 1, idle=True)
    assert len(log.window) == 6
    log.trim(WINDOW_S, idle=True)
    assert list(log.window) == [5]


def test_what_nobody_needs_is_freed():
    class Watched(Node):
        __slots__ = ("__weakref__",)

    log = filled(1, max_count=1)
    watched = Watched(Position("e", 2, "id2"), b"2", None, 2, 2, 2, 0.0)
    log.tail.next = log.tail = log.window[2] = watched
    held = weakref.ref(watched)
    del watched
    for number in range(3, 100):
        log.append(Entry(number, f"id{number}", b"1"), "e", 0.0)
    gc.collect()
    assert held() is None


def test_a_long_chain_is_freed_without_depth():
    log = filled(200_000, max_count=1_000_000)
    del log
    gc.collect()


def test_a_gap_begins_the_window_anew():
    log = filled(5)
    log.control({"type": "channel.gap"}, 0.0, Position("f", 7, ""))
    assert (log.last, list(log.window), log.edge) == (Position("f", 7, ""), [7], 8)
    log.append(Entry(8, "id8", b"8"), "f", 0.0)
    assert log.find(Position("f", 7, "")).next.position.offset == 8


def test_what_was_told_is_remembered_over_gaps_for_a_while():
    log = filled(2)
    assert log.remember(1.0) == {mark("id1", b"1"): 1, mark("id2", b"2"): 2}
    log.control({"type": "channel.gap"}, 1.0, Position("f", 0, ""))
    log.append(Entry(1, "id1", b"1"), "f", 1.0, first=1)
    assert log.tail.first == 1
    assert log.remember(2.0) == {mark("id1", b"1"): 1, mark("id2", b"2"): 2}
    log.trim(2.0 + WINDOW_S, idle=True)
    assert log.remember(99.0) == {mark("id1", b"1"): 4}


def test_what_is_remembered_over_gaps_is_bounded():
    log = filled(0, max_count=10)
    for number in range(100):
        log.append(Entry(2 * number + 1, f"id{number}", b"1"), "e", 1.0)
        known = log.remember(1.0)
        log.control({"type": "channel.gap"}, 1.0, Position("e", 2 * number + 2, ""))
    assert len(known) == 4 * (10 + 8)
    assert {mark(identity, b"1") for identity in ("id99", "id98", "id40")} < known.keys()
    assert not {mark(identity, b"1") for identity in ("id0", "id1")} & known.keys()


def test_whether_a_message_was_here_is_certain_or_not():
    log = filled(3)
    assert log.knows(Entry(2, "id2", b"2"))
    assert log.knows(Entry(0, "", b"whatever stood where the window begins"))
    assert not log.knows(Entry(2, "other", b"2"))
    assert not log.knows(Entry(2, "id2", b"said later, under an id that is free again"))
    assert not log.knows(Entry(9, "id9", b"9"))


def test_a_window_that_begins_at_a_message_nobody_has_seen_learns_its_name():
    log = filled(2, start=5)
    begin = log.oldest
    begin.rename(Position("e", 5, ""))
    assert begin.cursor == "e.5."
    named = Position("e", 5, "id5")
    for other in (Position("x", 5, "id5"), Position("e", 6, "other"), Position("e", 99, "id99")):
        assert not log.is_nameless(other)
        assert not log.name(other)
    assert log.is_nameless(named)
    assert log.find(named) is None
    assert log.name(named)
    assert (log.find(named), begin.cursor) == (begin, "e.5.id5")
    assert not log.is_nameless(named)


@pytest.mark.parametrize("says", [0, 2], ids=["", "with-words-at-the-end"])
def test_a_replay_leads_into_the_window(says):
    log = filled(3, start=10)
    for _ in range(says):
        log.control({"type": "x"}, 0.0)
    start = Position("e", 7, "id7")
    node = log.replay(start, [Entry(number, f"id{number}", b"%d" % number) for number in (8, 9, 10, 11, 12)], 0.0)
    nodes = chain(node)
    assert [one.position.offset for one in nodes if one.data is not None] == [8, 9, 10, 11, 12, 13]
    assert nodes[-1] is log.tail
    assert [after.seq - before.seq for before, after in pairwise(nodes)] == [1] * (len(nodes) - 1)
    assert [after.count - before.count for before, after in pairwise(nodes)] == [one.data is not None for one in nodes[1:]]
    assert [after.size - before.size for before, after in pairwise(nodes)] == [len(one.data or b"") for one in nodes[1:]]
    assert list(log.window) == [7, 8, 9, 10, 11, 12, 13]
    assert log.find(start) is node
    assert log.find(Position("e", 9, "id9")).next.position.offset == 10


def test_a_replay_of_nothing_begins_at_the_window():
    log = filled(0, start=10)
    node = log.replay(Position("e", 9, ""), [Entry(10, "id10", b"10")], 0.0)
    assert [one.position.offset for one in chain(node)] == [9, 10, 10]
    log.append(Entry(11, "id11", b"11"), "e", 0.0)
    assert [one.position.offset for one in chain(node) if one.data is not None] == [10, 11]
