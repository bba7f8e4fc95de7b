"""shallot.channels.nats_wire on a NATS of its own: who gets which answer, and what happens to all when the connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from shallot.channels import nats_wire
from shallot.channels.contract import LinkLost
from shallot.channels.nats_wire import Question, Wire
from shallot.errors import Unavailable
from shallot.testing.channels_aids import Recorder, until

from ..live.brokers import Nats
from ..worlds import load_again

pytestmark = pytest.mark.needs("nats-server")


@asynccontextmanager
async def wired(nats: Nats) -> AsyncGenerator[tuple[Wire, Recorder], None]:
    sink = Recorder()
    wire = Wire(sink)
    try:
        await wire.open([nats.url], None)
        yield wire, sink
    finally:
        await wire.close()


async def stream(wire: Wire, name: str, storage: str = "memory", **config: Any) -> None:
    await wire.ask("STREAM.CREATE", name, name=name, subjects=[f"{name}.*"], storage=storage, retention="limits", discard="new", **config)


# ---- questions


async def test_answers(nats: Nats) -> None:
    async with wired(nats) as (wire, sink):
        await stream(wire, "answers")
        numbers = [(await wire.store("answers.a", b"%d" % number, {}))["seq"] for number in range(5)]
        assert numbers == [1, 2, 3, 4, 5]
        assert wire.max_payload == 8 * 1024 * 1024
        found = await wire.find("answers", seq=2)
        assert found is not None and (found.number, found.subject, found.data) == (2, "answers.a", b"1")
        assert await wire.find("answers", last_by_subj="answers.b") is None
        scan = await wire.scan("answers", "answers.*", 2, 3)
        assert ([record.data for record in scan.records], scan.total) == ([b"1", b"2", b"3"], 4)
        assert abs(scan.now - found.time) < 10
        scan = await wire.scan("answers", "answers.a", 0, headers_only=True)
        assert [(record.number, record.data) for record in scan.records] == [(number, b"") for number in numbers]
        assert (await wire.scan("answers", "answers.none", 0)).records == []
        info = await wire.ask("STREAM.INFO", "answers")
        assert info["state"]["messages"] == 5
        assert sink.losses == []


async def test_readers_are_not_left_behind(nats: Nats) -> None:
    async with wired(nats) as (wire, _):
        await stream(wire, "readers")
        await wire.store("readers.a", b"1", {})
        for _ in range(20):
            await wire.scan("readers", "readers.a", 0)
        await wire.ask("STREAM.INFO", "readers")
        info = await wire.ask("STREAM.INFO", "readers")
        assert info["state"]["consumer_count"] == 0


async def test_what_is_gone_is_not_waited_for(nats: Nats) -> None:
    """Between the count and the pull."""
    async with wired(nats) as (wire, _):
        await stream(wire, "gone")
        await wire.store("gone.a", b"1", {})
        made = await wire.ask("CONSUMER.CREATE", "gone", stream_name="gone", config={"ack_policy": "none", "deliver_policy": "all"})
        replies = await wire._pull(f"gone.{made['name']}", 3)
        assert [reply.data for reply in replies] == [b"1"]


async def test_much_is_read_in_portions(nats: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has more than 64 MiB on the way to somebody takes him for too slow."""
    monkeypatch.setattr(nats_wire, "PULL_BYTES", 0)
    async with wired(nats) as (wire, sink):
        await stream(wire, "much")
        size = wire.max_payload // 8
        for number in range(20):
            await wire.store("much.a", b"%02d" % number + bytes(size), {})
        pulls: list[int] = []
        pull = wire._pull

        async def counted(reader: str, wanted: int) -> list[Any]:
            pulls.append(wanted)
            return await pull(reader, wanted)

        monkeypatch.setattr(wire, "_pull", counted)
        scan = await wire.scan("much", "much.a", 0)
        assert [int(record.data[:2]) for record in scan.records] == list(range(20))
        assert pulls[0] == 20
        assert 2 < len(pulls) < 20
        assert sink.losses == []


async def test_refusals(nats: Nats) -> None:
    async with wired(nats) as (wire, sink):
        with pytest.raises(LinkLost, match="stream not found"):
            await wire.ask("STREAM.INFO", "nothing")
        assert (await wire.ask("STREAM.INFO", "nothing", allow=10059))["error"]["code"] == 404
        with pytest.raises(LinkLost, match="nobody answers; is JetStream enabled"):
            await wire.store("no.stream.has.this", b"", {})
        await stream(wire, "full", max_msgs=1)
        await wire.store("full.a", b"1", {})
        with pytest.raises(Unavailable, match="maximum messages exceeded") as refusal:
            await wire.store("full.a", b"2", {})
        assert not isinstance(refusal.value, LinkLost)
        assert sink.losses == [], "the connection is well"


