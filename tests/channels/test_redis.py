"""shallot.channels.redis on a Redis of its own: it passes the suite of all backends, alone and sharded on a cluster; and what is Redis' own."""

from __future__ import annotations

import pytest

from shallot.channels.redis import RedisBackend
from shallot.testing import channels_suite

from ..live.brokers import Redis

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture(scope="module")
def redis():
    with Redis() as running:
        yield running


class TestRedis(channels_suite.BackendSuite):
    @pytest.fixture(autouse=True)
    def server(self, redis):
        self.redis = redis

    def make(self):
        return RedisBackend(self.redis.url)
