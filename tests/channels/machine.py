"""What the models of channels and of presence stand on: nodes on a virtual loop of their own, ears that must be well, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant

from shallot.channels.resource import Channels
from shallot.testing import VirtualLoop
from shallot.testing.channels_unruly import Unruly

PER_RUN = 50
"""Steps."""


class Machine(RuleBasedStateMachine):
    """``begin`` in an initialize rule; ``settle`` (a rule, too) and ``finish`` say what must be true then. Each of ``ears`` has the ``task`` that listens."""

    loop: VirtualLoop | None = None
    backend: Unruly
    nodes: Sequence[Channels] = ()
    ears: Sequence[Any] = ()

    def begin(self, seed: int, count: int, topics: Mapping[str, Any], **options: Any) -> None:
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.backend = Unruly(seed)
        self.nodes = [Channels(self.backend, topics, **options) for _ in range(count)]
        for node in self.nodes:
            self.run(node.__aenter__())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        assert self.loop is not None
        return self.loop.run_until_complete(work)

    def settle(self) -> None:
        """All that went wrong ends; a while later everybody knows everything."""
        raise NotImplementedError

    def finish(self) -> None:
        """Everybody leaves, and nothing is kept."""
        raise NotImplementedError

    @invariant()
    def listeners_are_well(self) -> None:
        for ear in self.ears:
            if ear.task.done():
                ear.task.result()

    def teardown(self) -> None:
        if self.loop is None:
            return
        self.backend.thaw()
        try:
            self.settle()
            self.finish()
        finally:
            for ear in self.ears:
                ear.task.cancel()
            for node in self.nodes:
                self.run(node.__aexit__(None, None, None))
            left = asyncio.all_tasks(self.loop)
            self.loop.close()
            asyncio.set_event_loop(None)
        assert left == set()


def case_of(machine: type[Machine], steps: int, timeout_s: float) -> Any:
    """The test that takes so many steps of ``machine``, ``PER_RUN`` in each run."""
    case = machine.TestCase
    case.settings = settings(
        max_examples=max(1, steps // PER_RUN), stateful_step_count=PER_RUN, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    case.pytestmark = pytest.mark.timeout(timeout_s)
    return case
