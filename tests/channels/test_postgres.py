"""shallot.channels.postgres on a PostgreSQL of its own: options, the tables that are made, and what is deleted there."""

from __future__ import annotations

import asyncio

import pytest

from shallot.channels import postgres as module
from shallot.channels.contract import Kept, LinkLost, Present
from shallot.channels.postgres import PostgresBackend, postgres_channels
from shallot.channels.postgres_schema import format_schema
from shallot.errors import Unavailable
from shallot.testing.channels_aids import KEPT, Recorder, until

from .links import connected, linked

pytestmark = pytest.mark.needs("postgres")


# ---- options


def test_options_are_checked_at_once():
    assert postgres_channels("postgresql://nowhere/app", {"a": {"keep": 1}}, schema="app_2").effects
    for schema in ("", "App", "a-b", 'a"', "x" * 52, 7):
        with pytest.raises(ValueError, match="postgres_channels: schema must be a lower-case name like 'shallot', got "):
            postgres_channels("postgresql://nowhere/app", schema=schema)
    with pytest.raises(ValueError, match="expected a URL like postgresql://host/database, got one that begins with 'redis'"):
        postgres_channels("redis://user:secret@nowhere")


@pytest.mark.parametrize("poll_s", [0, -1, 61, True, "1", float("nan")])
def test_polling_is_checked_at_once(poll_s):
    with pytest.raises(ValueError, match="postgres_channels: poll_s must be a number from 0.01 to 60, or None, got "):
        postgres_channels("postgresql://nowhere/app", poll_s=poll_s)


async def test_nobody_there():
    with pytest.raises(LinkLost, match="postgres: "):
        async with PostgresBackend("postgresql://postgres@127.0.0.1:1/postgres").connect(Recorder()):
            pass


# ---- what stands in PostgreSQL


async def test_all_make_the_tables_at_the_same_time(postgres):
    links = [PostgresBackend(postgres.url, schema="race").connect(Recorder()) for _ in range(6)]
    await asyncio.gather(*(link.__aenter__() for link in links))
    for link in links:
        await link.__aexit__(None, None, None)
    async with connected(postgres) as connection:
        await connection.execute(format_schema("race"))  # and again


async def test_an_app_that_may_create_nothing_finds_what_is_there(postgres):
    async with connected(postgres) as connection:
        await connection.execute(format_schema("ready"))
        await connection.execute("""
            CREATE ROLE app LOGIN; REVOKE CREATE ON DATABASE postgres FROM PUBLIC; GRANT USAGE ON SCHEMA ready TO app;
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ready TO app
        """)
    url = postgres.url.replace("postgres@", "app@")
    async with PostgresBackend(url, schema="ready").connect(Recorder()) as link:
        await link.publish("a", b"1", "one", KEPT)
    with pytest.raises(Unavailable, match="InsufficientPrivilege"):
        async with PostgresBackend(url, schema="missing").connect(Recorder()):
            pass


async def test_what_nobody_needs_is_swept(postgres, monkeypatch):
    monkeypatch.setattr(module, "SWEEP_S", 0.02)
    monkeypatch.setattr(module, "FORGET_S", 0.5)
    monkeypatch.setattr(module, "LOST_NODE_S", 0.05)
    async with linked(postgres, schema="swept") as (link, _), connected(postgres) as connection:
        await link.lease("ended", 0)
        await link.join("room", "ended", {"ann": b"{}"})
        await link.join("room", "unknown", {"bob": b"{}"})
        await link.lease("lives", 15)
        await link.join("room", "lives", {"cat": b"{}"})
        stored = await link.publish("silent", b"1", "one", Kept(10, 0.05, 0.05))
        await link.publish("busy", b"1", "one", KEPT)

        async def left():
            rows = [await connection.fetch(f"SELECT * FROM swept.{table}") for table in ("log", "ids", "head", "nodes", "members")]
            return [len(found) for found in rows]

        async with asyncio.timeout(10):
            while await left() != [1, 1, 1, 1, 1]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await link.members("room") == [Present("lives", "cat", b"{}")]
        assert (await link.read("silent", stored.position, 10)).gap == "epoch", "the numbering begins anew"


async def test_a_sweep_that_fails_ends_the_link(postgres, monkeypatch):
    monkeypatch.setattr(module, "SWEEP_S", 0.02)
    async with linked(postgres, schema="broken") as (_, ears), connected(postgres) as connection:
        await connection.execute("DROP TABLE broken.ids")
        await until(lambda: ears.losses, "the loss is told")
        assert "ids" in str(ears.losses[0])


async def test_a_sweep_that_is_refused_is_tried_again(postgres, monkeypatch, caplog):
    monkeypatch.setattr(module, "SWEEP_S", 0.02)
    async with connected(postgres) as connection:
        await connection.execute(format_schema("kept"))
        rights = "GRANT USAGE ON SCHEMA kept TO reader; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA kept TO reader"
        await connection.execute(f"CREATE ROLE reader LOGIN; {rights}")
        async with PostgresBackend(postgres.url.replace("postgres@", "reader@"), schema="kept").connect(ears := Recorder()) as link:
            await until(lambda: caplog.text.count("it will be tried again") > 1, "the refusals are told")
            await connection.execute("GRANT DELETE ON ALL TABLES IN SCHEMA kept TO reader")
            await link.publish("silent", b"1", "one", Kept(10, 0.05, 0.05))
            async with asyncio.timeout(10):
                while await connection.fetch("SELECT * FROM kept.ids"):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert ears.losses == []


async def test_a_standby_is_refused(postgres):
    """What a failover leaves behind can be read, and is of no use."""
    async with connected(postgres) as connection:
        await connection.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
        try:
            with pytest.raises(LinkLost, match=r"TargetServerAttributeNotMatched|read-only|ReadOnly"):
                async with linked(postgres, schema="standby") as (link, _):
                    await link.publish("a", b"1", "one", KEPT)
        finally:
            await connection.execute("SET default_transaction_read_only = off; ALTER ROLE postgres RESET default_transaction_read_only")


async def test_polling_ends_with_the_link(postgres):
    async with linked(postgres, poll_s=0.02) as (link, ears):
        await link.attach(["a"])
        await until(lambda: ears.hints == ["a"], "it polls")
