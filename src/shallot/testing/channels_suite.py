"""The conformance suite of channel backends: one for all, those of third parties included. Needs no test library; pytest collects subclasses.

    class TestMyBackend(BackendSuite):
        def make(self):
            return MyBackend("mine://localhost:1234")

Each case runs in an event loop of its own, on channels of its own, within ``deadline_s``.
"""

from __future__ import annotations

from .channels_hearing import HearingCases
from .channels_nodes import NodeCases
from .channels_storing import StoringCases

__all__ = ["BackendSuite"]


class BackendSuite(StoringCases, HearingCases, NodeCases):
    """Holds a backend to ``shallot.channels.contract``. Subclass it, and say how to ``make`` one: each call may give the same backend or
    another one, all on the same store. ``rounds`` (1,000) is how often subscribe-then-publish is tried, ``deadline_s`` (60) the time of a case."""