@pytest.mark.parametrize("storage", ["file", "memory"])
async def test_an_account_that_is_full(storage: str) -> None:
    limits = f"jetstream: {{max_{storage}: 2MB}}"
    with Nats(f"accounts {{ A: {{ {limits}, users: [{{user: app, password: secret}}] }} }}") as own:
        sink = Recorder()
        wire = Wire(sink)
        await wire.open([own.url.replace("//", "//app:secret@")], None)
        try:
            await stream(wire, "full", storage)
            with pytest.raises(Unavailable, match="resource limits exceeded for account") as refusal:
                for _ in range(4):
                    await wire.store("full.a", b"1" * 900_000, {})
            assert not isinstance(refusal.value, LinkLost)
            with pytest.raises(Unavailable, match="insufficient .* resources") as refusal:
                await stream(wire, "large", storage, max_bytes=9_000_000)
            assert not isinstance(refusal.value, LinkLost)
            assert sink.losses == []
        finally:
            await wire.close()


async def test_who_asks_and_goes_disturbs_nobody(nats: Nats) -> None:
    async with wired(nats) as (wire, _):
        await stream(wire, "many")
        works = [asyncio.create_task(wire.store("many.a", b"1", {})) for _ in range(100)]
        await asyncio.sleep(0)
        for work in works[::2]:
            work.cancel()
        await asyncio.wait(works)
        assert len({work.result()["seq"] for work in works[1::2]}) == 50


def message(data: bytes = b"", status: str | None = None) -> Any:
    return SimpleNamespace(data=data, headers={"Status": status} if status else None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([message(b"1"), message(b"2"), message(b"3")], [b"1", b"2"], id="all"),
        pytest.param([message(b"1"), message(status="404"), message(b"2")], [b"1"], id="no-more"),
        pytest.param([message(status="408")], [], id="none"),
        pytest.param([message(status="503"), message(b"1")], LinkLost, id="nobody"),
    ],
)
async def test_a_question(told: list[Any], expected: Any) -> None:
    question = Question(1, 2)
    for one in told:
        question.take(one)
    assert question.answer.done()
    error = question.answer.exception()
    assert type(error) is expected if error else [reply.data for reply in question.answer.result()] == expected


# ---- hearing


async def test_hearing(nats: Nats) -> None:
    async with wired(nats) as (wire, sink):
        heard: list[Any] = []
        subscription = await wire.hear("hear.>", lambda *told: heard.append(told))
        await wire._client.publish("hear.a", b"1", headers={"K": "v"})
        await wire._client.publish("hear.b", b"2")
        await until(lambda: len(heard) == 2, "both are heard")
        assert heard == [("hear.a", {"K": "v"}, b"1"), ("hear.b", {}, b"2")]
        await wire.unhear(subscription)
        with pytest.raises(LinkLost):
            await wire.unhear(subscription)
        assert sink.losses == []


async def test_a_listener_that_fails_is_a_doubtful_link(nats: Nats) -> None:
    def fail(*told: object) -> None:
        raise KeyError("ours")

    async with wired(nats) as (wire, sink):
        await wire.hear("fails", fail)
        await wire._client.publish("fails", b"1")
        await until(lambda: sink.losses, "the loss is told")
        assert repr(sink.losses) == "[KeyError('ours')]"
        with pytest.raises(LinkLost, match="KeyError"):
            await wire.ask("INFO")


# ---- the end


async def test_nobody_there() -> None:
    wire = Wire(Recorder())
    with pytest.raises(LinkLost, match="nats: "):
        await wire.open(["nats://127.0.0.1:1"], None)
    with pytest.raises(LinkLost, match="not connected"):
        await wire.ask("INFO")
    await wire.close()


async def test_the_end_of_the_server_ends_every_question() -> None:
    with Nats() as own:
        async with wired(own) as (wire, sink):
            heard: list[object] = []
            await wire.hear("silence", lambda *told: heard.append(told))
            questions = [asyncio.create_task(wire._ask("silence", b"")) for _ in range(4)]
            await until(lambda: len(heard) == 4, "all are asked")
            questions.pop().cancel()
            own.kill()
            done, _ = await asyncio.wait(questions, timeout=5)
            assert [type(one.exception()) for one in done] == [LinkLost] * 3
            assert len(sink.losses) == 1
            for work in (wire.ask("INFO"), wire.hear("a", print), wire._send("a", b"", None, "b")):
                with pytest.raises(LinkLost):
                    await work


async def test_a_frozen_server_is_not_waited_for() -> None:
    """Not even for what it has not taken yet."""
    with Nats() as own:
        async with wired(own) as (wire, _):
            own.freeze()
            works = [asyncio.create_task(wire.store("a", b"x" * 7_000_000, {})) for _ in range(3)]
            await asyncio.wait(works, timeout=0.2)
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 1
        own.thaw()
        done, _ = await asyncio.wait(works, timeout=5)
        assert [type(work.exception()) for work in done] == [LinkLost] * 3


async def test_a_question_that_was_answered_stays_so(nats: Nats) -> None:
    async with wired(nats) as (wire, _):
        with wire._question(1) as question:
            question.take(message(b"1"))
            wire._end(LinkLost("later"))
            assert [reply.data for reply in await question.answer] == [b"1"]


def test_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"pip install 'shallot\[nats\]'"):
        load_again(monkeypatch, nats_wire, {"nats.aio.client": None})
