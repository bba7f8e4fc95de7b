"""shallot.channels.postgres on a PostgreSQL of its own: it passes the suite of all backends; and what is PostgreSQL's own."""

from __future__ import annotations

import pytest

from shallot.channels.postgres import PostgresBackend
from shallot.testing import channels_suite

from ..live.brokers import Postgres

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as running:
        yield running


class TestPostgres(channels_suite.BackendSuite):
    @pytest.fixture(autouse=True)
    def server(self, postgres):
        self.postgres = postgres

    def make(self):
        return PostgresBackend(self.postgres.url)
