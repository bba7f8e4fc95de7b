"""The guarantee, against a model: whatever a backend loses, repeats, delays or forgets, each reader hears each message once and in order, or of one gap.

``SHALLOT_MODEL_STEPS=100000`` takes so many steps; a failure prints the steps that lead to it.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from shallot.channels.contract import Position
from shallot.channels.cursor import parse_cursor
from shallot.errors import Unavailable

from .machine import Machine, case_of

STEPS = int(os.environ.get("SHALLOT_MODEL_STEPS", "1500"))

TOPICS = {"few": {"keep": 4}, "many": {"keep": 1000}, "here": {"presence": True}}
channels = st.sampled_from(["few", "many", "other"])
nodes = st.sampled_from([0, 1])


class Model:
    """What is true of each channel: the messages that are stored now, and which ever followed which."""

    def __init__(self) -> None:
        self.lines: dict[str, list[Position]] = defaultdict(list)
        self.follows: set[tuple[str, object, Position]] = set()
        self.disasters = 0
        self.settled = 0
        """How many of the disasters everybody knows of."""

    def stored(self, channel: str, position: Position) -> None:
        line = self.lines[channel]
        assert position.offset == len(line) + 1, "the model knows of each message"
        self.follows.add((channel, line[-1] if line else position.epoch, position))
        line.append(position)

    def after(self, channel: str, at: Position, until: Position | None = None) -> list[Position]:
        """What is stored now behind ``at`` (and before ``until``)."""
        return [one for one in self.lines[channel] if (one.epoch != at.epoch or one.offset > at.offset) and (until is None or one.offset < until.offset)]


class Ear:
    """A reader, and what it may hear next."""

    def __init__(self, model: Model, channel: str, context, messages, cursor: str | None) -> None:
        self.model, self.channel, self.context, self.messages, self.cursor = model, channel, context, messages, cursor
        self.at = parse_cursor(messages.cursor)
        self.gaps, self.disasters = 0, model.settled
        self.heard = set[str]()
        """Since the last disaster that it was told of."""
        self.before = {position.id for position in model.lines[channel] if position.epoch == self.at.epoch and position.offset <= self.at.offset}
        """What it has heard before that, or before it came."""
        self.task = asyncio.ensure_future(self.listen())

    async def listen(self) -> None:
        async for message in self.messages:
            match message:
                case {"type": "channel.gap", "reason": reason, "cursor": cursor}:
                    self.gaps += 1
                    self.at = parse_cursor(cursor)
                    if reason in {"epoch", "rollback"}:  # what is still kept is told, and some of it may have been told before
                        self.before |= self.heard
                        self.heard = set()
                case {"type": "channel.message", "cursor": cursor, "id": identity}:
                    self.hear(parse_cursor(cursor), identity)

    def hear(self, position: Position, identity: str) -> None:
        follows = (self.channel, self.at if self.at.offset else self.at.epoch, position) in self.model.follows
        is_oldest_kept = self.gaps and not self.at.id and self.at[:2] == (position.epoch, position.offset - 1)
        has_heard_all_between = self.gaps and self.at.epoch == position.epoch and self.has_heard(self.model.after(self.channel, self.at, position))
        assert follows or is_oldest_kept or has_heard_all_between, f"{position} after {self.at} in {self.channel}, and no gap"
        assert identity not in self.heard, f"{position} was heard before"
        self.heard.add(identity)
        self.at = position

    def has_heard(self, positions: list[Position]) -> bool:
        return all(position.id in self.heard | self.before for position in positions)


class Guarantee(Machine):
    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed):
        self.begin(seed, 2, TOPICS, publish_s=3.0, subscribe_s=3.0)
        self.model = Model()
        self.backend.stored = self.model.stored
        self.ears, self.cursors, self.said, self.saved = [], defaultdict(list), 0, None

    @rule(node=nodes, channel=channels, count=st.integers(1, 6))
    def publish(self, node, channel, count):
        for _ in range(count):
            self.said += 1
            try:
                result = self.run(self.nodes[node].publish(channel, self.said))
            except Unavailable:
                continue
            self.cursors[channel].append(result["cursor"])

    @precondition(lambda self: len(self.ears) < 12)
    @rule(node=nodes, channel=channels, back=st.integers(0, 8), kind=st.sampled_from(["now", "cursor", "cursor", "forged"]))
    def subscribe(self, node, channel, back, kind):
        known = self.cursors[channel]
        cursor = {"now": None, "forged": "forged", "cursor": known[-1 - back] if len(known) > back else None}[kind]
        context = self.nodes[node].subscription(channel, cursor=cursor)
        try:
            messages = self.run(context.__aenter__())
        except Unavailable:
            return

        async def listen():
            return Ear(self.model, channel, context, messages, cursor)

        self.ears.append(self.run(listen()))

    @precondition(lambda self: self.ears)
    @rule(number=st.integers(0, 11))
    def leave(self, number):
        ear = self.ears.pop(number % len(self.ears))
        self.end(ear)
        self.cursors[ear.channel].append(ear.messages.cursor)

    def end(self, ear):
        async def end():
            ear.task.cancel()
            await asyncio.wait([ear.task])
            await ear.context.__aexit__(None, None, None)

        self.run(end())
        if not ear.task.cancelled():
            ear.task.result()

    @rule(seconds=st.floats(0.001, 5))
    def wait(self, seconds):
        self.run(asyncio.sleep(seconds))

    @rule(lose=st.sampled_from([0, 0.1, 1]), repeat=st.sampled_from([0, 0.3]), late=st.sampled_from([0, 0.01, 1.0]))
    def behave(self, lose, repeat, late):
        self.backend.lose, self.backend.repeat, self.backend.late_s = lose, repeat, late

    @rule(refuse=st.sampled_from([0, 0.1]), slow=st.sampled_from([0, 0.01, 0.3]))
    def be_slow(self, refuse, slow):
        self.backend.refuse, self.backend.slow_s = refuse, slow

    @rule(deny=st.sampled_from([0, 0.2, 1]))
    def be_full(self, deny):
        self.backend.deny = deny

    @rule()
    def cut(self):
        self.backend.cut()

    @rule(seconds=st.floats(0.1, 6))
    def freeze(self, seconds):
        self.backend.freeze()
        self.run(asyncio.sleep(seconds))
        self.backend.thaw()

    @rule()
    def forget(self):
        self.model.disasters += 1
        self.model.lines.clear()
        self.backend.forget()

    @rule()
    def save(self):
        self.saved = self.backend.snapshot(), {channel: list(line) for channel, line in self.model.lines.items()}

    @precondition(lambda self: self.saved)
    @rule()
    def restore(self):
        restore, lines = self.saved
        self.model.disasters += 1
        self.model.lines = defaultdict(list, {channel: list(line) for channel, line in lines.items()})
        restore()

    @rule()
    def settle(self):
        """All that went wrong ends; a while later everybody knows everything, and who was not told of a gap has missed nothing."""
        self.backend.lose = self.backend.repeat = self.backend.refuse = self.backend.deny = self.backend.late_s = self.backend.slow_s = 0
        self.run(asyncio.sleep(30))
        self.model.settled = self.model.disasters
        for ear in self.ears:
            missing = self.model.after(ear.channel, ear.at)
            assert ear.has_heard(missing), f"{ear.channel}: heard until {ear.at}, but not of {missing}"
            if ear.disasters == self.model.disasters and ear.cursor is None:
                assert ear.gaps == 0 or ear.channel == "few", f"{ear.channel}: {ear.gaps} gaps, and nothing was lost"

    def finish(self):
        for ear in self.ears:
            self.end(ear)
        for node in self.nodes:
            stats = node.stats()
            assert (stats["channels"], stats["readers"]) == (0, 0)


TestGuarantee = case_of(Guarantee, STEPS, 60 + STEPS // 50)
