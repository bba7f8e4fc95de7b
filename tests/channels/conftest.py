"""One broker of each kind for a module: its tests keep out of each other's way by names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..live.brokers import Nats, Postgres, Redis


@pytest.fixture(scope="module")
def nats() -> Iterator[Nats]:
    with Nats() as running:
        yield running


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running
