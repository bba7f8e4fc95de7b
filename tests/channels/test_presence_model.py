"""Presence, against a model: whatever links lose, refuse and delay, all nodes come to agree on who is there, and tell of each who came and went once.

``SHALLOT_MODEL_STEPS=100000`` takes a twentieth as many steps; a failure prints the steps that lead to it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shallot.channels import hub
from shallot.channels.presence import LEASE_S
from shallot.channels.resource import Channels
from shallot.errors import Unavailable
from shallot.testing import VirtualLoop
from shallot.testing.channels_unruly import Unruly

STEPS = max(300, int(os.environ.get("SHALLOT_MODEL_STEPS", "1500")) // 20)
"""Each is slow: minutes may pass."""
PER_RUN = 50
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


class Gathering(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed):
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.backend = Unruly(seed)
        self.nodes = [Channels(self.backend, {"here": {"presence": True}}, grace_s=GRACE_S, subscribe_s=3.0) for _ in range(NODES)]
        self.hasty = pytest.MonkeyPatch()
        for name in ("AUDIT_S", "REVIEW_EVERY"):
            self.hasty.setattr(hub, name, 1)
        self.sockets = []
        for node in self.nodes:
            self.run(node.__aenter__())
        self.ears = [self.run(self.hear(node)) for node in self.nodes]

    def run(self, work):
        return self.loop.run_until_complete(work)

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

    @invariant()
    def listeners_are_well(self):
        for ear in getattr(self, "ears", []):
            if ear.task.done():
                ear.task.result()

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        self.backend.thaw()
        try:
            self.settle()
            for _, context in self.sockets:
                self.run(context.__aexit__(None, None, None))
            self.run(asyncio.sleep(GRACE_S + 1))
            own = Counter(len(node._hub.attendance._own) + len(node._hub.attendance._leaving) for node in self.nodes)
            assert own == {0: NODES}, "nobody is kept"
        finally:
            for ear in self.ears:
                ear.task.cancel()
                self.run(ear.context.__aexit__(None, None, None))
            for node in self.nodes:
                self.run(node.__aexit__(None, None, None))
            self.hasty.undo()
            left = asyncio.all_tasks(self.loop)
            self.loop.close()
            asyncio.set_event_loop(None)
        assert left == set()


Gathering.TestCase.settings = settings(
    max_examples=max(1, STEPS // PER_RUN), stateful_step_count=PER_RUN, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
Gathering.TestCase.pytestmark = pytest.mark.timeout(60 + STEPS // 10)
TestGathering = Gathering.TestCase
