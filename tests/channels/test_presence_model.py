"""Presence, against a model: whatever links lose, refuse and delay, all nodes come to agree on who is there, and tell of each who came and went once.

``SHALLOT_MODEL_STEPS=100000`` takes a twentieth as many steps; a failure prints the steps that lead to it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from shallot.channels import hub
from shallot.channels.presence import LEASE_S
from shallot.errors import Unavailable

from .machine import Machine, case_of

STEPS = max(300, int(os.environ.get("SHALLOT_MODEL_STEPS", "1500")) // 20)
"""Each is slow: minutes may pass."""
NODES = 3
GRACE_S = 2.0
SETTLE_S = LEASE_S + GRACE_S + 15

nodes = st.integers(0, NODES - 1)
members = st.sampled_from(["ann", "bob", "cat"])


class Ear:
    """A reader of one node's, and who is there by what it was told."""

    def __init__(self, context, messages, there) -> None:
        self.context = context
        self.there = set(there)
        self.task = asyncio.ensure_future(self.listen(messages))

    async def listen(self, messages) -> None:
        async for message in messages:
            match message:
                case {"type": "channel.joined", "member": {"id": identity}}:
                    assert identity not in self.there, f"{identity} joined twice"
                    self.there.add(identity)
                case {"type": "channel.left", "member": {"id": identity}}:
                    assert identity in self.there, f"{identity} left twice"
                    self.there.remove(identity)


class Gathering(Machine):
    hasty: pytest.MonkeyPatch | None = None

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed):
        self.hasty = pytest.MonkeyPatch()
        for name in ("AUDIT_S", "REVIEW_EVERY"):
            self.hasty.setattr(hub, name, 1)
        self.begin(seed, NODES, {"here": {"presence": True}}, grace_s=GRACE_S, subscribe_s=3.0)
        self.sockets = []
        self.ears = [self.run(self.hear(node)) for node in self.nodes]

    async def hear(self, node):
        context = node.subscription("here")
        messages = await context.__aenter__()
        return Ear(context, messages, await node.members("here"))

    @precondition(lambda self: len(self.sockets) < 12)
    @rule(node=nodes, member=members, mood=st.sampled_from([None, "merry", "sad"]), patience_s=st.sampled_from([None, None, 0.01, 0.5]))
    def come(self, node, member, mood, patience_s):
        """``patience_s``: the client leaves before it is done."""
        context = self.nodes[node].subscription("here", member={"id": member, "mood": mood})
        try:
            self.run(asyncio.wait_for(context.__aenter__(), patience_s))
        except (Unavailable, TimeoutError):
            return
        self.sockets.append((member, context))

    @precondition(lambda self: self.sockets)
    @rule(number=st.integers(0, 11))
    def go(self, number):
        _, context = self.sockets.pop(number % len(self.sockets))
        self.run(context.__aexit__(None, None, None))

    @rule(seconds=st.sampled_from([0.01, 0.5, 5.0, GRACE_S + 1, LEASE_S + GRACE_S]))
    def wait(self, seconds):
        self.run(asyncio.sleep(seconds))

    @rule(refuse=st.sampled_from([0, 0.1, 1]), deny=st.sampled_from([0, 0.2, 1]), slow=st.sampled_from([0, 0.3]))
    def behave(self, refuse, deny, slow):
        self.backend.refuse, self.backend.deny, self.backend.slow_s = refuse, deny, slow

    @rule(seconds=st.sampled_from([0, 0.2, 1.0, GRACE_S + 0.1]))
    def cut(self, seconds):
        """Now, or in the midst of what comes next."""
        self.loop.call_later(seconds, self.backend.cut)

    @rule(seconds=st.sampled_from([0.5, 3.0, 30.0]))
    def freeze(self, seconds):
        self.backend.freeze()
        self.run(asyncio.sleep(seconds))
        self.backend.thaw()

    @rule()
    def forget(self):
        self.backend.forget()

    @rule()
    def settle(self):
        """All that went wrong ends; a while later everybody agrees."""
        self.backend.refuse = self.backend.deny = self.backend.slow_s = 0
        self.run(asyncio.sleep(SETTLE_S))
        there = {member for member, _ in self.sockets}
        for number, (node, ear) in enumerate(zip(self.nodes, self.ears, strict=True)):
            listed = self.run(node.members("here"))
            assert set(listed) == there, f"node {number} lists {sorted(listed)}, there are {sorted(there)}"
            assert ear.there == there, f"node {number} told of {sorted(ear.there)}, there are {sorted(there)}"

    def finish(self):
        for _, context in self.sockets:
            self.run(context.__aexit__(None, None, None))
        self.run(asyncio.sleep(GRACE_S + 1))
        own = Counter(len(node._hub.attendance._own) + len(node._hub.attendance._leaving) for node in self.nodes)
        assert own == {0: NODES}, "nobody is kept"
        for ear in self.ears:
            ear.task.cancel()
            self.run(ear.context.__aexit__(None, None, None))

    def teardown(self):
        try:
            super().teardown()
        finally:
            if self.hasty is not None:
                self.hasty.undo()


TestGathering = case_of(Gathering, STEPS, 60 + STEPS // 10)
