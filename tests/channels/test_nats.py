"""shallot.channels.nats on a NATS of its own: it passes the suite of all backends; and what is NATS' own."""

from __future__ import annotations

import pytest

from shallot.channels.nats import NatsBackend
from shallot.testing import channels_suite

from ..live.brokers import Nats

pytestmark = pytest.mark.needs("nats-server")


@pytest.fixture(scope="module")
def nats():
    with Nats() as running:
        yield running


class TestNats(channels_suite.BackendSuite):
    @pytest.fixture(autouse=True)
    def server(self, nats):
        self.nats = nats

    def make(self):
        return NatsBackend(self.nats.url)
