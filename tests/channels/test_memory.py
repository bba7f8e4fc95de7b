"""shallot.channels.memory: the backend of one process passes the suite of all backends, and holds what it keeps in bounds."""

from __future__ import annotations

import pytest

from shallot.channels.memory import MemoryBackend
from shallot.testing.channels_suite import BackendSuite


class TestMemory(BackendSuite):
    @pytest.fixture(autouse=True)
    def store(self):
        self.backend = MemoryBackend()

    def make(self):
        return self.backend
